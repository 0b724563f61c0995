import type { FastifyInstance } from 'fastify';
import {
  type Observation,
  type ObservationsRequest,
  type Observed,
  type ServicePath,
  ServicePathSchema,
} from '../model/api.ts';
import { answers, named } from './schemas.ts';

/** Who takes observations for evidence. Implemented by control. */
export interface Observer {
  post(service: string, observations: readonly Observation[]): Observed;
}

/** The route by which others tell what happened to users. It changes no truth, so nothing of it is audited. */
export function observationRoutes(app: FastifyInstance, observer: Observer): void {
  app.post<{ Params: ServicePath; Body: ObservationsRequest }>(
    '/v1/services/:service/observations',
    {
      config: { needs: 'operator' },
      schema: {
        operationId: 'postObservations',
        summary: 'Tell what happened to users or versions, for the rollout under way; all of it or nothing',
        params: ServicePathSchema,
        body: named('ObservationsRequest'),
        response: answers('What has become of them.', named('Observed')),
      },
    },
    async ({ params, body }) => observer.post(params.service, body.observations),
  );
}
