import type { Running } from './run.ts';

/** So close together, ms, they are one Ctrl-C: it comes from the terminal, and from npm, which passes on its own. */
const ONE_PRESS = 500;

/**
 * Lets the outside steer this process: SIGHUP reloads, SIGUSR2 has a new process take its place, SIGTERM and SIGINT
 * end it in order with exit code 0, and a second one of them, or one while it leaves, at once with 1. A SIGINT that is
 * only the echo of the first is none.
 */
export function heedSignals(running: Running): void {
  const { log } = running;
  let leaving = false;
  let pressed = Number.NEGATIVE_INFINITY;
  const press = () => {
    const now = performance.now();
    if (now - pressed < ONE_PRESS) return;
    if (!leaving) pressed = now;
    leave();
  };
  const leave = () => {
    if (leaving) {
      running.kill();
      process.exit(1);
    }
    leaving = true;
    running.stop().then(
      () => process.exit(0),
      (err: unknown) => {
        log.error({ err }, 'shutting down failed');
        running.kill();
        process.exit(1);
      },
    );
  };
  process.on('SIGHUP', () => {
    if (!leaving) void running.reload();
  });
  process.on('SIGUSR2', () => {
    if (leaving) return;
    running.succeed().then(
      (replaced) => {
        if (replaced) process.exit(0);
      },
      (err: unknown) => {
        log.error({ err }, 'leaving to a successor failed');
        process.exit(1);
      },
    );
  });
  process.on('SIGTERM', leave);
  process.on('SIGINT', press);
  // The workers finish what they have when their primary is gone, so nothing is gained by going on in doubt.
  process.on('uncaughtException', (err) => {
    log.error({ err }, 'uncaught exception; Spillway ends');
    process.exit(1);
  });
}

/**
 * Until there is something to reload a SIGHUP is remembered: it would end this process, and service managers take
 * that for an end in good order. Call what is returned once signals are heeded, to hear whether one came.
 */
export function holdReloads(): () => boolean {
  let came = false;
  const note = () => {
    came = true;
  };
  process.on('SIGHUP', note);
  return () => {
    process.off('SIGHUP', note);
    return came;
  };
}
