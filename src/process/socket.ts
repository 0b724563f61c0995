import { once } from 'node:events';
import { stat, unlink } from 'node:fs/promises';
import { connect } from 'node:net';
import { parseAddress } from '../model/address.ts';

/**
 * Takes away the file of a Unix socket that nobody listens on any more: a process that was killed leaves it,
 * and it would keep the next one from listening. Of other addresses, and of sockets in use, nothing is touched.
 */
export async function clearStale(address: string): Promise<void> {
  const parsed = parseAddress(address);
  if (typeof parsed === 'string' || !('path' in parsed)) return;
  const { path } = parsed;
  const file = await stat(path).catch(() => undefined);
  if (file?.isSocket() && (await refuses(path))) await unlink(path);
}

async function refuses(path: string): Promise<boolean> {
  const socket = connect(path);
  try {
    await once(socket, 'connect');
    return false;
  } catch (fault) {
    return fault instanceof Error && 'code' in fault && fault.code === 'ECONNREFUSED';
  } finally {
    socket.destroy();
  }
}
