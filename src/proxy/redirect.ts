import { STATUS_CODES } from 'node:http';
import { text } from '../http/bytes.ts';
import type { Head } from '../http/head.ts';
import { X_FORWARDED_PROTO } from '../http/names.ts';
import type { Requester } from './requester.ts';

/**
 * The answer that sends a client to the same URL under https; undefined if its request is to be served, as the
 * listener sends nobody there, or a trusted peer says that the client came by it.
 */
export function redirection(
  buffer: Buffer,
  head: Head,
  client: Pick<Requester, 'httpsRedirect' | 'trusted' | 'localHost'>,
): string | undefined {
  const { httpsRedirect } = client;
  if (httpsRedirect === undefined) return undefined;
  const proto = client.trusted ? head.find(X_FORWARDED_PROTO) : -1;
  if (proto >= 0 && head.value(buffer, proto).toLowerCase() === 'https') return undefined;
  const named = head.hostStart > 0 ? text(buffer, head.hostStart, head.authorityEnd) : client.localHost;
  const target = text(buffer, head.targetStart, head.targetEnd);
  const host = named.replace(/:\d*$/, '');
  const path = target.startsWith('/') ? target : `/${target}`;
  const url = `https://${host}${httpsRedirect === 443 ? '' : `:${httpsRedirect}`}${path}`;
  return `HTTP/1.1 308 ${STATUS_CODES[308]}\r\nlocation: ${url}\r\ncontent-length: 0\r\n`;
}
