import { Type } from 'typebox';
import { type Of, ServiceName, VersionName } from './document.ts';
import { OccasionSchema, WorseSchema } from './trial.ts';
import { VerdictSchema } from './verdict.ts';

/**
 * The journey of a candidate against a baseline: how it should go (strategy, resolved to a plan), how it is
 * judged (policy), and how far it has come (phase). Durations are seconds, weights percentages of the traffic
 * that candidate and baseline hold together, and moments milliseconds since 1970, but for those told to
 * people, which are dates.
 */

const CLOSED = { additionalProperties: false } as const;

const Seconds = (description: string) => Type.Number({ minimum: 0, maximum: 31_536_000, description });
const Percent = (description: string) => Type.Number({ minimum: 0, maximum: 100, description });
const Count = (description: string) => Type.Integer({ minimum: 1, description });
const Moment = Type.Integer({ description: 'Milliseconds since 1970.' });
const Instant = Type.String({ format: 'date-time' });
const Url = Type.String({ pattern: '^https?://', maxLength: 2048, description: 'An http or https URL.' });
const Secret = Type.String({
  pattern: '^(env:[A-Za-z_][A-Za-z0-9_]*$|[^]{16})',
  description: 'Key of an HMAC-SHA-256, 16 characters or more. env:NAME reads it from the environment.',
});
const HeadersSchema = Type.Record(Type.String(), Type.String());

// Gates --------------------------------------------------------------------------------------------------

/**
 * When a gate is asked. Those of a step, or of a strategy for each of its steps: `before` its weight goes live,
 * `during` it, again and again, `after` it, before it is left. Those of the plan: `start`, before anything; `promotion`, before the candidate gets
 * all the traffic; `bake`, before the bake may end; `finish`, once it is over, whichever way, when an answer
 * changes nothing any more; `rollback`, again and again while it runs: a pass means go back; `event`, told of
 * everything that people are notified of, never waited for.
 */
export const MomentNameSchema = Type.Enum([
  'start',
  'before',
  'during',
  'after',
  'promotion',
  'bake',
  'finish',
  'rollback',
  'event',
]);
export type MomentName = Of<typeof MomentNameSchema>;

const gate = {
  name: Type.String({ minLength: 1, maxLength: 64, description: 'Unlike every other gate of the rollout.' }),
  moment: MomentNameSchema,
  onFail: Type.Optional(
    Type.Enum(['hold', 'rollback'], {
      description: 'hold: pause, until a person resumes, and ask again then. Default rollback.',
    }),
  ),
};

export const SmokeSchema = Type.Object(
  {
    ...gate,
    kind: Type.Literal('smoke'),
    requests: Type.Array(
      Type.Object(
        {
          method: Type.Optional(Type.String({ pattern: '^[A-Z]+$', description: 'Default GET.' })),
          path: Type.String({ pattern: '^/' }),
          headers: Type.Optional(HeadersSchema),
          body: Type.Optional(Type.String()),
          expect: Type.Optional(
            Type.Object(
              {
                status: Type.Optional(
                  Type.Array(Type.Integer({ minimum: 100, maximum: 599 }), {
                    minItems: 1,
                    description: 'Any of these. Default: 200 to 299.',
                  }),
                ),
                headers: Type.Optional(HeadersSchema),
                json: Type.Optional(
                  Type.Record(Type.String({ pattern: '^(/.*)?$' }), Type.Unknown(), {
                    description: 'By JSON pointer (RFC 6901): what must stand there.',
                  }),
                ),
                within: Type.Optional(
                  Type.Number({ minimum: 1, description: 'Milliseconds to the whole answer.' }),
                ),
              },
              CLOSED,
            ),
          ),
        },
        CLOSED,
      ),
      { minItems: 1, maxItems: 50 },
    ),
    repeat: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, description: 'Rounds. Default 1.' })),
    pause: Type.Optional(Seconds('Between rounds. Default 1.')),
  },
  { ...CLOSED, description: 'Requests to the candidate alone; each must be answered as expected.' },
);

