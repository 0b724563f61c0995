import type { ServerResponse } from 'node:http';
import type { Commands, ControlEvent } from '../control/commands.ts';
import { Problem } from './problem.ts';

/** Streams open at once at most. */
const MOST = 100;
/** A client that leaves this many bytes unread is cut off; it may come back and say what it saw last. */
const MOST_UNREAD = 262_144;
/** Changes missed by a client that comes back that are sent after at most. */
const MOST_MISSED = 1000;

/** Server-sent events (HTML Living Standard, 9.2): every change of the truth, to whoever listens. */
export class Streams {
  readonly #commands: Commands;
  readonly #heartbeat: number;
  readonly #open = new Set<ServerResponse>();

  /** `heartbeat`: milliseconds between comments that keep silent streams alive and find out who is gone. */
  constructor(commands: Commands, heartbeat: number) {
    this.#commands = commands;
    this.#heartbeat = heartbeat;
  }

  /**
   * Sends every change from now on, and before that those after revision `since` if that is given. Throws
   * before the first byte is sent or not at all.
   */
  async open(
    response: ServerResponse,
    headers: Readonly<Record<string, number | string | string[] | undefined>>,
    since: number | undefined,
  ): Promise<void> {
    if (this.#open.size >= MOST)
      throw new Problem(503, `There are ${MOST} event streams already; try again later.`);
    this.#open.add(response);
    // What happens while the audit log is read has to wait its turn behind what happened before.
    const early: ControlEvent[] = [];
    let tell = (event: ControlEvent): void => void early.push(event);
    const unsubscribe = this.#commands.subscribe((event) => tell(event));
    const beat = setInterval(() => write(response, ': still here\n\n'), this.#heartbeat);
    const end = () => {
      clearInterval(beat);
      unsubscribe();
      this.#open.delete(response);
    };
    response.once('close', end);

    let sent = since ?? 0;
    try {
      const missed = since === undefined ? [] : await this.#commands.audit({ limit: MOST_MISSED });
      response.writeHead(200, { ...headers, 'content-type': 'text/event-stream' });
      write(response, 'retry: 2000\n\n');
      for (const entry of missed.toReversed()) {
        if (entry.revision > sent) write(response, frame('change', entry, entry.revision));
      }
      sent = Math.max(sent, missed[0]?.revision ?? 0);
    } catch (err) {
      end();
      throw err;
    }
    tell = (event) => {
      if (event.type === 'receipt') write(response, frame('receipt', event.receipt));
      else if (event.entry.revision > sent)
        write(response, frame('change', event.entry, event.entry.revision));
    };
    for (const event of early) tell(event);
  }

  /** Ends every stream. Browsers come back by themselves. */
  close(): void {
    for (const response of this.#open) {
      response.end();
      response.destroy();
    }
  }
}

function frame(event: string, data: unknown, id?: number): string {
  return `${id === undefined ? '' : `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}

function write(response: ServerResponse, text: string): void {
  if (response.writableLength > MOST_UNREAD) response.destroy();
  else if (!response.destroyed) response.write(text);
}
