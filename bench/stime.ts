import { run } from './crew.ts';

/**
 * One request after the other with `openssl s_time`, each on a new connection that resumes the session of the
 * first; of the load generators at hand it is the one that can. Of a request it lets us say the path only, and puts
 * an HTTP/1.0 behind it: so the path holds the rest of the head, and a field at the end takes what is put behind.
 */
export async function resumed(load: {
  readonly port: number;
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
  const address = `127.0.0.1:${load.port}`;
  return parseTimes(
    await run(['openssl', 's_time', '-connect', address, '-reuse', '-time', `${load.seconds}`, '-www', head]),
  );
}

/** Reads what s_time prints: a letter for each connection, `r` if it was resumed, and their number at the end. */
export function parseTimes(printed: string): { requests: number; rate: number; errors: number } {
  const told = /(\d+) connections in (\d+) real seconds, (\d+) bytes read per connection/.exec(printed);
  if (told === null || told[1] === '0') throw new Error(`s_time made no connection: ${printed}`);
  const [requests, seconds, bytes] = told.slice(1).map(Number) as [number, number, number];
  const good = (/^r+$/m.exec(printed)?.[0].length ?? 0) >= requests && bytes > 0;
  return { requests, rate: requests / Math.max(1, seconds), errors: good ? 0 : requests };
}
