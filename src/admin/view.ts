import { own } from '../base/own.ts';
import { type Insight, rollbackReady } from '../control/insight.ts';
import type { Standing } from '../metrics/rollouts.ts';
import type { Totals } from '../metrics/totals.ts';
import type { RolloutView, ServiceView, VersionSummary, VersionView } from '../model/api.ts';
import type { Rollout } from '../model/rollout.ts';
import type { Service, State } from '../model/state.ts';
import { isEnded } from '../rollout/move.ts';
import { shownRollout } from '../rollout/shown.ts';
import { status } from '../rollout/words.ts';
import type { Status } from './status.ts';

const NOTHING: VersionSummary = { requests: 0, errors: 0 };

/** A service as it may be shown: the truth without its secrets, and how its versions are doing. */
export function viewService(
  name: string,
  service: Service,
  totals: Totals,
  known: Pick<Status, 'standing'>,
): ServiceView {
  const { override, versions, ...shown } = service;
  return {
    name,
    ...shown,
    ...(override !== undefined && {
      override: { signed: override.secret !== undefined, addresses: override.addresses ?? [] },
    }),
    versions: Object.fromEntries(
      Object.entries(versions).map(([version, defined]): [string, VersionView] => {
        const counted = totals.of(name, version);
        return [
          version,
          {
            ...defined,
            weight: own(service.split.weights, version) ?? 0,
            inFlight: counted?.present('inFlight') ?? 0,
            standing: known.standing(name, version),
            totals: counted?.summary() ?? NOTHING,
          },
        ];
      }),
    ),
  };
}

/** A rollout as it may be shown, with what is known of it besides. `now`: ms since 1970. */
export function viewRollout(rollout: Rollout, state: State, insight: Insight, now: number): RolloutView {
  const verdict = insight.verdict(rollout.id);
  return {
    ...shownRollout(rollout),
    status: status(rollout, now, verdict, insight.gates(rollout.id)),
    ...(verdict && { verdict }),
    rollbackReady: rollbackReady(state, rollout, verdict),
  };
}

/** Where the rollouts under way stand, for the metrics. */
export function standingsOf(state: State, insight: Insight): Standing[] {
  return Object.values(state.rollouts ?? {})
    .filter(({ phase }) => !isEnded(phase))
    .map((rollout) => {
      const { id, service, phase } = rollout;
      const verdict = insight.verdict(id);
      return {
        service,
        phase: phase.at,
        step: phase.at === 'stepping' ? phase.step + 1 : 0,
        ...(verdict && { verdict }),
        rollbackReady: rollbackReady(state, rollout, verdict).ready,
      };
    });
}
