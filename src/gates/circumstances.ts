import type { Rollout } from '../model/rollout.ts';
import type { Service } from '../model/state.ts';

/** What a gate is asked about. */
export interface Circumstances {
  /** Id of the errand: the same however often it is run. */
  readonly errand: string;
  readonly rollout: Rollout;
  /** The service as it stands: its versions, and how it is split. */
  readonly service: Service;
}

/** What receivers are told of the circumstances, whatever the occasion. */
export function told({ errand, rollout, service }: Circumstances): object {
  return {
    id: errand,
    service: rollout.service,
    rollout: rollout.id,
    baseline: rollout.baseline,
    candidate: rollout.candidate,
    build: rollout.build,
    phase: rollout.phase,
    weights: service.split.weights,
  };
}
