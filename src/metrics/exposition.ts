import { collectDefaultMetrics, type Metric, Registry } from 'prom-client';
import { upperBound } from '../base/histogram.ts';
import { own } from '../base/own.ts';
import type { FleetView } from '../model/api.ts';
import { type Connections, PROTOCOLS } from '../model/connections.ts';
import type { EndpointNumbers } from '../model/health.ts';
import type { State } from '../model/state.ts';
import { endpointFamilies } from './endpoints.ts';
import { type Family, family, type Sample } from './family.ts';
import { fleetFamilies } from './fleet.ts';
import { type OverloadSources, overloadFamilies } from './overload.ts';
import { type RolloutSources, rolloutFamilies } from './rollouts.ts';
import type { Totals, VersionTotals } from './totals.ts';

/** Whence the numbers come. Every one is asked at scrape time, so nothing is spent between scrapes. */
export interface ExpositionSources {
  readonly totals: Totals;
  state(): State;
  /** Workers alive. */
  workers(): number;
  /** Counts by status code, since the start, of requests that belonged to no service. */
  unrouted(): Readonly<Record<string, number>>;
  /** TLS handshakes since the start, by how they ended. */
  handshakes(): Readonly<Record<string, number>>;
  /** Connections of clients that are open. */
  connections(): Connections;
  /** Certificates shown to clients; `notAfter` in seconds since 1970. */
  certificates(): readonly { readonly file: string; readonly notAfter: number }[];
  endpoints(): Iterable<EndpointNumbers>;
  readonly overload: OverloadSources;
  /** Left out: there is no fleet. */
  readonly fleet?: () => FleetView;
  /** Left out: there is no controller here. */
  readonly rollouts?: RolloutSources;
  /** Spillway's own version. */
  readonly version: string;
}

/** The metrics of this process in Prometheus's text format. */
export interface Exposition {
  readonly contentType: string;
  render(): Promise<string>;
}

export function createExposition(sources: ExpositionSources): Exposition {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  for (const name of MISNAMED) registry.removeSingleMetric(name);
  // prom-client types only its own four classes; what it asks of a metric is name, help, type and get().
  const all = [
    ...families(sources),
    ...endpointFamilies(sources.endpoints),
    ...overloadFamilies(sources.overload),
    ...(sources.fleet ? fleetFamilies(sources.fleet) : []),
    ...(sources.rollouts ? rolloutFamilies(sources.rollouts) : []),
  ];
  for (const family of all) registry.registerMetric(family as unknown as Metric);
  return { contentType: registry.contentType, render: () => registry.metrics() };
}

/** Gauges of prom-client's that are named like counters, which `promtool check metrics` objects to. */
const MISNAMED = [
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
];

/** Upper bounds of the histograms' buckets, in seconds. */
export const BOUNDS = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
] as const;

/** The same for streams, which last longer. */
const STREAM_BOUNDS = [1, 5, 15, 60, 300, 900] as const;

/**
 * How many of these durations (counts by fine bucket) are below each of `BOUNDS`, and, last, how many there
 * are. A fine bucket that straddles a bound counts above it: no duration is said to be shorter than it was,
 * and what is said of a bound is exact for a bound at most 1/32 lower.
 */
export function cumulate(counts: ArrayLike<number>, bounds: readonly number[] = BOUNDS): number[] {
  let bucket = 0;
  let total = 0;
  const cumulated: number[] = bounds.map((bound) => {
    for (; bucket < counts.length && upperBound(bucket) <= bound * 1000; bucket++) total += counts[bucket]!;
    return total;
  });
  for (; bucket < counts.length; bucket++) total += counts[bucket]!;
  cumulated.push(total);
  return cumulated;
}

