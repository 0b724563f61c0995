/** What the system says when it is this process, or this machine, that can have no more connections. */
const LACKS: ReadonlySet<unknown> = new Set(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM', 'EADDRNOTAVAIL']);

/** Whether a connection could not be made for want of something of our own, which says nothing of the other end. */
export function isOurLack(error: Error | undefined): boolean {
  return error !== undefined && LACKS.has((error as NodeJS.ErrnoException).code);
}
