import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Crew, freePort, type Member } from '../crew.ts';
import { PROXY_CORE } from '../machine.ts';
import type { Origins, Rival, Site } from '../rivals/rival.ts';

/** One measurement of one contender: numbers by the key of their column, and `errors`. */
export type Sample = Readonly<Record<string, number>>;

export interface Column {
  readonly key: string;
  readonly title: string;
  /** Decimal places shown. */
  readonly digits: number;
}

/** Somebody who is measured in a row. */
export interface Contender {
  readonly name: string;
  measure(): Promise<Sample>;
}

/** One kind of work that several contenders are measured at, turn by turn. */
export interface Row {
  readonly title: string;
  readonly columns: readonly Column[];
  readonly contenders: readonly Contender[];
  /** At most this many rounds, where more would tell nothing new. */
  readonly rounds?: number;
}

/** A rival that runs and has given right answers. */
export interface Standing extends Member {
  readonly rival: Rival;
}

/** What every row may use. */
export interface Ground {
  readonly crew: Crew;
  readonly origins: Origins;
  /** Scratch folder of the run. */
  readonly directory: string;
  /** The rivals of the main rows; they stand from the start of the run to its end. */
  readonly standing: readonly Standing[];
  /** Length of one measurement. */
  readonly seconds: number;
}

/** Starts a rival on the proxy core, in a folder of its own. */
export async function stand(
  rival: Rival,
  ground: Pick<Ground, 'crew' | 'origins' | 'directory'>,
  ways: Pick<Site, 'http2' | 'tls'> = {},
): Promise<Standing> {
  const port = await freePort();
  const directory = join(ground.directory, `${rival.name.replaceAll('/', '-')}-${port}`);
  await mkdir(directory, { recursive: true });
  const command = await rival.prepare({ port, origins: ground.origins, directory, ...ways });
  const member = await ground.crew.start({ name: rival.name, command, core: PROXY_CORE, port });
  return { ...member, rival };
}
