import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Clock } from '../base/clock.ts';
import type { Asking, Commands } from '../control/commands.ts';
import type { WaitQuery } from '../model/api.ts';
import { parseDuration } from './duration.ts';
import { etagOf } from './etag.ts';
import { ifMatch } from './precondition.ts';
import { Problem } from './problem.ts';
import { fingerprintOf, idempotencyKey, Replays } from './replays.ts';

/** Longest wait for the workers, in milliseconds. */
const LONGEST_WAIT = 30_000;

/** What every change of the truth answers. */
interface Answer {
  readonly revision: number;
}

/** Carries out what changes the truth: under the caller's conditions, and once for each Idempotency-Key. */
export class Changes {
  readonly #commands: Commands;
  readonly #replays: Replays<Answer>;

  constructor(commands: Commands, clock: Clock) {
    this.#commands = commands;
    this.#replays = new Replays(clock);
  }

  async make<T extends Answer>(
    request: FastifyRequest,
    reply: FastifyReply,
    command: (asking: Asking) => Promise<T>,
  ): Promise<T> {
    const asking = askingOf(request, this.#commands.state().revision);
    const key = idempotencyKey(request.headers['idempotency-key']?.toString());
    const { answer, replayed } =
      key === undefined
        ? { answer: await command(asking), replayed: false }
        : await this.#replays.once(key, fingerprint(request), () => command(asking));
    if (replayed) reply.header('idempotency-replayed', 'true');
    reply.header('etag', etagOf(answer.revision));
    // A key is given the answer to the very same request only, and so one of the same kind.
    return answer as T;
  }
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
