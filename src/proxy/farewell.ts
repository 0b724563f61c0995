import type { Socket } from 'node:net';
import type { Expiring } from '../base/deadlines.ts';
import { FAULTS } from '../model/fault.ts';
import { faultAnswer } from './answer.ts';
import type { Context } from './context.ts';

/** What a connection is told that is one too many; made once, since there will be many of them. */
const TURNED_AWAY = faultAnswer(FAULTS.shedding);

/** So many are given time to hear it. More would take the descriptors that served clients need. */
const MOST = 32;

/**
 * A connection that is told no. What it says is read and thrown away for a moment, since closing on unread bytes
 * would reset it, and take the answer with it.
 */
export class Farewell implements Expiring {
  readonly deadline: number;
  readonly #socket: Socket;

  private constructor(context: Context, socket: Socket) {
    this.#socket = socket;
    this.deadline = context.deadlines.in(context.rules.settings.timeouts.linger);
    context.deadlines.add(this);
    context.farewells.add(this);
    socket.on('close', () => {
      context.deadlines.delete(this);
      context.farewells.delete(this);
    });
    socket.end(turnedAway(context), 'latin1');
    socket.resume();
  }

  static bid(context: Context, socket: Socket): void {
    if (context.farewells.size < MOST) new Farewell(context, socket);
    else socket.end(turnedAway(context), 'latin1', () => socket.destroy());
  }

  expire(): void {
    this.#socket.destroy();
  }
}

function turnedAway({ date }: Context): string {
  const { lines, body } = TURNED_AWAY;
  return `${lines}${date.line}connection: close\r\n\r\n${body}`;
}
