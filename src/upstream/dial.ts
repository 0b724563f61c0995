import net, { type OnReadOpts } from 'node:net';
import type { Address } from '../model/address.ts';
import { lookup } from './lookup.ts';
import type { Security } from './security.ts';

/** What is to be spoken on a new connection to an endpoint. */
export interface Opening {
  /** Undefined if there is no TLS. */
  readonly security: Security | undefined;
  readonly protocol: 'http/1.1' | 'h2';
  /** The PROXY header that goes before everything else; mostly empty. */
  readonly introduction: string;
}

/** A socket to an endpoint, ready when it says `connect`, or `secureConnect` where there is TLS. */
export function dial(
  address: Address,
  { security, protocol, introduction }: Opening,
  onread?: OnReadOpts,
): net.Socket {
  if (security !== undefined) return security.connect(address, protocol, introduction, onread);
  const socket = net.connect({ ...address, noDelay: true, lookup, ...(onread && { onread }) });
  if (introduction !== '') socket.write(introduction, 'latin1');
  return socket;
}