const webhook = {
  url: Url,
  secret: Type.Optional(Secret),
  headers: Type.Optional(HeadersSchema),
  timeout: Type.Optional(Seconds('For one try. Default 10.')),
  retries: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: 100,
      description: 'Further tries when there is no answer. Default 3.',
    }),
  ),
  allowPrivate: Type.Optional(
    Type.Boolean({ description: 'Whether it may lead to a private or loopback address. Default false.' }),
  ),
};

export const WebhookSchema = Type.Object(
  {
    ...gate,
    kind: Type.Literal('webhook'),
    ...webhook,
    every: Type.Optional(
      Seconds('Between questions while the answer is no or the moment lasts. Default 10.'),
    ),
    deadline: Type.Optional(
      Seconds('An answer other than 2xx counts as "not yet" so long. Default 0: it fails at once.'),
    ),
  },
  { ...CLOSED, description: 'A signed POST; an answer of 2xx passes.' },
);

export const ApprovalSchema = Type.Object(
  {
    ...gate,
    kind: Type.Literal('approval'),
    role: Type.Optional(
      Type.Enum(['operator', 'admin'], {
        description: 'Who may, at least. Default operator.',
      }),
    ),
    link: Type.Optional(
      Type.Boolean({ description: 'Notify with a signed link that approves once. Default false.' }),
    ),
  },
  { ...CLOSED, description: 'Waits for a person.' },
);

const Time = Type.String({ pattern: '^([01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$', description: 'HH:MM.' });
export const WindowSchema = Type.Object(
  {
    ...gate,
    kind: Type.Literal('window'),
    days: Type.Optional(
      Type.Array(Type.Enum(['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun']), {
        minItems: 1,
        description: 'Default: every day.',
      }),
    ),
    from: Type.Optional(Time),
    to: Type.Optional(Time),
    zone: Type.Optional(Type.String({ description: 'IANA time zone, as Europe/Berlin. Default UTC.' })),
    freeze: Type.Optional(
      Type.Array(Type.Object({ from: Instant, to: Instant, why: Type.Optional(Type.String()) }, CLOSED), {
        description: 'Times at which it is shut, whatever day it is.',
      }),
    ),
  },
  { ...CLOSED, description: 'Open on some days between some hours. To before from: over midnight.' },
);
export type Window = Of<typeof WindowSchema>;

const query = {
  url: Url,
  query: Type.String({
    minLength: 1,
    description: 'PromQL with one value. {{service}} and {{version}} are replaced.',
  }),
  headers: Type.Optional(HeadersSchema),
  atMost: Type.Optional(Type.Number({ description: 'Good at this or below.' })),
  atLeast: Type.Optional(Type.Number({ description: 'Good at this or above.' })),
  ratioAtMost: Type.Optional(
    Type.Number({
      minimum: 0,
      description: "The query is asked for both versions: the candidate's value by the baseline's.",
    }),
  ),
  allowPrivate: Type.Optional(Type.Boolean({ description: 'Default true: Prometheus is usually inside.' })),
  timeout: webhook.timeout,
};

export const PrometheusSchema = Type.Object(
  {
    ...gate,
    kind: Type.Literal('prometheus'),
    ...query,
    every: Type.Optional(
      Seconds('Between questions while there is no data or the moment lasts. Default 15.'),
    ),
  },
  {
    ...CLOSED,
    description: 'A query against a threshold, or between versions. No data: unknown, asked again.',
  },
);

export const SchemaGateSchema = Type.Object(
  {
    ...gate,
    kind: Type.Literal('schema'),
    schema: Type.String({
      pattern: '^[0-9]{1,9}([.][0-9]{1,9}){0,2}$',
      description: 'The database schema that will hold afterwards.',
    }),
  },
  {
    ...CLOSED,
    description:
      'Shut while a version that cannot live with this schema holds weight or can still be rolled back to.',
  },
);

