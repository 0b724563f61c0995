import type { FastifyInstance } from 'fastify';
import type { Exposition } from '../metrics/exposition.ts';
import type { Role } from '../model/settings.ts';
import { Problem } from './problem.ts';
import { answers, named } from './schemas.ts';
import type { Status } from './status.ts';

interface HealthSources {
  readonly status: Status;
  readonly exposition: Exposition;
  /** What it takes to read the metrics. */
  readonly metricsNeed: Role | 'nothing';
}

/** The routes for whatever keeps Spillway running: schedulers, load balancers, Prometheus. */
export function healthRoutes(app: FastifyInstance, { status, exposition, metricsNeed }: HealthSources): void {
  const text = { type: 'string' };

  app.get(
    '/live',
    {
      config: { needs: 'nothing', rateLimit: false },
      schema: {
        operationId: 'isLive',
        summary: 'Whether any worker is alive; where none is, a start anew may help',
        response: answers('One is.', named('Health')),
      },
    },
    () => {
      const why = status.notLive();
      if (why !== undefined) throw new Problem(503, why, { kind: 'not-live' });
      return { status: 'ok' };
    },
  );

  app.get(
    '/ready',
    {
      config: { needs: 'nothing', rateLimit: false },
      schema: {
        operationId: 'isReady',
        summary: 'Whether requests are served',
        response: answers('They are.', named('Health')),
      },
    },
    () => {
      const why = status.notReady();
      if (why !== undefined) throw new Problem(503, why, { kind: 'not-ready' });
      const { store } = status.fleet();
      return {
        status: 'ok',
        ...(!store.up && {
          degraded: `The store is not reached: ${store.why}. What is served stays as it is.`,
        }),
      };
    },
  );

  app.get(
    '/metrics',
    {
      config: { needs: metricsNeed },
      schema: {
        operationId: 'showMetrics',
        summary: 'Metrics for Prometheus',
        response: answers('Metrics in text format.', text, 'text/plain'),
      },
    },
    async (_request, reply) => reply.type(exposition.contentType).send(await exposition.render()),
  );

  app.get(
    '/openapi.json',
    {
      config: { needs: 'nothing' },
      schema: {
        operationId: 'showOpenapi',
        summary: 'This description',
        response: answers('An OpenAPI 3.1 document.', { type: 'object', additionalProperties: true }),
      },
    },
    () => app.swagger(),
  );
}
