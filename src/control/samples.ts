import type { Log } from '../base/log.ts';
import { own } from '../base/own.ts';
import { askPrometheus } from '../gates/prometheus.ts';
import type { GateResult } from '../gates/result.ts';
import type { World } from '../gates/world.ts';
import type { Series } from '../model/policy.ts';
import type { Rollout } from '../model/rollout.ts';
import type { State } from '../model/state.ts';
import { isEnded } from '../rollout/move.ts';

export interface SamplesParts {
  state(): State;
  readonly world: World;
  readonly log: Log;
}

/** Seconds between two samples, where the series does not say. */
const EVERY = 60;
/** How much more of something a candidate may need, where the series does not say. */
const TOLERATED = 1.2;

/** What was last heard of a series. */
export interface Sample {
  readonly metric: string;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly answer: GateResult['answer'];
  readonly says: string;
}

/** A series of one epoch. */
interface Asked {
  readonly epoch: number;
  /** When it is to be asked again, monotonic ms. */
  due: number;
  /** Gives up the question that is under way. */
  stop: AbortController | undefined;
  heard: Sample | undefined;
  /** What no judge has been told yet: above the tolerance, not above, or nobody knows. */
  fresh: boolean | null | undefined;
}

/**
 * The series of the gauges that rollouts are judged by. Each is asked on its own interval, beside the loop;
 * what has come is taken at the next look. Samples are few on purpose: those of one minute say one thing.
 */
export class Samples {
  readonly #parts: SamplesParts;
  /** By rollout, then by metric. */
  readonly #asked = new Map<string, Map<string, Asked>>();
  #running = new Set<Promise<void>>();

  constructor(parts: SamplesParts) {
    this.#parts = parts;
  }

  /** Asks whatever is due, and forgets what nobody wants to know any more. */
  attend(): void {
    const { state, world } = this.#parts;
    const { services, rollouts = {} } = state();
    const now = world.clock.monotonic();
    for (const rollout of Object.values(rollouts)) {
      if (isEnded(rollout.phase) || own(services, rollout.service)?.trial?.rollout !== rollout.id) continue;
      for (const { name, use, series } of rollout.policy.metrics) {
        if (series === undefined || use === 'off') continue;
        const asked = this.#of(rollout, name, now);
        if (asked.stop !== undefined || now < asked.due) continue;
        asked.due = now + (series.every ?? EVERY) * 1000;
        this.#ask(rollout, name, series, asked);
      }
    }
    for (const [id, metrics] of this.#asked) {
      const rollout = own(rollouts, id);
      if (rollout !== undefined && !isEnded(rollout.phase)) continue;
      for (const { stop } of metrics.values()) stop?.abort();
      this.#asked.delete(id);
    }
  }

  /** What has come of the epoch that a rollout is in since the last call, by metric. */
  take({ id, epoch }: Pick<Rollout, 'id' | 'epoch'>): Readonly<Record<string, boolean | null>> | undefined {
    const samples: Record<string, boolean | null> = {};
    for (const [metric, asked] of this.#asked.get(id) ?? []) {
      if (asked.epoch !== epoch || asked.fresh === undefined) continue;
      samples[metric] = asked.fresh;
      asked.fresh = undefined;
    }
    return Object.keys(samples).length === 0 ? undefined : samples;
  }

  /** What was last heard of each series of a rollout. */
  heard(rollout: string): readonly Sample[] {
    return [...(this.#asked.get(rollout)?.values() ?? [])].flatMap(({ heard }) => heard ?? []);
  }

  /** Gives up the questions that are under way. */
  async close(): Promise<void> {
    for (const metrics of this.#asked.values()) for (const { stop } of metrics.values()) stop?.abort();
    await Promise.all(this.#running);
  }

  /** A first sample is due once the versions have had the time of one with the weights of this epoch. */
  #of({ id, epoch, policy }: Rollout, metric: string, now: number): Asked {
    const metrics = this.#asked.get(id) ?? new Map<string, Asked>();
    this.#asked.set(id, metrics);
    const known = metrics.get(metric);
    if (known?.epoch === epoch) return known;
    known?.stop?.abort();
    const every = policy.metrics.find(({ name }) => name === metric)?.series?.every ?? EVERY;
    const asked = { epoch, due: now + every * 1000, stop: undefined, heard: known?.heard, fresh: undefined };
    metrics.set(metric, asked);
    return asked;
  }

  #ask(rollout: Rollout, metric: string, series: Series, asked: Asked): void {
    const { world, log } = this.#parts;
    const stop = new AbortController();
    asked.stop = stop;
    const bounded = series.atMost !== undefined || series.atLeast !== undefined;
    const question = { ...series, ...(!bounded && { ratioAtMost: series.ratioAtMost ?? TOLERATED }) };
    const running = askPrometheus(question, { rollout }, world, stop.signal)
      .then(
        ({ answer, says }) => {
          if (answer === 'unknown' && asked.heard?.answer !== 'unknown')
            log.warn({ rollout: rollout.id, metric, says }, 'a series has no data; it moves nothing');
          asked.heard = { metric, at: world.clock.now(), answer, says };
          asked.fresh = answer === 'unknown' ? null : answer === 'fail';
        },
        (err: unknown) => {
          if (!stop.signal.aborted)
            log.error({ err, rollout: rollout.id, metric }, 'a series cannot be asked');
        },
      )
      .finally(() => {
        asked.stop = undefined;
        this.#running.delete(running);
      });
    this.#running.add(running);
  }
}