export const GateSchema = Type.Union([
  SmokeSchema,
  WebhookSchema,
  ApprovalSchema,
  WindowSchema,
  PrometheusSchema,
  SchemaGateSchema,
]);
export type Gate = Of<typeof GateSchema>;

// Plan ---------------------------------------------------------------------------------------------------

export const NeedsSchema = Type.Union(
  [
    Type.Literal('verdict'),
    Type.Literal('nothing'),
    Type.Object({ requests: Count('Requests that the candidate answered in this step.') }, CLOSED),
    Type.Object({ keys: Count('Distinct keys that the candidate served in this step.') }, CLOSED),
  ],
  {
    description:
      'The evidence it takes to leave a step. verdict: until the judge can tell. Whatever it is, a suspicious candidate does not go on.',
  },
);
export type Needs = Of<typeof NeedsSchema>;

export const OnTimeoutSchema = Type.Enum(['hold', 'advance', 'rollback'], {
  description:
    'When atMost is over without the evidence. hold: stay, go on judging, tell people. advance: go on unless the candidate looks suspicious.',
});

export const StepSchema = Type.Object(
  {
    weight: Percent("The candidate's share."),
    atLeast: Seconds('No further earlier.'),
    atMost: Seconds('By then the evidence must be there.'),
    needs: NeedsSchema,
    onTimeout: OnTimeoutSchema,
    gates: Type.Array(GateSchema, { maxItems: 20, description: 'Moments before, during and after.' }),
  },
  { ...CLOSED, description: 'A weight, and what it takes to leave it.' },
);
export type Step = Of<typeof StepSchema>;

export const BakeSchema = Type.Object(
  {
    for: Seconds('How long the candidate is watched at full weight.'),
    keepWarm: Type.Number({
      minimum: 0,
      maximum: 50,
      description: 'Share that stays on the old version meanwhile, to compare with and to go back to.',
    }),
  },
  CLOSED,
);
export type Bake = Of<typeof BakeSchema>;

export const HookSchema = Type.Object(webhook, {
  ...CLOSED,
  description: 'A signed POST when the old version is no longer needed.',
});

/** A strategy worked out: what happens, step by step. Promotion follows the last step, and then the bake. */
export const PlanSchema = Type.Object(
  {
    strategy: Type.String({ description: 'Name of the preset, or kind of the strategy.' }),
    steps: Type.Array(StepSchema, { maxItems: 100, description: 'Below 100 %, rising.' }),
    gates: Type.Array(GateSchema, {
      maxItems: 20,
      description: 'Moments start, promotion, bake, finish, rollback and event.',
    }),
    bake: BakeSchema,
    decommission: Type.Optional(HookSchema),
  },
  CLOSED,
);
export type Plan = Of<typeof PlanSchema>;

// Strategy -----------------------------------------------------------------------------------------------

const { weight: _, ...terms } = StepSchema.properties;
const stepTerms = Type.Partial(Type.Object(terms), CLOSED).properties;
const ending = {
  gates: Type.Optional(
    Type.Array(GateSchema, {
      maxItems: 20,
      description:
        'Moments before, during and after: at every step, called by its weight, as in "qa at 5 %". All others: once.',
    }),
  ),
  bake: Type.Optional(Type.Partial(BakeSchema, CLOSED)),
  decommission: PlanSchema.properties.decommission,
};

export const StepRequestSchema = Type.Object(
  { weight: StepSchema.properties.weight, ...stepTerms },
  {
    ...CLOSED,
    description:
      'What is left out is as usual: at least 60 s, at most 30 min, until the judge can tell, then hold.',
  },
);
export type StepRequest = Of<typeof StepRequestSchema>;

