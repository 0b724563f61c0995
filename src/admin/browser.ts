import type { IncomingHttpHeaders } from 'node:http';
import { addressSet } from '../base/cidr.ts';
import type { Address } from '../model/address.ts';
import { Problem } from './problem.ts';

/**
 * Without tokens, being able to connect is all the right there is, and any web page can make the browser of
 * whoever sits at this machine connect. So the headers decide that a page cannot forge.
 */

const LOOPBACK = addressSet(['127.0.0.0/8', '::1']);

/** Whether only this machine can connect to what listens there. */
export function isLoopback(address: Address): boolean {
  return 'path' in address || isLocalName(address.host);
}

/**
 * Throws a 403 if the request was addressed to a name that is not this machine's: a page whose own name was
 * made to resolve to 127.0.0.1 (DNS rebinding) may read the answers, but it cannot change the Host header.
 */
export function refuseForeignHost({ host }: IncomingHttpHeaders): void {
  // No browser leaves Host out.
  if (host === undefined || isLocalName(host.replace(/:\d*$/, '').replace(/^\[(.*)\]$/, '$1'))) return;
  throw new Problem(403, `The Host "${host}" is not this machine. Ask for 127.0.0.1, or configure tokens.`, {
    kind: 'foreign-host',
  });
}

/** Throws a 403 if a page of another origin makes this request. */
export function refuseCrossSite(headers: IncomingHttpHeaders): void {
  const site = headers['sec-fetch-site'];
  const { origin } = headers;
  const foreign =
    (site !== undefined && site !== 'same-origin' && site !== 'none') ||
    (origin !== undefined && origin.toLowerCase() !== `http://${headers.host?.toLowerCase()}`);
  if (!foreign) return;
  throw new Problem(403, 'Changes are not taken from pages of other sites. Configure tokens to allow them.', {
    kind: 'cross-site',
  });
}

function isLocalName(host: string): boolean {
  return host.toLowerCase() === 'localhost' || LOOPBACK.has(host);
}
