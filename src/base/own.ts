/**
 * What a record holds under a key of its own. Names come from outside, and `constructor` or `toString` are
 * names like any other: plain indexing would find what every object inherits.
 */
export function own<T>(record: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(record, key) ? record[key] : undefined;
}
