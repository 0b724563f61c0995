import type { FastifyInstance } from 'fastify';
import type { Clock } from '../base/clock.ts';
import { type Commands, type Order, Refusal } from '../control/commands.ts';
import { decide } from '../control/decide.ts';
import type { Insight } from '../control/insight.ts';
import { baselineOf, type Launch, termsOf } from '../control/launch.ts';
import { rolloutOf, serviceOf } from '../control/lookup.ts';
import { tellOutlook } from '../control/outlook.ts';
import { liveRollout } from '../control/rollouts.ts';
import type { ApprovalLinks } from '../gates/links.ts';
import {
  type BuildPath,
  BuildPathSchema,
  ChangeHeadersSchema,
  type DecisionList,
  type EvidenceView,
  ORDERS,
  type OrderName,
  type OrderRequest,
  type RolloutList,
  type RolloutPath,
  RolloutPathSchema,
  type RolloutRequest,
  type RolloutView,
  type ServicePath,
  ServicePathSchema,
  type StartQuery,
  StartQuerySchema,
  type StrategyList,
} from '../model/api.ts';
import type { Plan } from '../model/plan.ts';
import type { RolloutChange } from '../model/record.ts';
import type { Catalogue } from '../rollout/catalogue.ts';
import { shownRollout } from '../rollout/shown.ts';
import type { Changes } from './asking.ts';
import { answers, named } from './schemas.ts';
import { listStrategies } from './strategies.ts';
import { viewRollout } from './view.ts';

interface RolloutSources {
  readonly commands: Commands;
  readonly insight: Insight;
  readonly changes: Changes;
  readonly clock: Clock;
  readonly links: Pick<ApprovalLinks, 'configured'>;
  /** What the config file names at present. */
  catalogue(): Catalogue;
}

/** The preset of those who name none. */
const USUAL = '1-5-25-50-100';

const SUMMARIES: Readonly<Record<OrderName, string>> = {
  pause: 'Stay at this weight until told to go on',
  resume: 'Go on after a pause',
  approve: 'Open the approval that is waited for',
  promote: 'Go on as if the evidence were there; all: to full weight at once',
  abort: 'Take the traffic back',
};

