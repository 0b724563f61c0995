import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Log } from '../base/log.ts';

const run = promisify(execFile);

/**
 * Tells whoever started this process, as sd_notify(3) has it, if it wants to be told. Node has no sockets of the
 * kind that takes; so it is said by `systemd-notify`, which stands where systemd does. As that is another process,
 * the unit needs `NotifyAccess=all`. Never rejects.
 */
export async function notify(log: Log, ...words: readonly string[]): Promise<void> {
  if (process.env['NOTIFY_SOCKET'] === undefined) return;
  try {
    await run('systemd-notify', [...words]);
  } catch (err) {
    log.warn({ err, words }, 'systemd is not told how this process stands: systemd-notify failed');
  }
}
