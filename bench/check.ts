import { Agent, type IncomingMessage, request } from 'node:http';
import { objects, patterned } from './objects.ts';

const USERS = 200;

/** What a proxy answered. */
interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

/**
 * Asks a rival for everything it will be timed with. Returns what was wrong, in a sentence, or undefined:
 * the fastest proxy is always the one that drops the body.
 */
export async function faultOf(port: number, splits: boolean): Promise<string | undefined> {
  const agent = new Agent({ keepAlive: true, maxSockets: 4 });
  try {
    return (
      (await wrongObject(port, agent)) ??
      (await wrongEcho(port, agent)) ??
      (await wrongClose(port)) ??
      (splits ? await wrongSplit(port) : undefined)
    );
  } catch (error) {
    return `it broke off: ${(error as Error).message}`;
  } finally {
    agent.destroy();
  }
}

async function wrongObject(port: number, agent: Agent): Promise<string | undefined> {
  const served = { stable: objects('stable'), canary: objects('canary') };
  for (const [path, asked] of [
    ['/', '/api/v1/items/7?q=hello&page=3'],
    ['/objects/10k', '/objects/10k'],
    ['/objects/1m', '/objects/1m?item=7'],
  ] as const) {
    const { status, headers, body } = await ask(port, { path: asked, agent });
    if (status !== 200) return `GET ${asked} was answered with ${status}`;
    const version = headers['x-origin'];
    if (version !== 'stable' && version !== 'canary') return `GET ${asked} lost the header x-origin`;
    const object = served[version].get(path)!;
    if (headers['content-type'] !== object.type)
      return `GET ${asked} came back as ${headers['content-type']}, not ${object.type}`;
    if (!body.equals(object.body))
      return `GET ${asked} brought ${body.length} bytes that are not the ${object.body.length} of the origin`;
  }
  return undefined;
}

async function wrongEcho(port: number, agent: Agent): Promise<string | undefined> {
  for (const length of [0, 1, 10 * 1024, 300_000]) {
    const sent = patterned(length);
    const { status, body } = await ask(port, { method: 'POST', path: '/echo', agent, body: sent });
    if (status !== 200) return `POST of ${length} bytes was answered with ${status}`;
    if (!body.equals(sent)) return `POST of ${length} bytes was echoed as ${body.length} other bytes`;
  }
  const { status } = await ask(port, { method: 'POST', path: '/sink', agent, body: patterned(10 * 1024) });
  return status === 200 ? undefined : `POST /sink was answered with ${status}`;
}

async function wrongClose(port: number): Promise<string | undefined> {
  const { status, headers } = await ask(port, { path: '/', agent: false });
  if (status !== 200) return `a request with connection: close was answered with ${status}`;
  return headers.connection === 'close' ? undefined : 'connection: close was not honoured';
}

/** Every user twice, each time on another connection. */
async function wrongSplit(port: number): Promise<string | undefined> {
  let canaries = 0;
  for (let user = 0; user < USERS; user++) {
    const versions: unknown[] = [];
    for (const path of ['/', '/objects/10k']) {
      versions.push((await ask(port, { path, agent: false, user })).headers['x-origin']);
    }
    if (versions[0] !== versions[1]) return `user${user} was sent to ${versions.join(', then to ')}`;
    if (versions[0] === 'canary') canaries++;
  }
  if (canaries === 0 || canaries === USERS) return `all ${USERS} users were sent to one version`;
  return undefined;
}

interface Asked {
  readonly path: string;
  readonly agent: Agent | false;
  readonly method?: string;
  readonly body?: Buffer;
  readonly user?: number;
}

function ask(port: number, { path, agent, method = 'GET', body, user = 7 }: Asked): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request({
      host: '127.0.0.1',
      port,
      path,
      method,
      agent,
      timeout: 5_000,
      headers: {
        host: 'shop.example.com',
        accept: '*/*',
        cookie: `theme=dark; uid=user${user}; session=0123456789abcdef0123456789abcdef`,
        ...(body && { 'content-length': body.length, 'content-type': 'application/octet-stream' }),
      },
    });
    sent.once('error', reject);
    sent.once('timeout', () => sent.destroy(new Error(`${method} ${path} was not answered in five seconds`)));
    sent.once('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.once('error', reject);
      response.once('end', () =>
        resolve({
          status: response.statusCode!,
          headers: response.headers,
          body: Buffer.concat(chunks),
        }),
      );
    });
    sent.end(body);
  });
}
