import type { Socket } from 'node:net';

/**
 * Ends a connection by a reset, where there can be one. A socket that is shutting down cannot be reset: Node fails
 * (EINVAL), never closes it, and at the end of its process waits for it for ever, busily. Nor can one of the Unix
 * kind, which has no address of its own.
 */
export function reset(socket: Socket): void {
  const shutting = socket.writableEnded && socket.writableLength === 0;
  if (shutting || socket.localAddress === undefined) socket.destroy();
  else socket.resetAndDestroy();
}
