import type { TrialArm } from '../metrics/trial.ts';
import type { ProxyProtocol } from '../model/tls.ts';
import type { Balancer } from '../upstream/balancer.ts';
import type { UpstreamTerms } from '../upstream/channel.ts';
import type { Again } from './again.ts';
import type { Pace } from './pace.ts';
import type { Traffic } from './traffic.ts';

/** What the requests of one version go through, by one table: where to, on what terms, and who counts. */
export interface Lane {
  readonly version: string;
  /** The line that tells endpoints and clients the version. */
  readonly line: string;
  readonly balancer: Balancer;
  /** The version that answers while this one has no endpoint that can be used. */
  readonly fallback: string | undefined;
  readonly terms: UpstreamTerms;
  /** Its endpoints are told of the client's connection by a PROXY header of this version; undefined if not. */
  readonly proxyProtocol: ProxyProtocol | undefined;
  /** Largest request body, bytes; 0 is no limit. */
  readonly maxBodyBytes: number;
  readonly pace: Pace;
  /** Most requests in flight, and most that wait to be sent; Infinity is no limit. */
  readonly mostInFlight: number;
  readonly mostPending: number;
  /** What is done for requests whose attempt failed; undefined if nothing but what is always done. */
  readonly again: Again | undefined;
  readonly traffic: Traffic;
  /** Who counts for this version in a trial; undefined while it is in none. */
  readonly trial: TrialArm | undefined;
}
