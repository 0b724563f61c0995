import type { Exchange, Pair, Sent } from './exchange.ts';

/** The bytes of the request that is number `index` on its connection. */
export function requestBytes({ request }: Exchange, index: number): string {
  const { method, minor, close } = request;
  const own: Pair[] = [
    ['Host', 'a'],
    ...framing(request),
    ...(close ? [['Connection', 'close'] as const] : []),
  ];
  return `${method} /${index} HTTP/1.${minor}\r\n${lines([...own, ...request.fields])}\r\n${bodyBytes(request)}`;
}

/** The bytes of the answer, and of the interim ones before it. */
export function answerBytes({ request, answer }: Exchange): string {
  const { status, minor, interim } = answer;
  const early = interim.map((each) => `HTTP/1.1 ${each} Soon\r\nLink: </${each}>\r\n\r\n`).join('');
  const head = `HTTP/1.${minor} ${status} Whatever\r\n${lines([...framing(answer), ...answer.fields])}\r\n`;
  return early + head + (request.method === 'HEAD' ? '' : bodyBytes(answer));
}

/** The stream in packets of these sizes, taken in turn; it is cut a few dozen times at most. */
export function packetsOf(bytes: string, sizes: readonly number[]): string[] {
  const packets: string[] = [];
  let at = 0;
  for (let i = 0; at < bytes.length && i < 40; i++) {
    const size = sizes[i % sizes.length]!;
    packets.push(bytes.slice(at, at + size));
    at += size;
  }
  if (at < bytes.length) packets.push(bytes.slice(at));
  return packets;
}

function framing({ framing, body }: Sent): Pair[] {
  if (framing === 'chunked') return [['Transfer-Encoding', 'chunked']];
  return framing === 'length' ? [['Content-Length', `${body.length}`]] : [];
}

function lines(pairs: readonly Pair[]): string {
  return pairs.map(([name, value]) => `${name}: ${value}\r\n`).join('');
}

function bodyBytes({ framing, body, chunks, trailers }: Sent): string {
  if (framing !== 'chunked') return body;
  let out = '';
  for (let at = 0, i = 0; at < body.length; i++) {
    const data = body.slice(at, at + chunks[i % chunks.length]!);
    // A body of many small chunks would be nothing but size lines.
    const rest = i < 50 ? data : body.slice(at);
    out += `${rest.length.toString(16)}\r\n${rest}\r\n`;
    at += rest.length;
  }
  return `${out}0\r\n${lines(trailers)}\r\n`;
}
