import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Clock } from '../base/clock.ts';
import type { Asking, Commands } from '../control/commands.ts';
import {
  ChangeHeadersSchema,
  type RollbackRequest,
  type ServicePath,
  ServicePathSchema,
  type VersionPath,
  VersionPathSchema,
  type VersionRequest,
  type WaitQuery,
  WaitQuerySchema,
  type WeightsRequest,
} from '../model/api.ts';
import type { Change } from '../model/record.ts';
import { parseDuration } from './duration.ts';
import { etagOf } from './etag.ts';
import { ifMatch } from './precondition.ts';
import { Problem } from './problem.ts';
import { fingerprintOf, idempotencyKey, Replays } from './replays.ts';
import { answers, named } from './schemas.ts';

/** Longest wait for the workers, in milliseconds. */
const LONGEST_WAIT = 30_000;

/** The routes that change the truth. */
export function changeRoutes(app: FastifyInstance, commands: Commands, clock: Clock): void {
  const replays = new Replays<Change>(clock);
  const response = answers('What has changed, and who serves it.', named('Change'));
  const common = { headers: ChangeHeadersSchema, querystring: WaitQuerySchema, response };

  async function change(
    request: FastifyRequest,
    reply: FastifyReply,
    command: (asking: Asking) => Promise<Change>,
  ): Promise<Change> {
    const asking = askingOf(request, commands.state().revision);
    const key = idempotencyKey(request.headers['idempotency-key']?.toString());
    const answered =
      key === undefined
        ? { answer: await command(asking), replayed: false }
        : await replays.once(key, fingerprint(request), () => command(asking));
    if (answered.replayed) reply.header('idempotency-replayed', 'true');
    reply.header('etag', etagOf(answered.answer.revision));
    return answered.answer;
  }

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
      change(request, reply, (asking) =>
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
      change(request, reply, (asking) => commands.rollback(request.params.service, request.body.to, asking)),
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
      return change(request, reply, (asking) =>
        commands.putVersion(params.service, params.version, { endpoints: body.endpoints }, asking),
      );
    },
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
      change(request, reply, (asking) =>
        commands.deleteVersion(request.params.service, request.params.version, asking),
      ),
  );
}

function askingOf(request: FastifyRequest, newest: number): Asking {
  const { reason } = (request.body ?? {}) as { readonly reason?: string };
  const why = reason ?? request.headers['x-reason']?.toString();
  const ifRevision = ifMatch(request.headers['if-match'], newest);
  return {
    actor: request.actor,
    ...(why !== undefined && { reason: why }),
    ...(ifRevision !== undefined && { ifRevision }),
    wait: waitOf(request.query as WaitQuery),
  };
}

function waitOf({ wait, timeout = '2s' }: WaitQuery): number {
  if (wait === 'none') return 0;
  const ms = parseDuration(timeout);
  if (ms === undefined || ms > LONGEST_WAIT)
    throw new Problem(400, `timeout=${timeout} is not a duration up to 30s, such as 500ms or 2s.`);
  return ms;
}

function fingerprint({ method, url, body, actor }: FastifyRequest): string {
  return fingerprintOf(method, url, body ?? null, actor.name, actor.role);
}
