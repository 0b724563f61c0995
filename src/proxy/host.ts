import { equalsFolded, text } from '../http/bytes.ts';
import type { Head } from '../http/head.ts';
import type { Routes, Table } from '../routing/table.ts';
import type { Lane } from './lane.ts';

/**
 * The host of a request and what it leads to. Requests that follow one another mostly name the same host, so
 * the last one is remembered, and comparing its bytes spares a string, a look into the table and a line.
 */
export class Host {
  #bytes = Buffer.alloc(0);
  #name = '';
  #line = '';
  #table: Table<Lane> | undefined;
  #routes: Routes<Lane> | undefined;

  /** Whether the last request named one. */
  get named(): boolean {
    return this.#bytes.length > 0;
  }

  /** The line that tells endpoints of it. */
  get line(): string {
    return this.#line;
  }

  /** Where the paths of this request's host lead, by this table. */
  routes(buffer: Buffer, head: Head, table: Table<Lane>): Routes<Lane> | undefined {
    const same = head.hostStart > 0 && equalsFolded(buffer, head.hostStart, head.authorityEnd, this.#bytes);
    if (same && table === this.#table) return this.#routes;
    if (!same) {
      const authority = text(buffer, head.hostStart, head.authorityEnd);
      this.#bytes = Buffer.from(authority.toLowerCase(), 'latin1');
      this.#name = authority.slice(0, head.hostEnd - head.hostStart).toLowerCase();
      this.#line = authority === '' ? '' : `x-forwarded-host: ${authority}\r\n`;
    }
    this.#table = table;
    this.#routes = table.routes(this.#name);
    return this.#routes;
  }
}
