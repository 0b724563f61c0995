import { isIP } from 'node:net';

/** Where something listens or can be reached: a TCP host and port, or the path of a Unix socket. */
export type Address = { readonly host: string; readonly port: number } | { readonly path: string };

/**
 * Reads `127.0.0.1:8080`, `[::1]:8080`, `name.example:8080` or `unix:/run/app.sock`.
 * Returns a sentence that says what is wrong when it is none of these.
 */
export function parseAddress(text: string): Address | string {
  if (text.startsWith('unix:')) {
    const path = text.slice(5);
    return path.startsWith('/') ? { path } : 'a Unix socket needs an absolute path, as in unix:/run/app.sock';
  }
  const colon = text.lastIndexOf(':');
  if (colon < 1) return 'a port is missing, as in 127.0.0.1:8080';
  const port = text.slice(colon + 1);
  if (!/^\d{1,5}$/.test(port) || Number(port) > 65535) return `"${port}" is not a port from 0 to 65535`;
  const bracketed = /^\[(.*)\]$/.exec(text.slice(0, colon));
  const host = bracketed?.[1] ?? text.slice(0, colon);
  if (bracketed ? isIP(host) !== 6 : isIP(host) === 6)
    return 'an IPv6 address is written in brackets, as in [::1]:8080';
  if (!bracketed && isIP(host) === 0 && !/^[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?$/i.test(host))
    return `"${host}" is not a host name`;
  return { host, port: Number(port) };
}

/** The same address as text; `parseAddress` reads it back. */
export function formatAddress(address: Address): string {
  if ('path' in address) return `unix:${address.path}`;
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}

/** Why nothing can be connected to under this text, or undefined if something can. */
export function endpointFault(text: string): string | undefined {
  const address = parseAddress(text);
  if (typeof address === 'string') return `"${text}" is not an address: ${address}`;
  return 'port' in address && address.port === 0
    ? `"${text}" has port 0, where nothing can be connected to; name the port the server listens on`
    : undefined;
}
