import type { Head } from '../../src/http/head.ts';
import type { Fault } from '../../src/model/fault.ts';
import type { Asker, End } from '../../src/upstream/asker.ts';
import { eventually } from '../support/patience.ts';

/** Writes down all that a connection tells it. */
export class Notebook implements Asker {
  /** What happened, in order: `writable`, `interim 103`, `answer 200`, `more`, `end`, `upgraded`, `granted`, or a fault's kind. */
  readonly events: string[] = [];
  body = '';
  trailers = '';
  readonly #granted: () => void;

  constructor(granted: () => void = () => {}) {
    this.#granted = granted;
  }

  granted(): void {
    this.events.push('granted');
    this.#granted();
  }

  interim(_: Buffer, head: Head): void {
    this.events.push(`interim ${head.status}`);
  }

  answer(buffer: Buffer, head: Head, from: number, to: number, end: End): void {
    this.events.push(`answer ${head.status}`);
    this.#take(buffer, from, to, end);
  }

  more(buffer: Buffer, from: number, to: number, end: End): void {
    this.#take(buffer, from, to, end);
  }

  upgraded(buffer: Buffer, _: Head, from: number, to: number): void {
    this.events.push('upgraded');
    this.#take(buffer, from, to, undefined);
  }

  failed(fault: Fault): void {
    this.events.push(fault.kind);
  }

  writable(): void {
    if (this.events.at(-1) !== 'writable') this.events.push('writable');
  }

  /** Waits until it is told so. */
  told(event: string): Promise<void> {
    return eventually(`${event} after ${this.events}`, () => this.events.includes(event));
  }

  #take(buffer: Buffer, from: number, to: number, end: End): void {
    this.body += buffer.toString('latin1', from, to);
    if (end === undefined) return;
    this.trailers = end;
    this.events.push('end');
  }
}
