import type { Head } from '../http/head.ts';
import { X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PROTO } from '../http/names.ts';
import type { Requester } from './requester.ts';

/** What a trusted peer says of the client, with that peer added to it. */
export function forwardedOn(buffer: Buffer, head: Head, client: Requester, ownHostLine: string): string {
  let addresses = '';
  for (let i = head.find(X_FORWARDED_FOR); i >= 0; i = head.find(X_FORWARDED_FOR, i + 1))
    addresses += `${head.value(buffer, i)}, `;
  const proto = head.find(X_FORWARDED_PROTO);
  const host = head.find(X_FORWARDED_HOST);
  const protoLine = `x-forwarded-proto: ${proto < 0 ? client.scheme : head.value(buffer, proto)}\r\n`;
  const hostLine = host < 0 ? ownHostLine : `x-forwarded-host: ${head.value(buffer, host)}\r\n`;
  return `x-forwarded-for: ${addresses}${client.address}\r\n${protoLine}${hostLine}${client.credential}`;
}
