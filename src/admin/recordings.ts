import { Readable } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import type { Commands } from '../control/commands.ts';
import { rolloutOf } from '../control/lookup.ts';
import { type RolloutPath, RolloutPathSchema } from '../model/api.ts';
import { Problem } from './problem.ts';
import { answers } from './schemas.ts';
import type { Status } from './status.ts';

/** What rollouts were judged by. Implemented by the store. */
export interface Recordings {
  /** In pieces that end anywhere; nothing if there is none. */
  read(rollout: string): AsyncIterable<string>;
}

interface RecordingSources {
  readonly commands: Pick<Commands, 'state' | 'judges'>;
  readonly recordings: Recordings;
  readonly status: Pick<Status, 'fleet'>;
}

/** The route to what the judge was fed. In a fleet whoever judged has it, each of what it judged. */
export function recordingRoute(
  app: FastifyInstance,
  { commands, recordings, status }: RecordingSources,
): void {
  app.get<{ Params: RolloutPath }>(
    '/v1/rollouts/:id/recording',
    {
      config: { needs: 'viewer' },
      schema: {
        operationId: 'readRecording',
        summary: 'All that the judge was fed, a JSON document a line, for spillway simulate',
        params: RolloutPathSchema,
        response: answers('The recording.', { type: 'string' }, 'application/x-ndjson'),
      },
    },
    async ({ params }, reply) => {
      const { id } = rolloutOf(commands.state(), params.id);
      const pieces = piecesOf(recordings.read(id));
      const first = await pieces.next();
      const others = first.done ? await judgesElsewhere(id) : [];
      if (others.length > 0)
        throw new Problem(
          404,
          `rollout ${id} was not judged at this replica, ${status.fleet().replica}, which has no recording of it; ask the admin API of ${others.join(' or ')}`,
          { kind: 'recorded-elsewhere' },
        );
      return reply
        .type('application/x-ndjson')
        .send(Readable.from(first.done ? [] : behind(first.value, pieces)));
    },
  );

  /** The replicas that judged a rollout, or do now, but for this one. */
  async function judgesElsewhere(id: string): Promise<readonly string[]> {
    const { replica, leader } = status.fleet();
    const judges = [...(leader === undefined ? [] : [leader]), ...(await commands.judges(id))];
    return [...new Set(judges)].filter((each) => each !== replica);
  }
}

/** Those with anything in them. */
async function* piecesOf(recording: AsyncIterable<string>): AsyncGenerator<string> {
  for await (const piece of recording) if (piece !== '') yield piece;
}

async function* behind(first: string, rest: AsyncGenerator<string>): AsyncGenerator<string> {
  yield first;
  yield* rest;
}
