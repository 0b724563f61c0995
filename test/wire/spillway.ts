import { silent } from '../../src/base/log.ts';
import { parseAddress } from '../../src/model/address.ts';
import type { LedgerCounts } from '../../src/model/counts.ts';
import { type Config, settingsOf } from '../../src/model/settings.ts';
import type { Service } from '../../src/model/state.ts';
import { PLAIN, type TlsTerms } from '../../src/model/tls.ts';
import { systemClock } from '../../src/process/clock.ts';
import { DataPlane } from '../../src/proxy/plane.ts';
import type { Target } from './client.ts';

/** A data plane on a port of its own, with every path and host leading to one endpoint. */
export interface Spillway {
  readonly address: Target;
  /** What its ledgers counted since the last call. */
  collect(): LedgerCounts[];
  close(): Promise<void>;
}

/** Settings of one test; what it does not say has the default that users get. */
export interface Wishes extends Pick<Config, 'timeouts' | 'limits'> {
  readonly service?: Pick<Service, 'timeouts' | 'limits' | 'maxBodyBytes'>;
  /** Clients come by TLS, and believe this authority. */
  readonly secure?: { readonly ca: string; readonly tls: TlsTerms };
}

export async function openSpillway(endpoint: string, wishes: Wishes = {}): Promise<Spillway> {
  const { service, secure, ...settings } = wishes;
  const plane = new DataPlane(settingsOf({ listen: [], ...settings }, 1).proxy, {
    clock: systemClock,
    log: silent,
    accessLog: undefined,
  });
  plane.adopt({
    revision: 1,
    services: {
      site: {
        match: [{ path: '/' }],
        versions: { only: { endpoints: [endpoint] } },
        split: {
          weights: { only: 100 },
          salt: 's',
          hashVersion: 1,
          cause: 'seed',
          since: '2026-01-01T00:00:00Z',
        },
        wholes: ['only'],
        ...service,
      },
    },
  });
  const speech = secure && { ...PLAIN, tls: secure.tls };
  const address = parseAddress(await plane.listen('127.0.0.1:0', undefined, speech));
  if (typeof address === 'string' || !('host' in address)) throw new Error(`not listening: ${address}`);
  return {
    address: { ...address, ca: secure?.ca },
    collect: () => plane.collect(),
    close: () => plane.drain(0),
  };
}
