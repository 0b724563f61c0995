import type { LookupAddress } from 'node:dns';
import { isIP } from 'node:net';
import { reasonOf } from '../base/reason.ts';
import { type Address, formatAddress } from '../model/address.ts';
import type { DnsPolicy } from '../model/health.ts';

/** Every address of a host name, as the system finds them. Rejects when it has none. */
export type Resolve = (host: string) => Promise<readonly LookupAddress[]>;

/**
 * Lookups are done by the few threads that also write files, and one that nobody answers holds its thread for
 * many seconds; so no more than this many are under way at a time.
 */
const MOST = 2;

/** Lets lookups have their turn. */
export class Resolver {
  readonly #resolve: Resolve;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(resolve: Resolve) {
    this.#resolve = resolve;
  }

  /** The addresses of a name in a fixed order, each as it is connected to, or why there are none. */
  async addresses({ host, port }: Named, family: DnsPolicy['family']): Promise<readonly string[] | string> {
    if (this.#running >= MOST) await new Promise<void>((turn) => this.#waiting.push(turn));
    this.#running++;
    try {
      const found = chosen(await this.#resolve(host), family);
      if (found.length === 0) return `"${host}" has no address of family ${family}`;
      return found.map((address) => formatAddress({ host: address, port }));
    } catch (cause) {
      return reasonOf(cause);
    } finally {
      this.#running--;
      this.#waiting.shift()?.();
    }
  }
}

type Named = Extract<Address, { readonly host: string }>;

/** The name and port of an endpoint that has to be resolved; undefined if it has not. */
export function nameIn(address: Address): Named | undefined {
  return 'host' in address && isIP(address.host) === 0 && address.host !== 'localhost' ? address : undefined;
}

/** The addresses of these that are wanted, sorted, since resolvers change their order with every answer. */
function chosen(found: readonly LookupAddress[], family: DnsPolicy['family']): readonly string[] {
  const of = (wanted: number) =>
    [...new Set(found.filter((each) => each.family === wanted).map(({ address }) => address))].sort();
  switch (family) {
    case '4':
      return of(4);
    case '6':
      return of(6);
    case 'both':
      return [...of(4), ...of(6)];
    default:
      return of(4).length > 0 ? of(4) : of(6);
  }
}
