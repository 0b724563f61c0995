import { systemClock } from './clock.ts';
import { createLogger } from './logger.ts';
import type { Down, Up } from './messages.ts';
import { Worker } from './worker.ts';

/**
 * Where a forked worker process begins. It lives for one data plane and ends with it: when told to, when it
 * is asked to by SIGTERM, when its primary is gone, or when it does not know what state it is in.
 */
const log = createLogger('info', Number(process.env['SPILLWAY_WORKER']));
const worker = new Worker(tell, systemClock, log);

function tell(message: Up): void {
  if (message.type !== 'leaving') {
    process.send?.(message, undefined, undefined, unheard);
    return;
  }
  const end = () => process.exit(message.fault === undefined ? 0 : 1);
  if (process.connected) process.send?.(message, undefined, undefined, end);
  else end();
}

/** The primary is gone, which `disconnect` tells; what was not heard is lost with it. */
function unheard(): void {}

process.on('message', (message: Down, handle: unknown) => {
  worker.hear(message, typeof handle === 'object' && handle !== null ? handle : undefined);
});
process.on('SIGTERM', () => void worker.leave());
// A terminal sends these to the whole group; what they mean is for the primary to say.
process.on('SIGINT', () => {});
process.on('SIGHUP', () => {});
process.on('SIGUSR2', () => {});

process.on('disconnect', () => {
  log.warn({}, 'the primary is gone; finishing what is in flight');
  void worker.leave();
});

process.on('uncaughtException', (err) => {
  log.error({ err }, 'uncaught exception; this worker ends');
  worker.report();
  tell({ type: 'leaving', fault: `uncaught exception: ${err.message}` });
});
