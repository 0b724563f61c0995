import { addAbortSignal, type Duplex } from 'node:stream';

const ABORTED = AbortSignal.abort();

/**
 * Breaks off an HTTP/2 stream with CANCEL. Its `close` must never be used for that: it ends what is written
 * first, and so presents as whole what is not.
 */
export function cancel(stream: Duplex): void {
  addAbortSignal(ABORTED, stream);
}
