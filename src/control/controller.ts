import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { own } from '../base/own.ts';
import type { Timers } from '../base/timers.ts';
import type { RolloutEvent } from '../model/event.ts';
import type { Cause } from '../model/phase.ts';
import type { RolloutChange } from '../model/record.ts';
import type { Rollout } from '../model/rollout.ts';
import type { State } from '../model/state.ts';
import type { Verdict } from '../model/verdict.ts';
import { isEnded } from '../rollout/move.ts';
import { shownRollout } from '../rollout/shown.ts';
import { nodeTimers } from '../store/timers.ts';
import type { Roster } from '../upstream/roster.ts';
import { type Asking, type ControlEvent, Refusal } from './commands.ts';
import type { Control } from './control.ts';
import type { Errands } from './errands.ts';
import type { Evidence } from './evidence.ts';
import type { Flow, Insight } from './insight.ts';
import { ALONE, type Lead, type Stand } from './lead.ts';
import { rolloutOf } from './lookup.ts';
import type { Observations } from './observations.ts';
import { type Line, looked, type Seen } from './recording.ts';
import type { Sample, Samples } from './samples.ts';
import type { TrafficMeter } from './traffic.ts';
import { type Watch, watchEpoch } from './watch.ts';
import { GONE, type WaysBack } from './waysback.ts';

/** Where what the judge is fed is taken down. Implemented by the store. */
interface Recordings {
  add(rollout: string, line: Line): void;
  flush(rollout: string): Promise<void>;
  retain(rollouts: ReadonlySet<string>): Promise<void>;
}

export interface ControllerParts {
  readonly control: Pick<Control, 'state' | 'happen' | 'subscribe'>;
  readonly roster: Pick<Roster, 'goneFor'>;
  readonly evidence: Pick<Evidence, 'take' | 'note' | 'inherit' | 'seen' | 'harm' | 'missing' | 'baseline'>;
  /** Whether it is for this controller to decide. Default: there is no other. */
  readonly lead?: Lead;
  readonly errands: Pick<Errands, 'attend' | 'reports' | 'heard' | 'rest' | 'close'>;
  readonly samples: Pick<Samples, 'attend' | 'take' | 'heard' | 'close'>;
  readonly observations: Pick<Observations, 'attend'>;
  readonly recordings: Recordings;
  readonly ways: Pick<WaysBack, 'attend' | 'news' | 'close'>;
  readonly traffic: TrafficMeter;
  readonly clock: Clock;
  /** Default: those of Node. */
  readonly timers?: Timers;
  readonly log: Log;
}

/** How often every rollout is looked at, milliseconds. */
const PERIOD = 1000;
/** A wall clock that runs so much faster or slower than time has been set, milliseconds. */
const JUMP = 2000;
const ASKING: Asking = { actor: { name: 'controller', role: 'admin' }, wait: 0 };

/** The token of no term at all. */
const NO_TERM = 'no term';

/** What has come of rollouts since this process started, for the metrics. */
export interface Outcomes {
  readonly rollbacks: ReadonlyMap<
    string,
    { readonly service: string; readonly cause: Cause; readonly count: number }
  >;
  /** Looks that moved something: how many, and from the evidence taken to the truth changed, seconds in all. */
  readonly decisions: { readonly count: number; readonly seconds: number };
}

/**
 * The one loop that moves rollouts: take evidence, judge, ask the machine, write, and only then act. Whatever a
 * look comes to is decided anew on the truth as it is when it is written, so nothing said by a person in between
 * is lost, and of two controllers the slower one changes nothing.
 */
export class Controller implements Insight {
  readonly #parts: ControllerParts;
  readonly #lead: Lead;
  /** The term of those who lead in which this controller decides; undefined if there is but one, for ever. */
  #term: string | undefined = NO_TERM;
  readonly #watches = new Map<string, Watch>();
  readonly #verdicts = new Map<string, Verdict>();
  /** How each rollout stood when that was last recorded. */
  readonly #recorded = new Map<string, Rollout>();
  /** The rollouts that recordings are kept of. */
  #kept: State['rollouts'];
  readonly #rollbacks = new Map<string, { service: string; cause: Cause; count: number }>();
  #decisions = { count: 0, seconds: 0 };
  #stop = (): void => {};
  #unsubscribe = (): void => {};
  /** The look that is under way. */
  #looking: Promise<void> | undefined;
  /** What wall clock and monotonic clock are apart. */
  #apart: number;

  constructor(parts: ControllerParts) {
    this.#parts = parts;
    this.#lead = parts.lead ?? ALONE;
    this.#apart = apart(parts.clock);
  }

