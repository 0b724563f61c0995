/** One number of a metric. */
export interface Sample {
  readonly value: number;
  readonly labels?: Readonly<Record<string, string | number>>;
  /** Where it is not the family's. */
  readonly metricName?: string;
}

/** A metric, as prom-client asks for it. */
export interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  get(): Promise<Omit<Family, 'get'> & { readonly values: readonly Sample[] }>;
}

/** A metric whose samples are gathered when it is asked for. */
export function family(
  type: Family['type'],
  name: string,
  help: string,
  samples: () => Iterable<Sample>,
): Family {
  return { name, help, type, get: async () => ({ name, help, type, values: [...samples()] }) };
}
