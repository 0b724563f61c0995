import type { OverloadSources } from '../metrics/overload.ts';
import type { FleetView, ServiceList } from '../model/api.ts';
import type { Connections } from '../model/connections.ts';
import type { EndpointNumbers, EndpointView } from '../model/health.ts';

/** What the admin API tells of the process around it. Implemented by `process/`. */
export interface Status extends OverloadSources {
  /** Why no requests can be served that a start anew would let be served; undefined if they can. */
  notLive(): string | undefined;
  /** Why no requests should be sent here; undefined if they should. */
  notReady(): string | undefined;
  /** The replicas that share the store; of a store that is not shared, this one. */
  fleet(): FleetView;
  /** The workers that are alive, the revision each of them serves, and what it has too much of. */
  workers(): ServiceList['workers'];
  /** How the endpoints of a version stand. */
  standing(service: string, version: string): readonly EndpointView[];
  /** Every endpoint in numbers. */
  endpoints(): Iterable<EndpointNumbers>;
  /** Counts by status code, since the start and over all workers, of requests that belonged to no service. */
  unrouted(): Readonly<Record<string, number>>;
  /** TLS handshakes, since the start and over all workers, by how they ended. */
  handshakes(): Readonly<Record<string, number>>;
  /** Connections of clients that are open, over all workers. */
  connections(): Connections;
  /** Certificates shown to clients; `notAfter` in seconds since 1970. */
  certificates(): readonly { readonly file: string; readonly notAfter: number }[];
}