  /** Goes on with the rollouts that are under way, and looks after all of them from then on. */
  async start(): Promise<void> {
    const { control } = this.#parts;
    this.#unsubscribe = control.subscribe((event) => {
      if (event.type === 'change') this.#tell(event);
    });
    await this.#begin(this.#lead.stand());
    this.#stop = (this.#parts.timers ?? nodeTimers).every(PERIOD, () => {
      this.#looking ??= this.look().finally(() => {
        this.#looking = undefined;
      });
    });
  }

  /** Stops looking, and gives up the errands that run; they stand in the truth, and are run again. */
  async close(): Promise<void> {
    this.#stop();
    this.#unsubscribe();
    await this.#looking;
    await this.#parts.errands.close();
    await this.#parts.samples.close();
    await this.#parts.ways.close();
  }

  verdict(rollout: string): Verdict | undefined {
    return this.#verdicts.get(rollout) ?? this.#lead.verdict(rollout);
  }

  missing(rollout: string): readonly string[] {
    return this.#lead.stand().at === 'follows'
      ? (this.#lead.verdict(rollout)?.missing ?? [])
      : this.#parts.evidence.missing(rollout);
  }

  samples(rollout: string): readonly Sample[] {
    return this.#parts.samples.heard(rollout);
  }

  gates(rollout: string): Readonly<Record<string, string>> {
    return this.#parts.errands.heard(rollout);
  }

  traffic(service: string, baseline: string): Flow {
    const { traffic, evidence } = this.#parts;
    return { ...traffic.of(service), latency: evidence.baseline(service, baseline) };
  }

  get outcomes(): Outcomes {
    return { rollbacks: this.#rollbacks, decisions: this.#decisions };
  }

  /** One look at every rollout. One that fails keeps no other from its turn. */
  async look(): Promise<void> {
    const { control, clock, errands, samples, observations, traffic, evidence } = this.#parts;
    traffic.note(clock.monotonic());
    observations.attend();
    const jumped = apart(clock) - this.#apart;
    if (Math.abs(jumped) >= JUMP) this.#apart += jumped;
    const moved: RolloutEvent[] = Math.abs(jumped) >= JUMP ? [{ type: 'clock', by: jumped }] : [];
    const live = liveOnes(control.state());
    const stand = this.#lead.stand();
    if (stand.at !== 'leads') {
      for (const { id } of live) evidence.note(id);
      if (stand.at === 'follows') this.#rest();
      else for (const rollout of live) await this.#guard(rollout, () => this.#watchOver(rollout));
      return;
    }
    await this.#begin(stand);
    for (const rollout of live)
      await this.#guard(rollout, async () => {
        if (moved.length > 0) await this.#happen(rollout, moved);
        // People may have moved it since.
        await this.#attend(rolloutOf(control.state(), rollout.id));
      });
    this.#forget(new Set(live.map(({ id }) => id)));
    for (const rollout of Object.values(control.state().rollouts ?? {})) {
      const reports = errands.reports(rollout.id);
      if (reports.length > 0) await this.#guard(rollout, () => this.#happen(rollout, reports));
    }
    errands.attend();
    samples.attend();
    this.#parts.ways.attend();
  }

  /**
   * A term begins, and with it every step that is under way: what was gathered before is not here. A term that
   * has begun already goes on.
   */
  async #begin(stand: Stand): Promise<void> {
    if (stand.at !== 'leads' || stand.token === this.#term) return;
    this.#rest();
    this.#term = stand.token;
    for (const rollout of liveOnes(this.#parts.control.state())) {
      const harm = this.#lead.inherited(rollout.id);
      if (harm !== undefined) this.#parts.evidence.inherit(rollout.id, harm);
      await this.#guard(rollout, () =>
        this.#happen(rollout, [{ type: 'restart', evidence: 'lost', away: this.#away(rollout) }]),
      );
    }
  }

  /** Another decides. */
  #rest(): void {
    if (this.#term === NO_TERM) return;
    this.#term = NO_TERM;
    this.#watches.clear();
    this.#verdicts.clear();
    this.#parts.errands.rest();
  }

  /** Nobody decides: a candidate that does great harm is taken back all the same, and nothing else is done. */
  async #watchOver({ id }: Rollout): Promise<void> {
    const harm = this.#lead.presumed(id);
    if (harm === undefined) return;
    const events: RolloutEvent[] = [{ type: 'harm', ...harm }];
    // Should the store be back at this very moment, it is for the leader to decide.
    await this.#parts.control.happen(id, { events, digest: '' }, { ...ASKING, fence: NO_TERM });
  }

  async #attend(rollout: Rollout): Promise<void> {
    const { clock } = this.#parts;
    const began = clock.monotonic();
    const news = this.#parts.ways.news(rollout);
    const change = await this.#happen(rollout, [...news, ...this.#eventsOf(rollout, began / 1000)]);
    if (change === undefined) return;
    // What a decision came of is worth being kept, but nobody waits for it.
    void this.#parts.recordings.flush(rollout.id);
    const { count, seconds } = this.#decisions;
    this.#decisions = { count: count + 1, seconds: seconds + (clock.monotonic() - began) / 1000 };
  }

  /** What there is to say of a rollout at this look, `t` in monotonic seconds. */
  #eventsOf(rollout: Rollout, t: number): readonly RolloutEvent[] {
    const { control, evidence, roster, samples, recordings, clock } = this.#parts;
    const service = own(control.state().services, rollout.service);
    const candidate = own(service?.versions ?? {}, rollout.candidate);
    if (candidate === undefined || candidate.endpoints.length === 0)
      return [{ type: 'vanished', says: `version "${rollout.candidate}" has no endpoint left` }];
    // Before it has weight nobody is sent there, and while the baseline is gone too it is nobody's fault.
    const gone = (version: string) => roster.goneFor(rollout.service, version) ?? 0;
    if (rollout.weight > 0 && gone(rollout.candidate) >= GONE && gone(rollout.baseline) === 0)
      return [{ type: 'vanished', says: `no endpoint of version "${rollout.candidate}" serves any more` }];
    if (service?.trial?.rollout !== rollout.id) return [{ type: 'tick' }];

    const { id, epoch, service: name, baseline } = rollout;
    this.#record(rollout);
    let watch = this.#watches.get(id);
    if (watch?.epoch !== epoch) {
      const before = evidence.baseline(name, baseline);
      const past = service.trial.past && {
        ...service.trial.past,
        tails: service.trial.latency?.p95 !== undefined,
      };
      const anew = watch === undefined;
      recordings.add(id, { type: 'epoch', t, baseline: before, ...(past && { past }), anew });
      watch = watchEpoch(watch, rollout, before, t, past);
    }
    const sampled = samples.take(rollout);
    const tick = { ...(evidence.take(id, t) ?? { t, batches: [] }), ...(sampled && { samples: sampled }) };
    const missing = evidence.missing(id);
    const seen: Seen = {
      tick,
      ...(missing.length > 0 && { missing }),
      seen: evidence.seen(id) ?? { requests: 0, keys: 0 },
      ...(this.#lead.presumed(id) ?? evidence.harm(id)),
    };
    recordings.add(id, { type: 'look', at: clock.now(), ...seen });
    const after = looked(watch, rollout, seen);
    this.#watches.set(id, after.watch);
    this.#verdicts.set(id, after.verdict);
    return after.events;
  }

  /** How a rollout stands, if that has changed. */
  #record(rollout: Rollout): void {
    if (this.#recorded.get(rollout.id) === rollout) return;
    this.#recorded.set(rollout.id, rollout);
    this.#parts.recordings.add(rollout.id, { type: 'rollout', rollout: shownRollout(rollout) });
  }

  async #happen(rollout: Rollout, events: readonly RolloutEvent[]): Promise<RolloutChange | undefined> {
    const { control } = this.#parts;
    const digest = this.#watches.get(rollout.id)?.digest ?? '';
    const fence = this.#term;
    return control.happen(
      rollout.id,
      { events, digest },
      { ...ASKING, ...(fence !== undefined && { fence }) },
    );
  }

  /** Says where a rollout came to, whoever moved it. */
  #tell({ entry, state }: Extract<ControlEvent, { type: 'change' }>): void {
    const rollout = own(state.rollouts ?? {}, entry.rollout ?? '');
    if (rollout === undefined || entry.transitions === undefined) return;
    const { id, service, phase } = rollout;
    for (const { to, says } of entry.transitions)
      this.#parts.log.info({ rollout: id, service, to, says }, 'a rollout has moved');
    if (phase.at !== 'rolledBack') return;
    this.#parts.log.warn(
      { rollout: id, service, cause: phase.cause, says: phase.says },
      'a rollout is rolled back',
    );
    this.#count(service, phase.cause);
  }

  #count(service: string, cause: Cause): void {
    const key = `${service} ${cause}`;
    const count = (this.#rollbacks.get(key)?.count ?? 0) + 1;
    this.#rollbacks.set(key, { service, cause, count });
  }

  /** Since nobody has looked, milliseconds: at most since it last moved, or wrote down that it was there. */
  #away({ phase, history }: Rollout): number {
    const looked = phase.at === 'baking' ? (phase.looked ?? 0) : 0;
    const moved = Math.max(phase.since, looked, ...history.slice(-1).map(({ at }) => Date.parse(at)));
    return Math.max(0, this.#parts.clock.now() - moved);
  }

  async #guard(rollout: Rollout, task: () => Promise<unknown>): Promise<void> {
    try {
      await task();
    } catch (err) {
      // That the store is away, or that another leads, is told by whoever finds out.
      const expected = this.#parts.lead !== undefined && err instanceof Refusal;
      this.#parts.log[expected ? 'debug' : 'error'](
        { err, rollout: rollout.id },
        'a rollout cannot be attended to; it stays as it is',
      );
    }
  }

  #forget(live: ReadonlySet<string>): void {
    for (const id of this.#watches.keys()) if (!live.has(id)) this.#watches.delete(id);
    for (const id of this.#recorded.keys()) if (!live.has(id)) this.#recorded.delete(id);
    const { rollouts = {} } = this.#parts.control.state();
    for (const id of this.#verdicts.keys()) if (!Object.hasOwn(rollouts, id)) this.#verdicts.delete(id);
    if (rollouts === this.#kept) return;
    this.#kept = rollouts;
    void this.#parts.recordings.retain(new Set(Object.keys(rollouts)));
  }
}

function liveOnes({ rollouts = {} }: State): readonly Rollout[] {
  return Object.values(rollouts).filter(({ phase }) => !isEnded(phase));
}

function apart(clock: Clock): number {
  return clock.now() - clock.monotonic();
}
