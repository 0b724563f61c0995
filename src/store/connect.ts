import { Cluster, Redis } from 'ioredis';
import type { Timers } from '../base/timers.ts';
import type { Place } from '../model/place.ts';
import type { Script } from './scripts.ts';

/** How Redis is reached, besides its address. */
export interface Credentials {
  readonly username?: string;
  readonly password?: string;
  /** Of the sentinels, where it differs. */
  readonly sentinelPassword?: string;
  /** PEM. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** Milliseconds after which a command is given up. */
const PATIENCE = 1_200;

export type Client = Redis | Cluster;

/** A client that connects by itself, again and again, and never lets a command wait for that. */
export function connect(place: Place, credentials: Credentials): Client {
  const {
    username = place.username,
    password = place.password,
    sentinelPassword,
    ca,
    cert,
    key,
  } = credentials;
  const tls = place.secure ? { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) } : undefined;
  const common = {
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(tls && { tls }),
    connectTimeout: PATIENCE,
    connectionName: 'spillway',
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    // Whoever listens does so anew each time, and knows what to do when that fails.
    autoResubscribe: false,
    lazyConnect: true,
  };
  const retryStrategy = (times: number) => Math.min(50 * 2 ** times, 1_000);
  switch (place.kind) {
    case 'cluster': {
      const { enableOfflineQueue: _, lazyConnect: __, ...redisOptions } = common;
      return new Cluster([...place.nodes], {
        redisOptions,
        enableOfflineQueue: false,
        lazyConnect: true,
        slotsRefreshTimeout: PATIENCE,
        clusterRetryStrategy: retryStrategy,
        retryDelayOnFailover: 200,
        maxRedirections: 4,
      });
    }
    case 'sentinel':
      return new Redis({
        ...common,
        retryStrategy,
        sentinels: [...place.nodes],
        name: place.group,
        db: place.db,
        sentinelCommandTimeout: PATIENCE,
        sentinelRetryStrategy: retryStrategy,
        ...(sentinelPassword !== undefined && { sentinelPassword }),
        ...(tls && { enableTLSForSentinelMode: true, sentinelTLS: tls }),
      });
    case 'one':
      return new Redis({ ...common, ...place.nodes[0]!, db: place.db, retryStrategy });
  }
}

/** Runs a script, which is sent in full only when Redis does not know it yet. */
export async function run(
  client: Client,
  { sha, lua }: Script,
  keys: readonly string[],
  args: readonly (string | number)[],
): Promise<unknown> {
  try {
    return await client.evalsha(sha, keys.length, ...keys, ...args);
  } catch (error) {
    if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error;
    return client.eval(lua, keys.length, ...keys, ...args);
  }
}

/** Gives up what takes too long. Whoever was busy meanwhile looks first whether the answer has come. */
export function timely<T>(answer: Promise<T>, timers: Timers): Promise<T> {
  return new Promise((resolve, reject) => {
    let stop = timers.after(PATIENCE, () => {
      stop = timers.after(1, () => reject(new TimedOut(`no answer within ${PATIENCE} ms`)));
    });
    answer.finally(() => stop()).then(resolve, reject);
  });
}

export class TimedOut extends Error {
  override readonly name = 'TimedOut';
}
