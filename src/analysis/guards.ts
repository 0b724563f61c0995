import type { Pair, Tick } from './evidence.ts';
import type { Policy } from './policy.ts';

/**
 * What keeps a judge from blaming a canary for the weather: the failures of both versions over the last
 * minute, and stable's own rate in this step outside incidents.
 */
export interface Guards {
  readonly rows: readonly Row[];
  readonly reference: { readonly failures: number; readonly trials: number };
}

/** One tick's failures and trials. */
export interface Row {
  readonly t: number;
  readonly canary: readonly [failures: number, trials: number];
  readonly stable: readonly [failures: number, trials: number];
}

/** Seconds over which blame is decided. */
const BLAME_SECONDS = 60;

export const NO_GUARDS: Guards = { rows: [], reference: { failures: 0, trials: 0 } };

/** A tick as the guards count it: units in request mode, plain requests in sticky mode. */
export function guardRow(tick: Tick, mode: Policy['mode']): Row {
  const { t } = tick;
  if (mode === 'request') return { t, canary: tick.trials ?? [0, 0], stable: tick.stableTrials ?? [0, 0] };
  const none: Pair = [0, 0];
  const [bad, badAll] = tick.requestErrors ?? none;
  const [requests, requestsAll] = tick.requests ?? none;
  return { t, canary: [bad, requests], stable: [badAll - bad, requestsAll - requests] };
}

/** Takes the tick in and forgets what no window reaches. */
export function watch(guards: Guards, row: Row, policy: Policy): Guards {
  const reach = Math.max(
    BLAME_SECONDS,
    policy.incident.seconds,
    ...policy.environment.windows.map(([seconds]) => seconds),
  );
  return { ...guards, rows: [...guards.rows.filter(({ t }) => t > row.t - reach), row] };
}

/** Counts the tick into stable's own rate. */
export function refer(guards: Guards, row: Row): Guards {
  const { failures, trials } = guards.reference;
  return {
    ...guards,
    reference: { failures: failures + row.stable[0], trials: trials + row.stable[1] },
  };
}

function over(
  guards: Guards,
  t: number,
  seconds: number,
  arm: 'canary' | 'stable',
): readonly [failures: number, trials: number] {
  let [failures, trials] = [0, 0];
  for (const row of guards.rows) {
    if (row.t <= t - seconds) continue;
    failures += row[arm][0];
    trials += row[arm][1];
  }
  return [failures, trials];
}

/** Stable itself is failing. */
export function environmentFails(guards: Guards, t: number, policy: Policy): boolean {
  return policy.environment.windows.some(([seconds, ceilings]) => {
    const [failures, trials] = over(guards, t, seconds, 'stable');
    return trials >= policy.environment.minTrials && failures / trials > ceilings * policy.errorCeiling;
  });
}

/** Stable fails far more than usual: what fails now tells little about ordinary errors. */
export function incident(guards: Guards, t: number, policy: Policy): boolean {
  const { seconds, factor, minFailures, minReference } = policy.incident;
  const { failures: usual, trials: reference } = guards.reference;
  if (reference < minReference) return false;
  const [failures, trials] = over(guards, t, seconds, 'stable');
  // One failure is the least a rate can be told from; none at all would make any failure an incident.
  return failures >= minFailures && failures / trials > (factor * Math.max(1, usual)) / reference;
}

/** Whether the canary fails enough more than stable, over the last minute, to be blamed for its rate. */
export function blames(guards: Guards, t: number, policy: Policy): boolean {
  const [failures, trials] = over(guards, t, BLAME_SECONDS, 'stable');
  if (trials === 0) return true;
  const [bad, n] = over(guards, t, BLAME_SECONDS, 'canary');
  return n > 0 && bad / n >= (policy.blameRatio * failures) / trials;
}
