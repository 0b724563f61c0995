import type { Tick } from '../analysis/evidence.ts';
import type { Past } from '../analysis/history.ts';
import type { LatencyCounts } from '../analysis/latency.ts';
import type { RolloutEvent, SeenSoFar } from '../model/event.ts';
import type { Harm } from '../model/harm.ts';
import type { Policy } from '../model/policy.ts';
import type { Rollout } from '../model/rollout.ts';
import type { Verdict } from '../model/verdict.ts';
import { step } from '../rollout/machine.ts';
import { where } from '../rollout/words.ts';
import { look, type Watch, watchEpoch, withoutSources } from './watch.ts';

/** Everything that a rollout was judged by, in the order in which it came. */
export type Line =
  /** How the rollout stands from here on, without its secrets. */
  | { readonly type: 'rollout'; readonly rollout: Rollout }
  /** An epoch begins. `anew`: with a judge that knows nothing, as after a restart. */
  | {
      readonly type: 'epoch';
      readonly t: number;
      readonly baseline: LatencyCounts;
      readonly past?: Past;
      readonly anew: boolean;
    }
  /** One look, at so many ms since 1970. */
  | ({ readonly type: 'look'; readonly at: number } & Seen)
  /** It could not go on from here. */
  | { readonly type: 'brokenOff' };

/** What one look has seen. */
export interface Seen {
  readonly tick: Tick;
  /** Sources that were silent. */
  readonly missing?: readonly string[];
  readonly seen: SeenSoFar;
  readonly harm?: Harm;
  readonly lately?: Harm;
}

/** What comes of a look: the judge's word, and all there is to tell the machine. */
export function looked(
  before: Watch,
  rollout: Rollout,
  { tick, missing = [], seen, harm, lately }: Seen,
): { readonly watch: Watch; readonly verdict: Verdict; readonly events: readonly RolloutEvent[] } {
  const { watch, verdict: judged } = look(before, tick);
  const verdict = withoutSources(judged, missing);
  const events: RolloutEvent[] = [
    ...(harm ? [{ type: 'harm', harm, ...(lately && { lately }) } as const] : []),
    { type: 'verdict', epoch: rollout.epoch, verdict, seen },
    // Only doors need it besides, and what was seen in one step must not count for the next.
    ...(rollout.phase.at === 'waiting' ? [{ type: 'tick' } as const] : []),
  ];
  return { watch, verdict, events };
}

/** A look as it was, or would have been under another policy. */
export interface Replayed {
  readonly at: number;
  readonly epoch: number;
  /** Where the rollout stood, as "step 2/4 at 5 %". */
  readonly where: string;
  /** As decision records have it. */
  readonly digest: string;
  readonly verdict: Verdict;
  /** What was done on it; left out: nothing that moves traffic. */
  readonly result?: string;
}

/**
 * Judges a recording again, under its own policy or another one. The same policy says the same, byte for byte.
 * Under another each epoch is judged with the traffic that it had: what the other policy would have done is
 * told once, and what would have come of it is not known.
 */
export function* replay(lines: Iterable<Line>, policy?: Policy): Generator<Replayed> {
  let rollout: Rollout | undefined;
  let watch: Watch | undefined;
  /** The epoch in which something has been done. */
  let done = -1;
  for (const line of lines) {
    if (line.type === 'rollout') {
      rollout = { ...line.rollout, ...(policy && { policy }) };
    } else if (line.type === 'epoch' && rollout) {
      watch = watchEpoch(line.anew ? undefined : watch, rollout, line.baseline, line.t, line.past);
    } else if (line.type === 'look' && rollout && watch) {
      const { epoch } = rollout;
      const { verdict, events, ...after } = looked(watch, rollout, line);
      watch = after.watch;
      const result = policy && done === epoch ? undefined : resultOf(rollout, events, line.at);
      if (result !== undefined) done = epoch;
      yield {
        at: line.at,
        epoch,
        where: where(rollout),
        digest: watch.digest,
        verdict,
        ...(result !== undefined && { result }),
      };
    }
  }
}

/** What the machine makes of events, if it is worth a decision record. */
function resultOf(rollout: Rollout, events: readonly RolloutEvent[], now: number): string | undefined {
  let state = rollout;
  for (const event of events) {
    const { next, effects } = step(state, event, now);
    const record = effects.find(({ type }) => type === 'record');
    if (record?.type === 'record') return record.result;
    state = next;
  }
  return undefined;
}

/** The lines of a recording as it was written: a JSON document each. */
export function readLines(text: string): Line[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line);
}
