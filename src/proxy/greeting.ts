import type { Socket } from 'node:net';
import { MORE } from '../http/head.ts';
import { nameAsked } from '../http/hello.ts';

/** Reads what a TLS client says first, tells the name it asks for, and puts everything back. The socket is paused then. */
export function greeting(socket: Socket, told: (name: string) => void): void {
  let read = Buffer.alloc(0);
  const take = (data: Buffer): void => {
    read = Buffer.concat([read, data]);
    const name = nameAsked(read);
    if (name === MORE) return;
    socket.off('data', take);
    socket.off('end', leave);
    socket.pause();
    socket.unshift(read);
    told(name);
  };
  const leave = (): void => void socket.destroy();
  socket.on('data', take);
  socket.on('end', leave);
  socket.resume();
}
