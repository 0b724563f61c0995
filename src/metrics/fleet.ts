import type { FleetView } from '../model/api.ts';
import { type Family, family } from './family.ts';

/** What one replica knows of the fleet, as numbers. */
export function fleetFamilies(fleet: () => FleetView): Family[] {
  return [
    family('gauge', 'spillway_store_up', '1 if the store is reached.', () => [
      { value: fleet().store.up ? 1 : 0 },
    ]),
    family('gauge', 'spillway_store_lag_seconds', 'What the store took to answer, last.', () => [
      { value: (fleet().store.lag ?? 0) / 1000 },
    ]),
    family('gauge', 'spillway_fleet_leader', '1 if this replica moves rollouts.', () => {
      const { replica, leader } = fleet();
      return [{ value: leader === replica ? 1 : 0 }];
    }),
    family('gauge', 'spillway_fleet_replicas', 'Replicas that give signs of life.', () => [
      { value: fleet().replicas.filter(({ silent }) => !silent).length },
    ]),
    family('gauge', 'spillway_fleet_revisions_behind', 'Revisions that a replica is behind the newest.', () =>
      fleet().replicas.map(({ replica, behind: value }) => ({ value, labels: { replica } })),
    ),
  ];
}
