import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Commands } from '../control/commands.ts';
import { serviceOf } from '../control/lookup.ts';
import type { Totals } from '../metrics/totals.ts';
import {
  type AuditPage,
  type AuditPageQuery,
  AuditQuerySchema,
  type ServiceList,
  type ServicePath,
  ServicePathSchema,
  type ServiceView,
} from '../model/api.ts';
import { etagOf } from './etag.ts';
import { hasAlready } from './precondition.ts';
import { answers, named, UNCHANGED } from './schemas.ts';
import type { Status } from './status.ts';
import type { Streams } from './streams.ts';
import { viewService } from './view.ts';

interface ReadSources {
  readonly commands: Commands;
  readonly totals: Totals;
  readonly status: Status;
  readonly streams: Streams;
}

/** The routes that show the truth, how it came about, and how it changes. */
export function readRoutes(app: FastifyInstance, { commands, totals, status, streams }: ReadSources): void {
  app.get(
    '/v1/services',
    {
      config: { needs: 'viewer' },
      schema: {
        operationId: 'listServices',
        summary: 'Every service, and the workers that serve them',
        response: { ...answers('Every service by name.', named('ServiceList')), ...UNCHANGED },
      },
    },
    (request, reply) => {
      const { revision, services } = commands.state();
      return unlessKnown(request, reply, revision, (): ServiceList => {
        const names = Object.keys(services).sort();
        return {
          revision,
          workers: status.workers(),
          services: names.map((name) => viewService(name, services[name]!, totals, status)),
        };
      });
    },
  );

  app.get(
    '/v1/fleet',
    {
      config: { needs: 'viewer' },
      schema: {
        operationId: 'showFleet',
        summary: 'The replicas that share the store, and who leads',
        response: answers('The fleet.', named('Fleet')),
      },
    },
    () => status.fleet(),
  );

  app.get<{ Params: ServicePath }>(
    '/v1/services/:service',
    {
      config: { needs: 'viewer' },
      schema: {
        operationId: 'showService',
        summary: 'How a service is built, split, and doing',
        params: ServicePathSchema,
        response: { ...answers('The service.', named('Service')), ...UNCHANGED },
      },
    },
    (request, reply) => {
      const state = commands.state();
      const name = request.params.service;
      const service = serviceOf(state, name);
      return unlessKnown(
        request,
        reply,
        state.revision,
        (): ServiceView => viewService(name, service, totals, status),
      );
    },
  );

  app.get<{ Querystring: AuditPageQuery }>(
    '/v1/audit',
    {
      config: { needs: 'viewer' },
      schema: {
        operationId: 'listAudit',
        summary: 'Who changed what, when, and why',
        querystring: AuditQuerySchema,
        response: { ...answers('A page of the audit log, newest first.', named('AuditPage')), ...UNCHANGED },
      },
      // A query string is text, and nothing else here is coerced.
      preValidation: async (request) => {
        request.query = withNumbers(request.query, ['limit', 'before']);
      },
    },
    async (request, reply) => {
      const { limit = 100, ...which } = request.query;
      const { revision } = commands.state();
      const entries = await commands.audit({ limit, ...which });
      const last = entries.at(-1);
      return unlessKnown(
        request,
        reply,
        revision,
        (): AuditPage => ({ entries, ...(entries.length === limit && last && { next: last.revision }) }),
      );
    },
  );

  app.get(
    '/v1/events',
    {
      config: { needs: 'viewer' },
      exposeHeadRoute: false,
      schema: {
        operationId: 'watchEvents',
        summary: 'Every change as it happens, as server-sent events',
        description:
          'Events of type change carry an audit entry and have its revision as id; a client that comes back with Last-Event-ID is first told what it missed. Events of type receipt carry a receipt.',
        response: answers('A stream without end.', { type: 'string' }, 'text/event-stream'),
      },
    },
    async (request, reply) => {
      const seen = /^\d{1,15}$/.exec(request.headers['last-event-id']?.toString() ?? '')?.[0];
      await streams.open(reply.raw, reply.getHeaders(), seen === undefined ? undefined : Number(seen));
      return reply.hijack();
    },
  );
}

/** The answer, with its ETag, or 304 if the client already has this revision. */
function unlessKnown<T>(request: FastifyRequest, reply: FastifyReply, revision: number, answer: () => T) {
  reply.header('etag', etagOf(revision));
  return hasAlready(request.headers['if-none-match'], revision)
    ? reply.code(304).send()
    : reply.send(answer());
}

/** The same query with these parameters as numbers, where they are written as some. */
function withNumbers<T extends object>(query: T, names: readonly string[]): T {
  return Object.fromEntries(
    Object.entries(query).map(([name, value]) => [
      name,
      names.includes(name) && /^\d{1,15}$/.test(value) ? Number(value) : value,
    ]),
  ) as T;
}