export const CanarySchema = Type.Object(
  {
    type: Type.Literal('canary'),
    steps: Type.Array(Type.Union([Percent('A step as usual at this weight.'), StepRequestSchema]), {
      minItems: 1,
      maxItems: 100,
    }),
    ...ending,
  },
  { ...CLOSED, description: 'Step by step, as listed. 100 at the end may be left out.' },
);
export const LinearSchema = Type.Object(
  {
    type: Type.Literal('linear'),
    percent: Type.Number({ minimum: 0.1, maximum: 100, description: 'Added with every step.' }),
    every: Seconds('At least so long a step.'),
    ...stepTerms,
    ...ending,
  },
  { ...CLOSED, description: 'The same amount more with every step.' },
);
export const ExponentialSchema = Type.Object(
  {
    type: Type.Literal('exponential'),
    start: Type.Number({ minimum: 0.01, maximum: 100, description: 'Weight of the first step.' }),
    factor: Type.Optional(
      Type.Number({
        minimum: 1.1,
        maximum: 100,
        description: 'Every step is so many times the last. Default 2.',
      }),
    ),
    every: Seconds('At least so long a step.'),
    ...stepTerms,
    ...ending,
  },
  { ...CLOSED, description: 'A multiple more with every step.' },
);
export const BlueGreenSchema = Type.Object(
  { type: Type.Literal('blueGreen'), ...ending },
  {
    ...CLOSED,
    description: 'Green stands at 0 %, is tried by override and gates, then gets everything at once.',
  },
);
export const OverrideSchema = Type.Object(
  { type: Type.Literal('override'), ...ending },
  {
    ...CLOSED,
    description:
      'A/B by override only: the candidate serves whom overrides name, until a person promotes or aborts.',
  },
);
export const PresetSchema = Type.Object(
  { type: Type.Literal('preset'), name: Type.String({ minLength: 1 }), ...ending },
  { ...CLOSED, description: 'One of those that GET /v1/strategies lists.' },
);
export const StrategySchema = Type.Union([
  CanarySchema,
  LinearSchema,
  ExponentialSchema,
  BlueGreenSchema,
  OverrideSchema,
  PresetSchema,
]);
export type Strategy = Of<typeof StrategySchema>;

// Policy -------------------------------------------------------------------------------------------------

const Probability = (description: string) =>
  Type.Number({ exclusiveMinimum: 0, exclusiveMaximum: 1, description });

export const SeriesSchema = Type.Object(
  {
    ...query,
    every: Type.Optional(
      Type.Number({
        minimum: 1,
        maximum: 86_400,
        description:
          'Seconds between two samples. Default 60: samples that follow closely say the same thing twice.',
      }),
    ),
  },
  {
    ...CLOSED,
    description:
      'What Prometheus is asked: against a threshold, or between versions. Without a bound ratioAtMost is 1.2. Average over a minute, and by pod or request, as in avg(rate(process_cpu_seconds_total{version="{{version}}"}[1m])).',
  },
);
export type Series = Of<typeof SeriesSchema>;

export const MetricSchema = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 64 }),
    kind: Type.Enum([
      'errorRatio',
      'errorCeiling',
      'latencyShift',
      'latencyP95',
      'latencyP99',
      'conversion',
      'value',
      'gauge',
      'errorHistory',
      'latencyHistory',
    ]),
    use: Type.Optional(
      Type.Enum(['on', 'off', 'holdOnly'], {
        description:
          'holdOnly: may hold a promotion back, never roll back. Default on; of a gauge, of latencyHistory, and by version, holdOnly.',
      }),
    ),
    weight: Type.Optional(
      Type.Number({ exclusiveMinimum: 0, description: "Its part of alpha, by the others'. Default 1." }),
    ),
    trigger: Type.Optional(
      Type.Enum(['increase', 'sensitive', 'twice', 'provenTwice'], {
        description:
          'errorRatio: how much worse is too much, in a word instead of in ratios. Default increase.',
      }),
    ),
    ratios: Type.Optional(
      Type.Array(Type.Number({ exclusiveMinimum: 0 }), {
        minItems: 1,
        maxItems: 20,
        description: 'Ratios or slow-downs bet on; about the smallest is the least acted on.',
      }),
    ),
    provenAbove: Type.Optional(
      Type.Number({
        exclusiveMinimum: 0,
        description: 'Act only when the ratio is proven above this. Default 1.',
      }),
    ),
    required: Type.Optional(Type.Boolean({ description: 'No promotion without data. Default false.' })),
    when: Type.Optional(
      Type.Unsafe<Of<typeof OccasionSchema>>({
        ...OccasionSchema,
        description:
          'conversion, value: what in the traffic counts, as POST /orders answered with 2xx; a value is the number of its event. Left out: only what is posted as observations.',
      }),
    ),
    worse: Type.Optional(WorseSchema),
    by: Type.Optional(
      Type.Enum(['key', 'version'], {
        description:
          'conversion, value without when: what observations name. A key counts once a step. By version they have to be taken for independent of each other, so use is holdOnly if nothing is said. Default key.',
      }),
    ),
    series: Type.Optional(SeriesSchema),
  },
  CLOSED,
);
export type MetricRequest = Of<typeof MetricSchema>;

