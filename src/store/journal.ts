import { constants, type FileHandle, open } from 'node:fs/promises';
import type { AuditEntry } from '../model/record.ts';

const CHUNK = 65_536;
const NEWLINE = 0x0a;

/**
 * The audit log on disk: one JSON document a line, oldest first, only ever appended to.
 *
 * A line is written at the end of the last whole one, not at the end of the file: what a full disk or a crash
 * left of a line is written over by the next attempt.
 */
export class Journal {
  readonly path: string;
  readonly #file: FileHandle;
  /** Where the last whole line ends, in bytes. */
  #end: number;
  /** The revision of the last line; 0 if there is none. */
  #last: number;

  private constructor(path: string, file: FileHandle, end: number, last: number) {
    this.path = path;
    this.#file = file;
    this.#end = end;
    this.#last = last;
  }

  /** Cuts a torn last line. Throws an Error that names the file if it cannot be read. */
  static async open(path: string): Promise<Journal> {
    const file = await open(path, constants.O_RDWR | constants.O_CREAT, 0o600);
    try {
      const { size } = await file.stat();
      const end = await lineEnd(file, size);
      if (end < size) await file.truncate(end);
      const journal = new Journal(path, file, end, 0);
      for await (const newest of journal.newest()) {
        journal.#last = newest.revision;
        break;
      }
      return journal;
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  get last(): number {
    return this.#last;
  }

  /** The entry is on the disk once this resolves. One that failed may be tried again. */
  async append(entry: AuditEntry): Promise<void> {
    const line = Buffer.from(`${JSON.stringify(entry)}\n`);
    for (let written = 0; written < line.length; ) {
      const { bytesWritten } = await this.#file.write(
        line,
        written,
        line.length - written,
        this.#end + written,
      );
      written += bytesWritten;
    }
    await this.#file.datasync();
    this.#end += line.length;
    this.#last = entry.revision;
  }

  /** Every entry up to `end`, newest first. Entries appended after the call are not seen. */
  async *newest(end = this.#end): AsyncGenerator<AuditEntry> {
    let rest = Buffer.alloc(0);
    for (let start = end; start > 0; ) {
      const chunk = Buffer.alloc(Math.min(CHUNK, start));
      start -= chunk.length;
      await this.#file.read(chunk, 0, chunk.length, start);
      let block = Buffer.concat([chunk, rest]);
      // What stands before the first newline may be the end of a line that begins in an earlier chunk.
      for (let at = lastBreak(block); at >= 0; at = lastBreak(block)) {
        yield this.#parse(block.subarray(at + 1));
        block = block.subarray(0, at + 1);
      }
      rest = block;
    }
    if (rest.length > 0) yield this.#parse(rest);
  }

  #parse(line: Buffer): AuditEntry {
    const text = line.toString('utf8');
    try {
      return JSON.parse(text) as AuditEntry;
    } catch (cause) {
      throw new Error(
        `${this.path} is damaged at the line that begins with ${JSON.stringify(text.slice(0, 40))}; restore it from a backup, or remove that line`,
        { cause },
      );
    }
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}

/** The newline before the last line of a block, or -1 if the block holds no more than one line. */
function lastBreak(block: Buffer): number {
  return block.length < 2 ? -1 : block.lastIndexOf(NEWLINE, block.length - 2);
}

/** The length of a file without what follows its last newline. */
async function lineEnd(file: FileHandle, size: number): Promise<number> {
  const chunk = Buffer.alloc(CHUNK);
  for (let end = size; end > 0; end -= CHUNK) {
    const start = Math.max(0, end - CHUNK);
    await file.read(chunk, 0, end - start, start);
    const newline = chunk.lastIndexOf(NEWLINE, end - start - 1);
    if (newline >= 0) return start + newline + 1;
  }
  return 0;
}
