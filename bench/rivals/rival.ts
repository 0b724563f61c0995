import type { KeyPair } from '../keypair.ts';

/** Ports of the two versions that every rival stands in front of. */
export interface Origins {
  readonly stable: number;
  readonly canary: number;
}

/** Where a rival is to stand. */
export interface Site {
  /** Loopback port to listen on. */
  readonly port: number;
  readonly origins: Origins;
  /** Clients speak HTTP/2 there: agreed on by ALPN with TLS, begun with without. */
  readonly http2?: boolean;
  /** Clients come by TLS. */
  readonly tls?: KeyPair;
  /** An empty folder of its own. */
  readonly directory: string;
}

/** A proxy that can be put in front of the origins. */
export interface Rival {
  readonly name: string;
  /** Whether it splits between the two versions by the cookie `uid`; if not, all goes to stable. */
  readonly splits: boolean;
  /** Its version; undefined when it is not installed. */
  version(): string | undefined;
  /** The command that installs it. */
  readonly install: string;
  /** Writes what it needs and tells the command that runs it in the foreground, with one worker. */
  prepare(site: Site): Promise<readonly [string, ...string[]]>;
}
