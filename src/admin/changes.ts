import type { FastifyInstance } from 'fastify';
import type { VersionBody } from '../control/change.ts';
import type { Commands } from '../control/commands.ts';
import {
  ChangeHeadersSchema,
  type RollbackRequest,
  type SchemaRequest,
  type ServicePath,
  ServicePathSchema,
  type VersionPath,
  VersionPathSchema,
  type VersionRequest,
  WaitQuerySchema,
  type WeightsRequest,
} from '../model/api.ts';
import type { Changes } from './asking.ts';
import { answers, named } from './schemas.ts';

/** The routes that change the truth. */
export function changeRoutes(app: FastifyInstance, commands: Commands, changes: Changes): void {
  const response = answers('What has changed, and who serves it.', named('Change'));
  const common = { headers: ChangeHeadersSchema, querystring: WaitQuerySchema, response };

  app.put<{ Params: ServicePath; Body: WeightsRequest }>(
    '/v1/services/:service/weights',
    {
      config: { needs: 'operator' },
      schema: {
        ...common,
        operationId: 'setWeights',
        summary: 'Split the traffic by these weights',
        params: ServicePathSchema,
        body: named('WeightsRequest'),
      },
    },
    (request, reply) =>
      changes.make(request, reply, (asking) =>
        commands.setWeights(request.params.service, request.body.weights, asking),
      ),
  );

  app.post<{ Params: ServicePath; Body: RollbackRequest }>(
    '/v1/services/:service/rollback',
    {
      // Never counted against the limit: this is the button that has to work while everything else does not.
      config: { needs: 'operator', rateLimit: false },
      schema: {
        ...common,
        operationId: 'rollback',
        summary: 'Send everybody back to a version that held all the traffic',
        params: ServicePathSchema,
        body: named('RollbackRequest'),
      },
      preValidation: async (request) => {
        request.body ??= {};
      },
    },
    (request, reply) =>
      changes.make(request, reply, (asking) =>
        commands.rollback(request.params.service, request.body.to, asking),
      ),
  );

  app.put<{ Params: VersionPath; Body: VersionRequest }>(
    '/v1/services/:service/versions/:version',
    {
      config: { needs: 'admin' },
      schema: {
        ...common,
        operationId: 'putVersion',
        summary: 'Add a version, or say anew where it is served',
        params: VersionPathSchema,
        body: named('VersionRequest'),
      },
    },
    (request, reply) => {
      const { params, body } = request;
      return changes.make(request, reply, (asking) =>
        commands.putVersion(params.service, params.version, versionOf(body), asking),
      );
    },
  );

  app.put<{ Params: ServicePath; Body: SchemaRequest }>(
    '/v1/services/:service/schema',
    {
      config: { needs: 'operator' },
      schema: {
        ...common,
        operationId: 'setSchema',
        summary:
          'Say which database schema holds; refused while a version that is needed cannot live with it',
        params: ServicePathSchema,
        body: named('SchemaRequest'),
      },
    },
    (request, reply) =>
      changes.make(request, reply, (asking) =>
        commands.setSchema(request.params.service, request.body.schema, asking),
      ),
  );

  app.delete<{ Params: VersionPath }>(
    '/v1/services/:service/versions/:version',
    {
      config: { needs: 'admin' },
      schema: {
        ...common,
        operationId: 'deleteVersion',
        summary: 'Remove a version that gets no traffic',
        params: VersionPathSchema,
      },
    },
    (request, reply) =>
      changes.make(request, reply, (asking) =>
        commands.deleteVersion(request.params.service, request.params.version, asking),
      ),
  );
}

function versionOf({ endpoints, requires }: VersionRequest): VersionBody {
  return { endpoints, ...(requires && { requires }) };
}
