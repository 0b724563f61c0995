import { fork, type SendHandle } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Clock } from '../base/clock.ts';
import type { Logger } from './logger.ts';
import type { Down, Up } from './messages.ts';
import { FIRST_PASSED, overPassed } from './sockets.ts';
import { Worker } from './worker.ts';

/** The upper end of the line to one worker. */
export interface Hand {
  readonly pid: number;
  /** `handle`: the socket that goes with `listen`. */
  tell(message: Down, handle?: object): void;
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
  const file = fileURLToPath(new URL('./forked.js', import.meta.url));
  return (number, ear) => {
    const child = fork(file, [], {
      env: { ...process.env, SPILLWAY_WORKER: String(number) },
      serialization: 'advanced',
      stdio: ['inherit', 'inherit', 'inherit', 'ipc', ...overPassed(FIRST_PASSED + 1)],
    });
    child.on('message', (message: Up) => ear.heard(message));
    let over = false;
    const gone = (how: string) => {
      if (!over) ear.gone(how);
      over = true;
    };
    // After `exit` messages may still be on their way; `close` comes when the line is empty.
    child.once('close', (code, signal) => gone(signal === null ? `exit code ${code}` : `signal ${signal}`));
    // A process that never was does not close. Other errors are of a line that is about to.
    child.on('error', (fault) => {
      if (child.pid === undefined) gone(`it could not be started: ${fault.message}`);
    });
    return {
      pid: child.pid ?? 0,
      tell(message, handle) {
        // What node:net passes is a handle; only its servers and sockets are in the types.
        if (child.connected) child.send(message, handle as SendHandle | undefined, () => {});
      },
      kill: () => void child.kill('SIGKILL'),
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
      tell: (message, handle) => worker.hear(message, handle),
      kill: () => void worker.leave(0),
    };
  };
}