export const ThresholdSchema = Type.Object(
  {
    metric: Type.Enum(['errorRate', 'p50', 'p95', 'p99']),
    above: Type.Number({
      minimum: 0,
      description: 'Errors as a part of 1, latencies in ms, or times the baseline.',
    }),
    of: Type.Enum(['baseline', 'value'], {
      description: 'baseline: so many times what the baseline has.',
    }),
    atLeast: Count('Requests of each version before it counts; sticky: keys. 100 is usual.'),
  },
  { ...CLOSED, description: 'Plain, without statistics: it may fire on noise.' },
);
export type Threshold = Of<typeof ThresholdSchema>;

export const HarmBudgetSchema = Type.Object(
  {
    failures: Type.Optional(Count("Failures beyond what the baseline's rate explains.")),
    keys: Type.Optional(Count('Distinct keys that met a failure of the candidate.')),
  },
  {
    ...CLOSED,
    minProperties: 1,
    description: 'What a rollout may cost. Reaching it takes the traffic back.',
  },
);
export type HarmBudget = Of<typeof HarmBudgetSchema>;

export const TripwireSchema = Type.Object(
  {
    failures: Count('So many failures of the candidate …'),
    share: Type.Number({
      exclusiveMinimum: 0,
      maximum: 1,
      description: '… that are this part of its requests …',
    }),
    times: Type.Number({ minimum: 1, description: "… and so many times the baseline's rate." }),
  },
  { ...CLOSED, description: 'For catastrophes: decides within the first handful of requests.' },
);
export type Tripwire = Of<typeof TripwireSchema>;

export const PolicySchema = Type.Object(
  {
    name: Type.String({ description: 'Which policy this is, as people know it.' }),
    mode: Type.Enum(['sticky', 'request'], {
      description: 'What counts once: a key in a step, or every request.',
    }),
    alpha: Probability('Chance of rolling back a candidate that is not worse, over the whole rollout.'),
    beta: Probability('Chance of calling a candidate healthy that is as bad as the margin.'),
    errorCeiling: Probability('Error rate that is too high whatever the baseline does.'),
    latencyTolerance: Type.Number({
      minimum: 0,
      description: 'How much slower is no matter, as a part of 1.',
    }),
    latencySlack: Type.Number({
      minimum: 0,
      description:
        'The same in milliseconds, if that is more: so little is up to the machine, not to the version.',
    }),
    metrics: Type.Array(MetricSchema, { minItems: 1, maxItems: 50 }),
    thresholds: Type.Array(ThresholdSchema, { maxItems: 20 }),
    onWorse: Type.Enum(['rollback', 'pause', 'notify']),
    dryRun: Type.Boolean({
      description: 'Judge and tell, but let nothing but time and people move traffic.',
    }),
    harmBudget: Type.Optional(HarmBudgetSchema),
    tripwire: Type.Optional(TripwireSchema),
  },
  { ...CLOSED, description: 'How a rollout is judged, and what is done on it.' },
);
export type Policy = Of<typeof PolicySchema>;

