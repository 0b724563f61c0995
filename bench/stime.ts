import { run } from './crew.ts';

/** As s_time calls them. */
type Kind = 'new' | 'reuse';

/**
 * One request after the other with `openssl s_time`, each on a new connection with a whole handshake, or one that
 * resumes the first session; wrk does now this, now that. Of a request it lets us say the path only, and puts an
 * HTTP/1.0 behind it: so the path holds the rest of the head, and a field at the end takes what is put behind.
 */
export async function handshakes(load: {
  readonly port: number;
  readonly kind: Kind;
  readonly path: string;
  readonly seconds: number;
}): Promise<{ readonly requests: number; readonly rate: number; readonly errors: number }> {
  const head = [
    `${load.path} HTTP/1.1`,
    'Host: shop.example.com',
    'User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36',
    'Accept: */*',
    'Cookie: theme=dark; uid=user17; session=0123456789abcdef0123456789abcdef',
    'Connection: close',
    'X-Rest:',
  ].join('\r\n');
  const where = ['-connect', `127.0.0.1:${load.port}`] as const;
  return parseTimes(
    await run(['openssl', 's_time', ...where, `-${load.kind}`, '-time', `${load.seconds}`, '-www', head]),
    load.kind,
  );
}

/** Reads what s_time prints: a letter for each connection, `r` if it was resumed, and their number at the end. */
export function parseTimes(printed: string, kind: Kind): { requests: number; rate: number; errors: number } {
  const told = /(\d+) connections in (\d+) real seconds, (\d+) bytes read per connection/.exec(printed);
  if (told === null || told[1] === '0') throw new Error(`s_time made no connection: ${printed}`);
  const [requests, seconds, bytes] = told.slice(1).map(Number) as [number, number, number];
  const good =
    ((kind === 'new' ? /^\*+$/m : /^r+$/m).exec(printed)?.[0].length ?? 0) >= requests && bytes > 0;
  return { requests, rate: requests / Math.max(1, seconds), errors: good ? 0 : requests };
}
