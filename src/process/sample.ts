import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { parseAddress } from '../model/address.ts';
import { listenFault } from './fault.ts';

/** A small server to stand behind Spillway while it is tried out. */
export interface Sample {
  close(): Promise<void>;
}

/**
 * Serves `hello from NAME` as text at this endpoint. `?status=500` and `?delay=100` (milliseconds) play a
 * version that is broken or slow. Throws an Error with the cure if the address is taken.
 */
export async function startSample(name: string, endpoint: string): Promise<Sample> {
  const server = createServer((request, response) => answer(name, request, response));
  const address = parseAddress(endpoint);
  if (typeof address === 'string') throw new RangeError(`${endpoint}: ${address}`);
  try {
    server.listen(address);
    await once(server, 'listening');
  } catch (cause) {
    throw listenFault(cause, endpoint, 'give that version another endpoint in the config file');
  }
  return {
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

function answer(name: string, request: IncomingMessage, response: ServerResponse): void {
  const { searchParams } = new URL(request.url ?? '/', 'http://sample');
  const status = within(searchParams.get('status'), 200, 599) ?? 200;
  const delay = within(searchParams.get('delay'), 0, 60_000) ?? 0;
  request.resume();
  setTimeout(() => {
    response.statusCode = status;
    response.setHeader('content-type', 'text/plain; charset=utf-8');
    response.end(`hello from ${name}\n`);
  }, delay);
}

function within(text: string | null, least: number, most: number): number | undefined {
  const number = Number(text);
  return text !== null && Number.isInteger(number) && number >= least && number <= most ? number : undefined;
}
