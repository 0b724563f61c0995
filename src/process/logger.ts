import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import pino from 'pino';
import type { Log } from '../base/log.ts';
import type { LineSink } from '../proxy/plane.ts';

/** A log whose level can be changed while it is used. */
export interface Logger extends Log {
  setLevel(level: string): void;
}

/** JSON lines to standard output: level, time, worker (none in the primary), the fields, msg. */
export function createLogger(level: string, worker?: number): Logger {
  const { err } = pino.stdSerializers;
  const log = pino({
    level,
    base: worker === undefined ? {} : { worker },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    serializers: { err, error: err, cause: err },
  });
  return {
    debug: (fields, message) => log.debug(fields, message),
    info: (fields, message) => log.info(fields, message),
    warn: (fields, message) => log.warn(fields, message),
    error: (fields, message) => log.error(fields, message),
    setLevel(to) {
      log.level = to;
    },
  };
}

type Destination = ReturnType<typeof pino.destination>;

/** Characters gathered before they are given to the system in one write. */
const BATCH = 64 * 1024;
/** Bytes that may wait for a slow disk; beyond them whole batches are dropped and counted. */
const MOST = 8 * 1024 * 1024;
/** Milliseconds a line waits at most before it is written. */
const PERIOD = 1000;

/**
 * A file of log lines that never blocks: they are gathered here, written by the thread pool, and dropped with a
 * count when the disk cannot keep up. The gathering is done here rather than by sonic-boom's `minLength`,
 * because sonic-boom measures its whole buffer again at every line.
 */
export class LogFile implements LineSink {
  readonly #path: string;
  readonly #log: Log;
  readonly #timer: NodeJS.Timeout;
  #out: Destination;
  /** The end of the file before a rotation. */
  #former: Promise<void> | undefined;
  #batch = '';
  #lines = 0;
  #dropped = 0;
  #fault: unknown;

  /** Opens the file for appending (`-`: standard output). Throws, with the path, if it cannot be opened. */
  constructor(path: string, log: Log) {
    this.#path = path;
    this.#log = log;
    this.#out = this.#open();
    this.#timer = setInterval(() => this.#tick(), PERIOD);
    this.#timer.unref();
  }

  /** Takes one line, with its newline. */
  write(line: string): void {
    this.#batch += line;
    this.#lines++;
    if (this.#batch.length >= BATCH) this.#hand();
  }

  /** Goes on in a new file of the same name, after the old one was moved away. */
  reopen(): void {
    if (this.#path === '-') return;
    this.#hand();
    const before = this.#out;
    try {
      this.#out = this.#open();
    } catch (err) {
      this.#log.error({ err }, 'the access log goes on in the old file');
      return;
    }
    this.#former = this.#end(before);
  }

  /** Writes what is left, waiting for a stuck disk no longer than a second. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#tick();
    await Promise.all([this.#former, this.#end(this.#out)]);
  }

  #open(): Destination {
    if (this.#path !== '-') assertAppendable(this.#path);
    const dest = this.#path === '-' ? 1 : this.#path;
    const out = pino.destination({ dest, append: true, sync: false, maxLength: MOST });
    out.on('error', (fault: unknown) => {
      this.#fault = fault;
    });
    out.on('drop', () => {
      this.#dropped += this.#lines;
    });
    return out;
  }

  async #end(out: Destination): Promise<void> {
    const closed = once(out, 'close', { signal: AbortSignal.timeout(PERIOD) });
    out.end();
    await closed.catch((err: unknown) => {
      this.#log.warn({ path: this.#path, err }, 'the end of an access log may be missing');
    });
  }

  #tick(): void {
    this.#hand();
    if (this.#dropped === 0 && this.#fault === undefined) return;
    this.#log.warn(
      { path: this.#path, dropped: this.#dropped, err: this.#fault },
      'the access log cannot be written as fast as it grows',
    );
    this.#dropped = 0;
    this.#fault = undefined;
  }

  #hand(): void {
    if (this.#lines === 0) return;
    this.#out.write(this.#batch);
    this.#batch = '';
    this.#lines = 0;
  }
}

/** sonic-boom opens later and throws from `write` if that failed, so a hopeless path is found out before. */
function assertAppendable(path: string): void {
  try {
    closeSync(openSync(path, 'a'));
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Error(
      `The access log ${path} cannot be opened: ${why}. Create its directory, or change accessLog.path.`,
      { cause },
    );
  }
}
