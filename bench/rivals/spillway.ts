import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Config } from '../../src/model/settings.ts';
import type { ServiceConfig } from '../../src/model/state.ts';
import { freePort } from '../crew.ts';
import type { Origins, Rival } from './rival.ts';

const CLI = fileURLToPath(new URL('../../src/cli.js', import.meta.url));

/** How a Spillway differs from the one of the main rows. */
export interface Variant {
  /** How many services there are, the measured one among them. */
  readonly services?: number;
  readonly accessLog?: boolean;
  /** Weight of the canary, in percent. */
  readonly canary?: number;
  /** Port of the admin API. */
  readonly admin?: number;
}

/** Spillway as it is run for real, by its own command line: a primary and one worker. */
export function spillway(name: string, variant: Variant = {}): Rival {
  return {
    name,
    splits: true,
    install: 'npm run build',
    version: () => (existsSync(CLI) ? 'this commit' : undefined),
    async prepare({ port, origins, directory, tls }) {
      const file = join(directory, 'spillway.json');
      const admin = variant.admin ?? (await freePort());
      const certificates = tls && [{ cert: tls.cert, key: tls.key }];
      const config: Config = {
        listen: [{ address: `127.0.0.1:${port}`, ...(certificates && { tls: { certificates } }) }],
        admin: { address: `127.0.0.1:${admin}`, requestsPerMinute: 100_000 },
        store: 'memory:',
        workers: 1,
        ...(variant.accessLog && { accessLog: { path: join(directory, 'access.log') } }),
        services: services(origins, variant),
      };
      // JSON is YAML, too.
      await writeFile(file, JSON.stringify(config));
      return [process.execPath, CLI, 'run', '--config', file];
    },
  };
}

/** The measured service in the middle of as many others as were asked for. */
function services(origins: Origins, { services: count = 1, canary = 5 }: Variant): Config['services'] {
  const service = (host: string): ServiceConfig => ({
    match: [{ host, path: '/' }],
    key: { cookie: 'uid' },
    versions: {
      stable: { endpoints: [`127.0.0.1:${origins.stable}`] },
      canary: { endpoints: [`127.0.0.1:${origins.canary}`] },
    },
    weights: { stable: 100 - canary, canary },
  });
  const middle = Math.floor(count / 2);
  const names = Array.from({ length: count }, (_, i) => (i === middle ? 'shop' : `service-${i}`));
  return Object.fromEntries(names.map((name) => [name, service(`${name}.example.com`)]));
}
