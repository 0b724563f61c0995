import type { Pressure } from '../model/overload.ts';
import { type Family, family } from './family.ts';

/** How workers bear what they have to, and what became of it. */
export interface OverloadSources {
  /** Of every worker that is alive. */
  pressures(): Iterable<{ readonly worker: number; readonly pressure: Pressure }>;
  /** Connections that were turned away since the start, by what there was too much of. */
  shed(): Readonly<Record<string, number>>;
}

export function overloadFamilies({ pressures, shed }: OverloadSources): Family[] {
  return [
    family(
      'gauge',
      'spillway_overload_pressure',
      'How much of what a worker bears it has to bear; from 1 on it takes no new connections.',
      function* () {
        for (const { worker, pressure } of pressures())
          for (const [resource, value] of Object.entries(pressure))
            yield { value, labels: { worker, resource } };
      },
    ),
    family(
      'counter',
      'spillway_connections_shed_total',
      'Connections that were turned away, by what there was too much of.',
      function* () {
        for (const [reason, value] of Object.entries(shed())) yield { value, labels: { reason } };
      },
    ),
  ];
}