/** The routes that begin, steer and show rollouts. */
export function rolloutRoutes(
  app: FastifyInstance,
  { commands, insight, changes, clock, links, catalogue }: RolloutSources,
): void {
  app.post<{ Params: ServicePath; Body: RolloutRequest; Querystring: StartQuery }>(
    '/v1/services/:service/rollouts',
    {
      config: { needs: 'operator' },
      schema: {
        operationId: 'startRollout',
        summary: 'Begin the journey of a candidate, or only say how it would go',
        headers: ChangeHeadersSchema,
        params: ServicePathSchema,
        querystring: StartQuerySchema,
        body: named('RolloutRequest'),
        response: answers('What has begun, or would.', named('RolloutStart')),
      },
    },
    async (request, reply) => {
      const { service } = request.params;
      const launch = launchOf(request.body, catalogue());
      const state = commands.state();
      const { split } = serviceOf(state, service);
      const terms = termsOf(launch);
      if (!links.configured) refuseLinks(terms.plan);
      const plan = tellOutlook(terms, insight.traffic(service, baselineOf(launch, split.weights)));
      if (request.query.dryRun !== undefined) {
        // It is refused as the start itself would be.
        const { actor } = request;
        const circumstances = { actor, reason: undefined, now: clock.now(), salt: '' };
        decide(state, { type: 'rollout.start', service, id: 'planned', launch }, circumstances);
        return { plan };
      }
      return changes.make(request, reply, async (asking) => ({
        ...shown(await commands.startRollout(service, launch, asking)),
        plan,
      }));
    },
  );

  for (const name of ORDERS)
    app.post<{ Params: RolloutPath; Body: OrderRequest }>(
      `/v1/rollouts/:id/${name}`,
      {
        // Like a rollback, an abort has to work while everything else does not.
        config: { needs: 'operator', ...(name === 'abort' && { rateLimit: false }) },
        schema: {
          operationId: `${name}Rollout`,
          summary: SUMMARIES[name],
          headers: ChangeHeadersSchema,
          params: RolloutPathSchema,
          body: named('OrderRequest'),
          response: answers('What has become of it.', named('RolloutChange')),
        },
        preValidation: async (request) => {
          request.body ??= {};
        },
      },
      (request, reply) =>
        changes.make(request, reply, async (asking) =>
          shown(await commands.askRollout(request.params.id, orderOf(name, request.body), asking)),
        ),
    );

  app.delete<{ Params: BuildPath }>(
    '/v1/services/:service/quarantine/:build',
    {
      config: { needs: 'operator' },
      schema: {
        operationId: 'releaseQuarantine',
        summary: 'Let a build that was rolled back be tried again',
        headers: ChangeHeadersSchema,
        params: BuildPathSchema,
        response: answers('It may be tried again.', named('Released')),
      },
    },
    (request, reply) => {
      const { service, build } = request.params;
      return changes.make(request, reply, (asking) => commands.releaseQuarantine(service, build, asking));
    },
  );

  app.get(
    '/v1/rollouts',
    {
      config: { needs: 'viewer' },
      schema: {
        operationId: 'listRollouts',
        summary: 'Rollouts under way, and the last few that ended',
        response: answers('Rollouts, newest first.', named('RolloutList')),
      },
    },
    (): RolloutList => {
      const { revision, rollouts = {} } = commands.state();
      const all = Object.values(rollouts).sort((a, b) => (a.created.at < b.created.at ? 1 : -1));
      return {
        revision,
        rollouts: all.map((each) => viewRollout(each, commands.state(), insight, clock.now())),
      };
    },
  );

  app.get<{ Params: RolloutPath }>(
    '/v1/rollouts/:id',
    {
      config: { needs: 'viewer' },
      schema: {
        operationId: 'showRollout',
        summary: 'Where a rollout stands, and why',
        params: RolloutPathSchema,
        response: answers('The rollout.', named('Rollout')),
      },
    },
    ({ params }): RolloutView => {
      const state = commands.state();
      return viewRollout(rolloutOf(state, params.id), state, insight, clock.now());
    },
  );

  app.get<{ Params: RolloutPath }>(
    '/v1/rollouts/:id/decisions',
    {
      config: { needs: 'viewer' },
      schema: {
        operationId: 'listDecisions',
        summary: 'What traffic was moved on, with all that it was judged by',
        params: RolloutPathSchema,
        response: answers('Decisions, newest first.', named('DecisionList')),
      },
    },
    async ({ params }): Promise<DecisionList> => ({ decisions: await commands.decisions(params.id) }),
  );

  app.get<{ Params: ServicePath }>(
    '/v1/services/:service/evidence',
    {
      config: { needs: 'viewer' },
      schema: {
        operationId: 'showEvidence',
        summary: 'What was seen of the two versions of a rollout, and what it means',
        params: ServicePathSchema,
        response: answers('The evidence.', named('Evidence')),
      },
    },
    ({ params: { service } }): EvidenceView => {
      serviceOf(commands.state(), service);
      const rollout = liveRollout(commands.state(), service)?.id;
      const verdict = rollout === undefined ? undefined : insight.verdict(rollout);
      return {
        service,
        ...(rollout !== undefined && { rollout }),
        ...(verdict && { verdict }),
        missing: rollout === undefined ? [] : insight.missing(rollout),
        samples: (rollout === undefined ? [] : insight.samples(rollout)).map((sample) => ({
          ...sample,
          at: new Date(sample.at).toISOString(),
        })),
      };
    },
  );

  app.get(
    '/v1/strategies',
    {
      config: { needs: 'viewer' },
      schema: {
        operationId: 'listStrategies',
        summary: 'Strategies and policies that have a name, and what they do',
        response: answers('Strategies and policies, those of the config file first.', named('StrategyList')),
      },
    },
    (): StrategyList => listStrategies(catalogue()),
  );
}

function refuseLinks({ gates, steps }: Plan): void {
  const all = [...gates, ...steps.flatMap((step) => step.gates)];
  const gate = all.find((each) => each.kind === 'approval' && each.link === true);
  if (gate !== undefined)
    throw new Refusal(
      'invalid',
      `gate "${gate.name}" wants a link to approve by; say under admin.links in the config file where it is to lead`,
    );
}

function shown(change: RolloutChange): RolloutChange {
  return { ...change, rollout: shownRollout(change.rollout) };
}

function launchOf(
  { candidate, baseline, build, strategy = USUAL, policy = {} }: RolloutRequest,
  own: Catalogue,
): Launch {
  return {
    candidate,
    ...(baseline !== undefined && { baseline }),
    ...(build !== undefined && { build }),
    strategy: typeof strategy === 'string' ? { type: 'preset', name: strategy } : strategy,
    policy: typeof policy === 'string' ? { name: policy } : policy,
    own,
  };
}

function orderOf(type: OrderName, { gate, all }: OrderRequest): Order {
  if (type === 'approve') return { type, ...(gate !== undefined && { gate }) };
  if (type === 'promote') return { type, ...(all !== undefined && { all }) };
  return { type };
}
