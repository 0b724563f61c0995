import { text } from './bytes.ts';
import { dropNominated, type Head } from './head.ts';
import {
  CONNECTION,
  CONTENT_LENGTH,
  CREDENTIAL,
  EXPECT,
  HOP,
  HOST,
  KEEP_ALIVE,
  KINDS,
  NOMINATED,
  OTHER,
  OURS,
  PROVENANCE,
  TRANSFER_ENCODING,
  UNDERSCORED,
  UPGRADE,
  X_FORWARDED_FOR,
  X_FORWARDED_HOST,
  X_FORWARDED_PROTO,
  X_REQUEST_ID,
  X_SPILLWAY_EVENT,
  X_SPILLWAY_VERSION,
} from './names.ts';

/**
 * Heads on the way out: canonical lines only, framing always our own. What is passed on unchanged is cut out
 * of the received head in as few pieces as possible, since every piece is a string made.
 */

/** Kinds of fields that are left out, by number (names.ts): 1 drops. */
export type Drops = Uint8Array;

function drops(...kinds: number[]): Drops {
  const out = new Uint8Array(KINDS);
  for (const kind of kinds) out[kind] = 1;
  return out;
}

const HOP_BY_HOP = [CONNECTION, KEEP_ALIVE, HOP, UPGRADE, NOMINATED, TRANSFER_ENCODING, CONTENT_LENGTH];

/** Of a request, towards an endpoint: from a peer that is not trusted. Content-Length is written anew. */
export function requestDrops(options: {
  readonly trusted: boolean;
  readonly underscores: 'drop' | 'pass';
  /** What is to be said of client certificates is said by us. */
  readonly vouched?: boolean;
}): Drops {
  const out = drops(
    ...HOP_BY_HOP,
    EXPECT,
    X_FORWARDED_FOR,
    X_FORWARDED_PROTO,
    X_FORWARDED_HOST,
    X_REQUEST_ID,
    X_SPILLWAY_VERSION,
    X_SPILLWAY_EVENT,
    OURS,
  );
  if (!options.trusted) out[PROVENANCE] = 1;
  if (!options.trusted || options.vouched) out[CREDENTIAL] = 1;
  if (options.underscores === 'drop') out[UNDERSCORED] = 1;
  return out;
}

/** Of a response, towards the client. */
export const RESPONSE_DROPS: Drops = drops(...HOP_BY_HOP, X_SPILLWAY_VERSION, X_SPILLWAY_EVENT, OURS);

/** As `drops`, and Host too: it is written anew when the target was a whole URL. */
export function withoutHost(dropped: Drops): Drops {
  const out = dropped.slice();
  out[HOST] = 1;
  return out;
}

/**
 * The received bytes from `from` (the start of the message, or of its fields) up to the end of its fields,
 * but for the fields dropped.
 */
export function keptLines(buffer: Buffer, head: Head, from: number, dropped: Drops): string {
  if (head.loose) return text(buffer, from, head.fieldsStart) + canonicalLines(buffer, head, dropped);
  const { spans, kinds, count } = head;
  let out = '';
  let pieceStart = from;
  for (let i = 0; i < count; i++) {
    const kind = kinds[i]!;
    if (kind === OTHER || dropped[kind] === 0) continue;
    const lineStart = spans[4 * i]!;
    if (lineStart > pieceStart) out += text(buffer, pieceStart, lineStart);
    pieceStart = spans[4 * i + 3]! + 2;
  }
  return pieceStart < head.fieldsEnd ? out + text(buffer, pieceStart, head.fieldsEnd) : out;
}

/** Every kept line as `name: value`, without the odd spaces it came with. */
function canonicalLines(buffer: Buffer, head: Head, dropped: Drops): string {
  let out = '';
  for (let i = 0; i < head.count; i++) {
    if (dropped[head.kinds[i]!] === 0)
      out += `${text(buffer, head.spans[4 * i]!, head.spans[4 * i + 1]!)}: ${head.value(buffer, i)}\r\n`;
  }
  return out;
}

/** Method, target and version as they go to an endpoint, and the kept lines of the request. */
export function requestLines(buffer: Buffer, head: Head, dropped: Drops): string {
  if (head.minor === 1 && !head.absolute) return keptLines(buffer, head, head.start, dropped);
  const path = text(buffer, head.targetStart, head.targetEnd);
  const target = path.startsWith('/') || head.asterisk ? path : `/${path}`;
  return `${text(buffer, head.start, head.methodEnd)} ${target} HTTP/1.1\r\n${keptLines(buffer, head, head.fieldsStart, dropped)}`;
}

/** Status line and kept lines of a response, as they go to the client: always as HTTP/1.1 (RFC 9110 §2.5). */
export function responseLines(buffer: Buffer, head: Head): string {
  if (head.nominates) dropNominated(buffer, head, undefined);
  if (head.minor === 1) return keptLines(buffer, head, head.start, RESPONSE_DROPS);
  return `HTTP/1.1${text(buffer, head.start + 8, head.fieldsStart)}${keptLines(buffer, head, head.fieldsStart, RESPONSE_DROPS)}`;
}