export const PolicyRequestSchema = Type.Object(
  {
    ...Type.Partial(PolicySchema).properties,
    tripwire: Type.Optional(Type.Union([Type.Literal(false), TripwireSchema])),
  },
  { ...CLOSED, description: 'name: the policy to begin with; all else replaces what it says.' },
);
export type PolicyRequest = Of<typeof PolicyRequestSchema>;

// Rollout ------------------------------------------------------------------------------------------------

export const CauseSchema = Type.Enum(
  [
    'worse',
    'threshold',
    'tripwire',
    'budget',
    'gate',
    'timeout',
    'vanished',
    'newer',
    'person',
    'environment',
    'split',
  ],
  {
    description:
      'worse: the verdict. budget: of harm. vanished: no endpoint left. newer: another rollout. environment: both versions fail. split: traffic is not split as recorded.',
  },
);
export type Cause = Of<typeof CauseSchema>;

const step = Type.Integer({ minimum: 0, description: 'Index of the step.' });
const standing = Type.Optional(VerdictSchema.properties.decision);
const since = Moment;
const late = Type.Optional(Type.Literal(true, { description: 'Its time is over; people have been told.' }));

/** At a door: it opens when every gate has passed. `step`: to be entered (before), or to be left (after). */
const AtStartSchema = Type.Object(
  { at: Type.Literal('waiting'), door: Type.Literal('start'), passed: Type.Array(Type.String()), since },
  CLOSED,
);
const AtStepSchema = Type.Object(
  {
    at: Type.Literal('waiting'),
    door: Type.Enum(['before', 'after']),
    step,
    passed: Type.Array(Type.String()),
    since,
  },
  CLOSED,
);
const AtPromotionSchema = Type.Object(
  { at: Type.Literal('waiting'), door: Type.Literal('promotion'), passed: Type.Array(Type.String()), since },
  CLOSED,
);
const AtBakeEndSchema = Type.Object(
  { at: Type.Literal('waiting'), door: Type.Literal('bake'), passed: Type.Array(Type.String()), since },
  CLOSED,
);
const SteppingSchema = Type.Object(
  {
    at: Type.Literal('stepping'),
    step,
    since,
    standing,
    late,
  },
  CLOSED,
);
const BakingSchema = Type.Object(
  {
    at: Type.Literal('baking'),
    since,
    looked: Type.Optional(
      Type.Integer({
        description: 'When time was last written down, ms since 1970: a restart goes on from there.',
      }),
    ),
    standing,
    late,
  },
  CLOSED,
);

const RunningSchema = Type.Union([
  AtStartSchema,
  AtStepSchema,
  SteppingSchema,
  AtPromotionSchema,
  BakingSchema,
  AtBakeEndSchema,
]);
/** A phase in which the rollout goes on by itself. */
export type Running = Of<typeof RunningSchema>;

const PausedSchema = Type.Object(
  {
    at: Type.Literal('paused'),
    cause: CauseSchema,
    by: Type.Optional(Type.String({ description: 'Who; left out when Spillway did it.' })),
    says: Type.String(),
    since,
    kept: RunningSchema,
    putBack: Type.Optional(
      Percent("Going on puts the candidate's part back to this and begins with new evidence."),
    ),
  },
  CLOSED,
);
const PromotedSchema = Type.Object({ at: Type.Literal('promoted'), since, says: Type.String() }, CLOSED);
const RolledBackSchema = Type.Object(
  {
    at: Type.Literal('rolledBack'),
    since,
    cause: CauseSchema,
    says: Type.String(),
    quarantined: Type.Boolean({ description: 'Whether the build is refused from now on.' }),
  },
  CLOSED,
);
export const PhaseSchema = Type.Union([
  ...RunningSchema.anyOf,
  PausedSchema,
  PromotedSchema,
  RolledBackSchema,
]);
export type Phase = Of<typeof PhaseSchema>;
export type Paused = Of<typeof PausedSchema>;
export type Ended = Of<typeof PromotedSchema> | Of<typeof RolledBackSchema>;

