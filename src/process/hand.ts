import cluster from 'node:cluster';
import { fileURLToPath } from 'node:url';
import type { Clock } from '../base/clock.ts';
import type { Logger } from './logger.ts';
import { type Down, HELLO, type Up } from './messages.ts';
import { Worker } from './worker.ts';

/** The upper end of the line to one worker. */
export interface Hand {
  readonly pid: number;
  tell(message: Down): void;
  /** Ends the worker at once. */
  kill(): void;
}

/** Who listens at the upper end. */
export interface Ear {
  heard(message: Up): void;
  /** Called once, after everything that was said has been heard. `how` says how the worker ended. */
  gone(how: string): void;
}

/** Takes on the worker with this number. */
export type Hire = (worker: number, ear: Ear) => Hand;

/**
 * Workers as processes of their own. They accept connections themselves, from a socket they share, so that
 * no request costs a hop through the primary.
 */
export function hireProcess(): Hire {
  cluster.schedulingPolicy = cluster.SCHED_NONE;
  cluster.setupPrimary({
    exec: fileURLToPath(new URL('./forked.js', import.meta.url)),
    args: [],
    serialization: 'advanced',
  });
  return (number, ear) => {
    const worker = cluster.fork({ SPILLWAY_WORKER: number });
    let early: Down[] | undefined = [];
    const send = (message: Down) => {
      if (worker.isConnected()) worker.send(message, () => {});
    };
    worker.on('message', (message: Up | typeof HELLO) => {
      if (message !== HELLO) return ear.heard(message);
      early?.forEach(send);
      early = undefined;
    });
    let over = false;
    const gone = (how: string) => {
      if (!over) ear.gone(how);
      over = true;
    };
    // After `exit` messages may still be on their way; `close` comes when the line is empty.
    worker.process.once('close', (code: number | null, signal: string | null) => {
      gone(signal === null ? `exit code ${code}` : `signal ${signal}`);
    });
    // A process that never was does not close. Other errors are of a line that is about to.
    worker.on('error', (fault) => {
      if (worker.process.pid === undefined) gone(`it could not be started: ${fault.message}`);
    });
    return {
      pid: worker.process.pid ?? 0,
      tell: (message) => void (early === undefined ? send(message) : early.push(message)),
      kill: () => void worker.process.kill('SIGKILL'),
    };
  };
}

/** The one worker inside this process: the same messages, as calls. */
export function hireInProcess(clock: Clock, log: Logger): Hire {
  return (_number, ear) => {
    const worker = new Worker(
      (message) => {
        ear.heard(message);
        if (message.type === 'leaving') ear.gone('left');
      },
      clock,
      log,
    );
    return {
      pid: process.pid,
      tell: (message) => worker.hear(message),
      kill: () => void worker.leave(0),
    };
  };
}
