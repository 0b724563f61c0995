import type { Bound, Sockets } from './sockets.ts';

/** Why an address cannot be listened on, in a sentence with the cure. `other` completes "or …". */
export function listenFault(cause: unknown, address: string, other: string): Error {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  return new Error(
    `Cannot listen on ${address}: ${reason(code, cause)} ${advice(code, address)}, or ${other}.`,
    {
      cause,
    },
  );
}

function reason(code: unknown, cause: unknown): string {
  switch (code) {
    case 'EADDRINUSE':
      return 'something else is listening there.';
    case 'EACCES':
      return 'it is not permitted.';
    case 'EADDRNOTAVAIL':
      return 'this machine does not have that address.';
    default:
      return `${cause instanceof Error ? cause.message : String(cause)}.`;
  }
}

function advice(code: unknown, address: string): string {
  const port = address.slice(address.lastIndexOf(':') + 1);
  switch (code) {
    case 'EADDRINUSE':
      return address.startsWith('unix:')
        ? 'Stop whatever serves that socket'
        : `Find it with \`ss -ltnp "sport = :${port}"\` and stop it`;
    case 'EACCES':
      return 'Ports below 1024 need the capability CAP_NET_BIND_SERVICE';
    default:
      return 'Correct it';
  }
}

/** The socket for an address that the config file has under this key. Rejects with the cure if there is none. */
export function openSocket(sockets: Sockets, address: string, key: string): Promise<Bound> {
  return sockets.open(address).catch((fault: unknown) => {
    throw listenFault(fault, address, `give another ${key} in the config file`);
  });
}
