import { connect } from 'node:net';
import { parseAddress } from '../model/address.ts';

/** Whether something accepts connections at an endpoint, in so many ms. The connection is closed at once. */
export function reaches(endpoint: string, ms: number, signal: AbortSignal): Promise<boolean> {
  const address = parseAddress(endpoint);
  if (typeof address === 'string' || signal.aborted) return Promise.resolve(false);
  return new Promise((resolve) => {
    const socket = connect({ ...address, timeout: ms, signal });
    const over = (reached: boolean) => () => {
      socket.destroy();
      resolve(reached);
    };
    socket.once('connect', over(true)).once('timeout', over(false)).once('error', over(false));
  });
}
