import { MORE } from './head.ts';

/**
 * What a TLS client says first (RFC 8446 §4.1.2). OpenSSL reads it, and judges it; this looks only for the name that
 * is asked for, since a certificate has to be chosen before. What cannot be read asks for no name, and OpenSSL will
 * say what is wrong with it.
 */

const HANDSHAKE = 22;
const CLIENT_HELLO = 1;
const SERVER_NAME = 0;
/** Bytes of a record before what it carries, and of a message before its body. */
const RECORD = 5;
const MESSAGE = 4;
/** Version and random bytes, with which every hello begins. */
const BEGINNING = 34;
/** A longer hello nobody sends, even with keys that quantum computers cannot break. */
const LONGEST = 16_384;
/** Nor in more pieces: one fits in a record, and each more makes all that came before be looked at again. */
const MOST_RECORDS = 16;

/** The host name that a client asks for, by all the bytes that have come of it; '' if it asks for none. */
export function nameAsked(read: Buffer): string | typeof MORE {
  const hello = helloIn(read);
  if (hello === undefined || hello === MORE) return hello ?? '';
  let at = BEGINNING;
  at += 1 + (short(hello, at - 1) % 256);
  at += 2 + short(hello, at);
  at += 1 + (short(hello, at - 1) % 256);
  for (at += 2; at + 4 <= hello.length; at += 4 + short(hello, at + 2)) {
    // A list of names, of which one at most is a host's, and no others were ever heard of.
    if (short(hello, at) === SERVER_NAME)
      return hello.toString('latin1', at + 9, Math.min(at + 9 + short(hello, at + 7), hello.length));
  }
  return '';
}

/** The body of the first message, which may have come in several records; undefined if it is no hello. */
function helloIn(read: Buffer): Buffer | typeof MORE | undefined {
  let message = Buffer.alloc(0);
  for (let at = 0, records = 1; at < read.length; records++) {
    if (read[at] !== HANDSHAKE || records > MOST_RECORDS) return undefined;
    const end = at + RECORD + short(read, at + 3);
    message = Buffer.concat([message, read.subarray(at + RECORD, end)]);
    if (message.length > 0 && message[0] !== CLIENT_HELLO) return undefined;
    const size = MESSAGE + short(message, 2);
    if ((message[1] ?? 0) > 0 || size > LONGEST) return undefined;
    if (message.length >= MESSAGE && message.length >= size) return message.subarray(MESSAGE, size);
    if (end === at + RECORD && at + RECORD <= read.length) return undefined;
    at = end;
  }
  return MORE;
}

/** Two bytes as a number; what lies behind the end is 0. */
function short(buffer: Buffer, at: number): number {
  return ((buffer[at] ?? 0) << 8) | (buffer[at + 1] ?? 0);
}
