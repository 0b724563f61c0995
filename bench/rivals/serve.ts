import { Agent, createServer, type IncomingHttpHeaders, type RequestListener, type Server } from 'node:http';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { home } from './libraries.ts';

/**
 * Runs one of the proxy libraries, as its own guide would, with what they all need to be fast: connections
 * to the origin are kept and reused. Arguments: name of the library, port, URL of the origin.
 */
const [library, port, origin] = process.argv.slice(2) as [string, string, string];
const CONNECTIONS = 256;
/** Longer than the five seconds of Node, or the idle connections that are to be measured would be closed. */
const KEEP_ALIVE_MS = 75_000;

/** The part of http-proxy and httpxy that is used here. */
interface ProxyServer {
  web(...args: Parameters<RequestListener>): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
}
interface FastProxy {
  proxy(...args: [...Parameters<RequestListener>, source: string, options: object]): void;
}
interface FastifyServer {
  readonly server: Server;
  register(plugin: unknown, options: object): unknown;
  ready(): Promise<unknown>;
}

const STARTS: Readonly<Record<string, () => Promise<Server>>> = {
  async 'http-proxy'() {
    const { default: httpProxy } = await load<{ default: { createProxyServer(o: object): ProxyServer } }>();
    return behind(httpProxy.createProxyServer(options()));
  },

  async httpxy() {
    const { createProxyServer } = await load<{ createProxyServer(o: object): ProxyServer }>();
    return behind(createProxyServer(options()));
  },

  async '@fastify/http-proxy'() {
    const { default: plugin } = await load<{ default: unknown }>();
    const { default: fastify } = await load<{ default: () => FastifyServer }>('fastify');
    const app = fastify();
    app.register(plugin, {
      upstream: origin,
      undici: { connections: CONNECTIONS },
      // Left to itself it hands the origin's hop-by-hop headers to the client, against RFC 9110, 7.6.1.
      replyOptions: { rewriteHeaders: endToEnd },
    });
    await app.ready();
    return app.server;
  },

  async 'fast-proxy'() {
    const { default: fastProxy } = await load<{ default: (options: object) => FastProxy }>();
    const { proxy } = fastProxy({ base: origin, undici: { connections: CONNECTIONS, pipelining: 1 } });
    return createServer((request, response) => proxy(request, response, request.url!, {}));
  },
};

function options(): object {
  return { target: origin, xfwd: true, agent: new Agent({ keepAlive: true, maxSockets: CONNECTIONS }) };
}

function behind(proxy: ProxyServer): Server {
  proxy.on('error', (error) => console.error(error.message));
  return createServer((request, response) => void proxy.web(request, response));
}

function endToEnd({ connection, 'keep-alive': _, ...headers }: IncomingHttpHeaders): IncomingHttpHeaders {
  return headers;
}

/** `import` looks for packages beside this file, where they are not. */
async function load<T>(name = library): Promise<T> {
  const path = createRequire(home).resolve(name);
  return (await import(pathToFileURL(path).href)) as T;
}

const server = await STARTS[library]!();
server.keepAliveTimeout = KEEP_ALIVE_MS;
server.listen(Number(port), '127.0.0.1', 4096);
