import type { EndpointNumbers } from '../model/health.ts';
import { type Family, family, type Sample } from './family.ts';

/** Metrics of endpoints. */
export function endpointFamilies(endpoints: () => Iterable<EndpointNumbers>): Family[] {
  const each = (
    type: Family['type'],
    name: string,
    help: string,
    samples: (of: EndpointNumbers, labels: Record<string, string>) => Iterable<Sample>,
  ) =>
    family(type, name, help, function* () {
      for (const of of singled(endpoints())) {
        const { service, version, endpoint } = of;
        yield* samples(of, { service, version, endpoint });
      }
    });
  return [
    each(
      'gauge',
      'spillway_endpoint_healthy',
      '0 while probes, or what requests met there, keep an endpoint from being used.',
      ({ healthy }, labels) => [{ value: healthy ? 1 : 0, labels }],
    ),
    each(
      'counter',
      'spillway_endpoint_ejections_total',
      'How often an endpoint was left alone for what requests met there.',
      ({ ejections: value }, labels) => [{ value, labels }],
    ),
    each('counter', 'spillway_endpoint_probes_total', 'Probes by result.', ({ probes }, labels) =>
      Object.entries(probes).map(([result, value]) => ({ value, labels: { ...labels, result } })),
    ),
  ];
}

/** Each address once: where several names of a version lead to it, it is one series, and well if it is for all. */
function singled(endpoints: Iterable<EndpointNumbers>): Iterable<EndpointNumbers> {
  const singles = new Map<string, EndpointNumbers>();
  for (const each of endpoints) {
    const { service, version, endpoint, healthy, ejections, probes } = each;
    const id = JSON.stringify([service, version, endpoint]);
    const other = singles.get(id);
    singles.set(
      id,
      other === undefined
        ? each
        : {
            ...each,
            healthy: healthy && other.healthy,
            ejections: ejections + other.ejections,
            probes: { sound: probes.sound + other.probes.sound, failed: probes.failed + other.probes.failed },
          },
    );
  }
  return singles.values();
}