export const TransitionSchema = Type.Object(
  {
    seq: Type.Integer({ minimum: 0, description: 'Counts up by one.' }),
    at: Instant,
    to: Type.String({ description: 'Where it came to, as "step 2/4 at 5 %".' }),
    says: Type.String({ description: 'Why, in a sentence.' }),
    by: Type.Optional(Type.String()),
  },
  CLOSED,
);
export type Transition = Of<typeof TransitionSchema>;

export const NewsSchema = Type.Enum([
  'started',
  'step',
  'paused',
  'resumed',
  'approval',
  'late',
  'noted',
  'promoting',
  'rolledBack',
  'promoted',
]);
export type News = Of<typeof NewsSchema>;

const id = Type.String({ description: 'The same for the same errand, however often it is run.' });
/**
 * What should be done in the world. An errand stands in its rollout until it is reported done, so a crash
 * between writing and doing loses none, and its id keeps a second run from being a second deed.
 */
export const ErrandSchema = Type.Union([
  Type.Object(
    {
      type: Type.Literal('gate'),
      id,
      gate: Type.String({ description: 'Name of the gate to ask, until it passes or fails.' }),
    },
    CLOSED,
  ),
  Type.Object(
    { type: Type.Literal('notify'), id, news: NewsSchema, says: Type.String(), at: Instant },
    CLOSED,
  ),
  Type.Object({ type: Type.Literal('decommission'), id, version: VersionName }, CLOSED),
]);
export type Errand = Of<typeof ErrandSchema>;

export const RolloutSchema = Type.Object(
  {
    id: Type.String({ minLength: 1, maxLength: 64 }),
    service: ServiceName,
    baseline: VersionName,
    candidate: VersionName,
    build: Type.String({ description: 'Which build the candidate is; what a quarantine names.' }),
    share: Percent('What candidate and baseline hold together of all traffic.'),
    plan: PlanSchema,
    policy: PolicySchema,
    created: Type.Object({ at: Instant, by: Type.String(), reason: Type.Optional(Type.String()) }, CLOSED),
    phase: PhaseSchema,
    weight: Percent("The candidate's part of the share at present."),
    epoch: Type.Integer({ minimum: 0, description: 'Counts up with every step, and when one begins again.' }),
    seq: Type.Integer({ minimum: 0, description: 'Transitions so far.' }),
    noted: Type.Array(CauseSchema, { description: 'Told, not acted on, since the step began.' }),
    history: Type.Array(TransitionSchema, { description: 'The newest hundred, oldest first.' }),
    errands: Type.Array(ErrandSchema, { description: 'Not reported done yet.' }),
    links: Type.Optional(Type.Array(Type.String(), { description: 'Ids of approval links that were used.' })),
    stranded: Type.Optional(Type.String({ description: 'Why the way back does not work now.' })),
  },
  CLOSED,
);
export type Rollout = Of<typeof RolloutSchema>;

// Events and effects -------------------------------------------------------------------------------------

/** What candidate and baseline did in the present epoch, all workers together. */
export interface SeenSoFar {
  readonly requests: number;
  /** Distinct keys; 0 where keys are not counted. */
  readonly keys: number;
}

/** What the candidate has cost, epochs together. */
export const HarmSchema = Type.Object(
  {
    requests: Type.Integer({ minimum: 0 }),
    failures: Type.Integer({ minimum: 0 }),
    baselineRequests: Type.Integer({ minimum: 0 }),
    baselineFailures: Type.Integer({ minimum: 0 }),
    keys: Type.Integer({ minimum: 0, description: 'Distinct keys that met a failure of the candidate.' }),
  },
  CLOSED,
);
export type Harm = Of<typeof HarmSchema>;

