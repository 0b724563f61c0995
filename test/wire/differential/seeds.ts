import { type Case, fill, type Packet, readCases } from '../conformance/case.ts';

/** Longer streams teach a mutation little: most of it would be filling. */
const LONGEST = 1500;

/** Streams of requests. */
export function requestSeeds(): string[] {
  return mixed(OWN_REQUESTS, (c) => c.send);
}

/** Streams of answers. */
export function responseSeeds(): string[] {
  return mixed(OWN_RESPONSES, (c) => c.origin?.steps ?? []);
}

/** Those of the wire cases, most of which are refused; and as many that are sound, so that much is passed on. */
function mixed(own: readonly string[], packets: (c: Case) => readonly Packet[]): string[] {
  const cases = readCases().map((c) => bytesOf(packets(fill(c, 'n0000000001', 'a'))));
  const fit = cases.filter((bytes) => bytes !== '' && bytes.length <= LONGEST);
  return [...fit, ...fit.map((_, i) => own[i % own.length]!)];
}

function bytesOf(packets: readonly Packet[]): string {
  return packets.map(({ bytes = '', times = 1 }) => bytes.repeat(times)).join('');
}

const CHUNKS = '5;name=value\r\nhello\r\nB\r\n, and again\r\n0\r\nX-Sum: 1\r\nX-Other: 2\r\n\r\n';
const GET = 'GET /b?c=d HTTP/1.1\r\nHost: a\r\nCookie: k=v; l=w\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n';
const POST = 'POST /b HTTP/1.1\r\nHost: a:80\r\nContent-Length: 11\r\nX-A: b\r\n\r\nhello world';
const PUT = `PUT /b HTTP/1.1\r\nhost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n${CHUNKS}`;

const OWN_REQUESTS = [
  GET,
  POST,
  PUT,
  POST + GET,
  PUT + POST + GET,
  GET + PUT + GET,
  'GET http://a.example:80/b HTTP/1.1\r\nHost: a.example:80\r\nConnection: keep-alive, x-a\r\nX-A: b\r\n\r\n',
  'DELETE /b HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\nabcGET /c HTTP/1.0\r\n\r\n',
  `POST / HTTP/1.1\r\nHost: [::1]:80\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n${CHUNKS}${GET}`,
  'GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n',
];

const OWN_RESPONSES = [
  'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 11\r\nSet-Cookie: a=b\r\n\r\nhello world',
  `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n${CHUNKS}`,
  'HTTP/1.1 200 OK\r\nServer: x\r\n\r\nup to the end',
  'HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok',
  'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404\r\nContent-Length: 0\r\n\r\n',
  'HTTP/1.1 204 No Content\r\nKeep-Alive: timeout=5\r\n\r\n',
  'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\nContent-Length: 10\r\n\r\n',
];