function families({
  totals,
  state,
  workers,
  unrouted,
  handshakes,
  connections,
  certificates,
  version,
}: ExpositionSources): Family[] {
  /** A family with samples of every version of which something was counted. */
  const perVersion = (
    type: Family['type'],
    name: string,
    help: string,
    samples: (of: VersionTotals, labels: VersionLabels) => Iterable<Sample>,
  ) =>
    family(type, name, help, function* () {
      for (const of of totals.all()) yield* samples(of, { service: of.service, version: of.version });
    });
  /** The same with one number of each. */
  const figure = (
    type: 'counter' | 'gauge',
    name: string,
    help: string,
    value: (of: VersionTotals) => number,
  ) => perVersion(type, name, help, (of, labels) => [{ value: value(of), labels }]);
  /** The same with durations of each. */
  const durations = (
    name: string,
    help: string,
    of: (of: VersionTotals) => readonly [counts: ArrayLike<number>, sum: number],
    bounds: readonly number[] = BOUNDS,
  ) => perVersion('histogram', name, help, (each, labels) => histogram(name, ...of(each), labels, bounds));

  return [
    perVersion(
      'counter',
      'spillway_requests_total',
      'Requests by version and status code; 499 is a client that left.',
      function* ({ codes }, labels) {
        for (const [code, value] of codes) yield { value, labels: { ...labels, code } };
      },
    ),
    figure(
      'counter',
      'spillway_errors_total',
      'Requests that count against the version: 5xx, faults of its endpoints, failed gRPC calls, rescued or not.',
      (of) => of.sums.errors,
    ),
    perVersion(
      'counter',
      'spillway_faults_total',
      'What went wrong, by version and kind.',
      function* ({ faults }, labels) {
        for (const [kind, value] of faults) yield { value, labels: { ...labels, kind } };
      },
    ),
    figure(
      'counter',
      'spillway_retries_total',
      'Attempts after the first, by the version they were made at.',
      (of) => of.sums.retries,
    ),
    figure(
      'counter',
      'spillway_retries_refused_total',
      'Retries that were not made since their budget was spent, by version.',
      (of) => of.sums.retriesRefused,
    ),
    figure(
      'counter',
      'spillway_rescues_total',
      'Requests that this version failed and another answered or was asked to.',
      (of) => of.sums.rescues,
    ),
    figure(
      'counter',
      'spillway_rescues_refused_total',
      'Requests that this version failed and no other was asked to answer since the budget was spent.',
      (of) => of.sums.rescuesRefused,
    ),
    durations(
      'spillway_upstream_latency_seconds',
      'From the last byte of the request sent to the head of the response.',
      (of) => [of.latency, of.sums.latencySum],
    ),
    durations(
      'spillway_request_duration_seconds',
      'From the first byte of the request to the end of the exchange.',
      (of) => [of.duration, of.sums.durationSum],
    ),
    figure('gauge', 'spillway_in_flight_requests', 'Requests at this moment.', (of) =>
      of.present('inFlight'),
    ),
    figure(
      'gauge',
      'spillway_pending_requests',
      'Requests that wait for a connection, or for one to be connected, at this moment.',
      (of) => of.present('pending'),
    ),
    figure(
      'gauge',
      'spillway_open_streams',
      'Tunnels, such as WebSockets, and event streams at this moment.',
      (of) => of.present('streams'),
    ),
    durations(
      'spillway_stream_duration_seconds',
      'How long tunnels and event streams lasted that have ended.',
      (of) => [of.streamDuration, of.sums.streamDurationSum],
      STREAM_BOUNDS,
    ),
    figure(
      'counter',
      'spillway_received_bytes_total',
      'Body bytes received from clients.',
      (of) => of.sums.bytesIn,
    ),
    figure('counter', 'spillway_sent_bytes_total', 'Body bytes sent to clients.', (of) => of.sums.bytesOut),
    family('gauge', 'spillway_version_weight', 'Percentage of the traffic that a version shall get.', () =>
      weightSamples(state()),
    ),
    family(
      'counter',
      'spillway_unrouted_requests_total',
      'Requests that belonged to no service.',
      function* () {
        for (const [code, value] of Object.entries(unrouted())) yield { value, labels: { code } };
      },
    ),
    family(
      'gauge',
      'spillway_open_connections',
      'Connections of clients at this moment, by the address they came to and what is spoken: http/1.1, h2, or opening while a PROXY header or a handshake is waited for.',
      function* () {
        for (const [listener, spoken] of Object.entries(connections()))
          for (const protocol of PROTOCOLS) yield { value: spoken[protocol], labels: { listener, protocol } };
      },
    ),
    family(
      'counter',
      'spillway_handshakes_total',
      'TLS handshakes with clients by result, and PROXY headers that were none.',
      function* () {
        for (const [result, value] of Object.entries(handshakes())) yield { value, labels: { result } };
      },
    ),
    family(
      'gauge',
      'spillway_tls_certificate_not_after_seconds',
      'When a certificate shown to clients ends, in seconds since 1970.',
      function* () {
        for (const { file, notAfter } of certificates()) yield { value: notAfter, labels: { file } };
      },
    ),
    family('gauge', 'spillway_state_revision', 'Newest revision of the truth.', () => [
      { value: state().revision },
    ]),
    family('gauge', 'spillway_workers', 'Workers alive.', () => [{ value: workers() }]),
    family('gauge', 'spillway_build_info', 'Always 1; the version of Spillway is in the label.', () => [
      { value: 1, labels: { version } },
    ]),
  ];
}

interface VersionLabels extends Record<string, string> {
  readonly service: string;
  readonly version: string;
}

/** `sum` is in milliseconds. */
function* histogram(
  name: string,
  counts: ArrayLike<number>,
  sum: number,
  labels: VersionLabels,
  bounds: readonly number[],
): Generator<Sample> {
  const cumulated = cumulate(counts, bounds);
  for (const [index, value] of cumulated.entries())
    yield { metricName: `${name}_bucket`, value, labels: { ...labels, le: bounds[index] ?? '+Inf' } };
  yield { metricName: `${name}_sum`, value: sum / 1000, labels };
  yield { metricName: `${name}_count`, value: cumulated.at(-1)!, labels };
}

function* weightSamples({ services }: State): Generator<Sample> {
  for (const [service, { versions, split }] of Object.entries(services)) {
    for (const version of Object.keys(versions))
      yield { value: own(split.weights, version) ?? 0, labels: { service, version } };
  }
}