/** What may happen to a rollout. Verdicts and answers carry the epoch they are of; old ones are ignored. */
export type RolloutEvent =
  /** Time has passed. */
  | { readonly type: 'tick'; readonly seen?: SeenSoFar }
  | {
      readonly type: 'verdict';
      readonly epoch: number;
      readonly verdict: Of<typeof VerdictSchema>;
      readonly seen: SeenSoFar;
    }
  /** `harm`: since the rollout began. `lately`: in the last seconds, for the tripwire. */
  | { readonly type: 'harm'; readonly harm: Harm; readonly lately?: Harm }
  /** A gate has answered. `errand`: the id of the one that asked. */
  | { readonly type: 'gate'; readonly errand: string; readonly pass: boolean; readonly says: string }
  | { readonly type: 'pause'; readonly by: string; readonly says?: string }
  | { readonly type: 'resume'; readonly by: string; readonly says?: string }
  /** Opens an approval that is being waited for; without a name, the first. `link`: the id of the one used. */
  | {
      readonly type: 'approve';
      readonly by: string;
      readonly gate?: string;
      readonly link?: string;
      readonly says?: string;
    }
  /** Ends the present step as if its evidence were there; `all`: goes to full weight at once. */
  | { readonly type: 'promote'; readonly by: string; readonly all?: boolean; readonly says?: string }
  | { readonly type: 'abort'; readonly by: string; readonly says?: string }
  /** Somebody has set weights; the candidate has `weight` of all traffic by now, the baseline `baseline`. */
  | { readonly type: 'hand'; readonly by: string; readonly weight: number; readonly baseline: number }
  /** The candidate has no endpoint that can be used. */
  | { readonly type: 'vanished'; readonly says: string }
  /** The way back works again, or does not, and why. */
  | { readonly type: 'way'; readonly shut?: string }
  /** Another rollout of the service is about to start. */
  | { readonly type: 'newer'; readonly rollout: string; readonly by: string }
  /** A controller goes on with it, `away` ms after the last one looked. */
  | { readonly type: 'restart'; readonly evidence: 'kept' | 'lost'; readonly away: number }
  /** The wall clock has been set, by so many ms. */
  | { readonly type: 'clock'; readonly by: number }
  /** The config file was read again; `changed`: candidate or baseline have other endpoints. */
  | { readonly type: 'reload'; readonly changed: boolean }
  /** An errand has been run, and need not be again. */
  | { readonly type: 'done'; readonly errand: string };

/** What must become true of the service in the same compare-and-set as the rollout's next state. */
export type Effect =
  /**
   * Percentages of all traffic. evict: keys on a version left move now (rollback). drain: those already there
   * may stay until they are done (planned end).
   */
  | {
      readonly type: 'weights';
      readonly candidate: number;
      readonly baseline: number;
      readonly leave: 'evict' | 'drain';
    }
  /** Evidence is counted for this epoch from now on; undefined: for none. */
  | { readonly type: 'epoch'; readonly epoch: number | undefined }
  | { readonly type: 'quarantine'; readonly build: string; readonly says: string }
  /** A verdict, gate or budget moved traffic, or would have: to be kept as a decision record. */
  | { readonly type: 'record'; readonly id: string; readonly result: string; readonly event: RolloutEvent }
  /** New errands to be run once all this is written. They stand in the rollout too. */
  | { readonly type: 'errand'; readonly errand: Errand };

/** A decision that moved traffic, with all that is needed to make it again. */
export const DecisionRecordSchema = Type.Object(
  {
    id: Type.String(),
    rollout: Type.String(),
    service: ServiceName,
    at: Instant,
    replica: Type.Optional(
      Type.String({
        description: 'Of a fleet: which one led, and has the recording of what this was judged by.',
      }),
    ),
    epoch: Type.Integer({ minimum: 0 }),
    phase: PhaseSchema,
    verdict: Type.Optional(VerdictSchema),
    harm: Type.Optional(HarmSchema),
    digest: Type.String({
      description: 'SHA-256 of the inputs that the judge had, to hold a replay against.',
    }),
    policy: PolicySchema,
    result: Type.String({ description: 'What was done, or in a dry run would have been.' }),
  },
  CLOSED,
);
export type DecisionRecord = Of<typeof DecisionRecordSchema>;
