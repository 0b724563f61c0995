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
      for (const of of endpoints()) {
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
