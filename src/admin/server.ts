import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { fastifyRateLimit } from '@fastify/rate-limit';
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify';
import { plainAddress } from '../base/cidr.ts';
import type { Log } from '../base/log.ts';
import { Refusal } from '../control/commands.ts';
import type { Actor } from '../model/record.ts';
import type { Role } from '../model/settings.ts';
import { type Access, allow } from './access.ts';
import { refuseCrossSite, refuseForeignHost } from './browser.ts';
import { describeRoutes } from './openapi.ts';
import { JSON_ONLY, Problem, problemOf } from './problem.ts';
import { nameSchemas } from './schemas.ts';
import { lazily } from './validators.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The role it takes. A route that does not say takes the highest. */
    readonly needs?: Role | 'nothing';
  }
  interface FastifyRequest {
    /** Who asks; known once the request may do what it asks for. */
    actor: Actor;
  }
}

export interface ServerOptions {
  readonly access: Access;
  /** Per client address. */
  readonly requestsPerMinute: number;
  /** Clients of a Unix socket have no address, and share one count. */
  readonly unixSocket: boolean;
  readonly log: Log;
  readonly version: string;
}

/** Largest request body. */
const BODY_BYTES = 65_536;

/**
 * An HTTP server with everything that holds for every route: who may ask, how often, how much and how slowly;
 * how errors look. `routes` adds the rest.
 */
export function createServer(
  options: ServerOptions,
  routes: (app: FastifyInstance) => void,
): FastifyInstance {
  const { access, log } = options;
  const app = fastify({
    bodyLimit: BODY_BYTES,
    // While closing, whoever was let in is still answered.
    return503OnClosing: false,
    // A client has 5 s for a head and 10 s for all of a request; silence ends a connection after a minute.
    requestTimeout: 10_000,
    connectionTimeout: 60_000,
    keepAliveTimeout: 60_000,
    http: { headersTimeout: 5_000, connectionsCheckingInterval: 1_000, requireHostHeader: false },
    schemaController: { compilersFactory: lazily },
    // Nothing is bent into shape: what does not fit the schema is refused. Optimising validators takes longer than
    // they ever run.
    ajv: {
      customOptions: {
        coerceTypes: false,
        removeAdditional: false,
        allErrors: true,
        code: { optimize: false },
      },
    },
    frameworkErrors: (err, request, reply) => void answerProblem(err, request, reply, log),
    clientErrorHandler: answerMalformed,
  });
  app.decorateRequest('actor');
  app.server.on('checkExpectation', (_request, response) => {
    response.statusCode = 417;
    response.setHeader('content-type', PROBLEM_TYPE);
    response.end(bareProblem(417, 'Only the expectation 100-continue is known.'));
  });

  app.setErrorHandler((thrown, request, reply) => answerProblem(thrown, request, reply, log));
  readJson(app);
  nameSchemas(app);
  // Serialisers made of the schemas would hold up the start by a second. What is shown is typed by the same schemas.
  app.setSerializerCompiler(() => (answer) => JSON.stringify(answer));

  // The limit comes before the token is looked at, so that guessing tokens is limited too.
  app.addHook('onRequest', async ({ headers, raw }, reply) => {
    reply.headers({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' });
    if (headers.host === undefined && raw.httpVersion === '1.1')
      throw new Problem(400, 'HTTP/1.1 requests need a Host header.');
    if (access.open) refuseForeignHost(headers);
  });
  app.addHook('preParsing', async (request) => {
    const { method, headers, routeOptions, is404, ip } = request;
    const needs = is404 ? 'nothing' : (routeOptions.config.needs ?? 'admin');
    if (needs === 'nothing') return;
    if (access.open && method !== 'GET' && method !== 'HEAD') refuseCrossSite(headers);
    const identity = access.identify(headers.authorization);
    allow(identity, needs);
    request.actor = { ...identity, ...(ip !== undefined && { address: plainAddress(ip) }) };
  });

  describeRoutes(app, options.version);
  app.register(fastifyRateLimit, {
    max: options.requestsPerMinute,
    timeWindow: 60_000,
    errorResponseBuilder: (_request, { after, max }) =>
      new Problem(429, `More than ${max} requests a minute from this address; try again in ${after}.`),
    ...(options.unixSocket && { keyGenerator: () => 'unix' }),
  });
  app.register(async (scope) => {
    scope.setNotFoundHandler({ preHandler: scope.rateLimit() }, async ({ url }) => {
      throw new Problem(404, `There is nothing at ${pathOf(url)}; /openapi.json lists what there is.`);
    });
    const methods = new Map<string, Set<string>>();
    scope.addHook('onRoute', ({ url, method }) => {
      const known = methods.get(url) ?? new Set();
      for (const each of [method].flat()) known.add(each);
      methods.set(url, known);
    });
    routes(scope);
    refuseOtherMethods(scope, new Map(methods));
  });
  return app;
}

/** JSON bodies only, as Fastify reads them, except that an empty one is none, whatever its type. */
function readJson(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser('error', 'error');
  app.removeAllContentTypeParsers();
  app.addContentTypeParser<string>('application/json', { parseAs: 'string' }, (request, body, done) => {
    if (body.trim() === '') done(null, undefined);
    else parse(request, body, done);
  });
  app.addContentTypeParser<string>('*', { parseAs: 'string' }, (_request, body, done) => {
    if (body === '') done(null, undefined);
    else done(new Problem(415, JSON_ONLY));
  });
}

function refuseOtherMethods(app: FastifyInstance, methods: ReadonlyMap<string, ReadonlySet<string>>): void {
  for (const [url, known] of methods) {
    const allowed = [...known].sort().join(', ');
    app.route({
      method: app.supportedMethods.filter((method) => !known.has(method)),
      url,
      schema: { hide: true },
      onRequest: async ({ method }) => {
        throw new Problem(405, `${method} is not possible here; ${allowed} is.`, {
          headers: { allow: allowed },
        });
      },
      handler: async () => {},
    });
  }
}

const PROBLEM_TYPE = 'application/problem+json';

function answerProblem(
  thrown: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
  log: Log,
): FastifyReply {
  const problem = problemOf(thrown);
  const { method, url, ip: address } = request;
  const { status } = problem;
  if (status === 401 || status === 403)
    log.warn({ method, url, address, status, why: problem.message }, 'an admin request was refused');
  else if (status >= 500 && !(thrown instanceof Problem || thrown instanceof Refusal))
    log.error({ method, url, address, err: thrown }, 'an admin request failed');
  return reply
    .code(status)
    .headers(problem.headers)
    .type(PROBLEM_TYPE)
    .send(problem.body(pathOf(url)));
}

/** Answers what is not even HTTP, or not in time. There is no request yet, only a socket. */
function answerMalformed(error: Error & { readonly code?: string }, socket: Socket): void {
  const [status, detail] = MALFORMED[error.code ?? ''] ?? [400, 'This is not well-formed HTTP/1.1.'];
  if (!socket.writable) return void socket.destroy();
  const body = bareProblem(status, detail);
  const head = `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\ncontent-type: ${PROBLEM_TYPE}\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n`;
  socket.end(head + body, () => socket.destroy());
}

const MALFORMED: Readonly<Record<string, readonly [number, string]>> = {
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'The request did not arrive in time.'],
  HPE_HEADER_OVERFLOW: [431, 'The request head is larger than is allowed here.'],
};

function bareProblem(status: number, detail: string): string {
  return JSON.stringify(new Problem(status, detail).body(''));
}

function pathOf(url: string): string {
  return url.split('?', 1)[0]!;
}
