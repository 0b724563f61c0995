import type { Listener } from '../model/settings.ts';
import type { Entrance } from './crew.ts';
import { openSocket } from './fault.ts';
import type { Sockets } from './sockets.ts';

/**
 * The entrances for these listeners. An address that was listened on before keeps its socket; of the others
 * each gets one. Rejects with the cure, and leaves no new one open, if one cannot be had.
 */
export async function entrancesOf(
  listeners: readonly Listener[],
  sockets: Sockets,
  before: readonly Entrance[] = [],
): Promise<readonly Entrance[]> {
  const free = [...before];
  const entrances: Entrance[] = [];
  try {
    for (const listener of listeners) {
      const index = free.findIndex(({ socket }) => socket.wanted === listener.address);
      const [kept] = index < 0 ? [] : free.splice(index, 1);
      const socket = kept?.socket ?? (await openSocket(sockets, listener.address, 'address under listen'));
      entrances.push({ listener, socket });
    }
    return entrances;
  } catch (fault) {
    await closeEntrances(entrances, sockets, before);
    throw fault;
  }
}

/** Closes the sockets of these entrances, but for those that others use. */
export async function closeEntrances(
  entrances: readonly Entrance[],
  sockets: Sockets,
  kept: readonly Entrance[] = [],
): Promise<void> {
  for (const { socket } of entrances)
    if (!kept.some((other) => other.socket === socket)) await sockets.close(socket);
}
