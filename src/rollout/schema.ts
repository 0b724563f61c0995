import { own } from '../base/own.ts';
import type { Service } from '../model/state.ts';

/**
 * Which database schemas a version can live with: the guard of expand and contract. A schema is `12`, `12.3` or
 * `12.3.1`, as numbers, missing parts being 0; a range is comparisons that must all hold, as in `>=12 <15`.
 */

/** Whether a schema is in a range. Nothing is in a range that is none. */
export function inRange(schema: string, range: string): boolean {
  return comparisons(range)?.every(({ sign, bound }) => HOLDS[sign](order(schema, bound))) ?? false;
}

/** Which of the versions needed cannot live with a schema, and the cure; undefined if all can. */
export function schemaConflict(
  schema: string,
  versions: Readonly<Record<string, { readonly requires?: { readonly schema: string } }>>,
  needed: Iterable<string>,
): string | undefined {
  for (const name of new Set(needed)) {
    const range = versions[name]?.requires?.schema;
    if (range !== undefined && !inRange(schema, range))
      return `version "${name}" requires schema ${range}, which ${schema} is not; take its weight away and delete it, so that nothing can be rolled back to it`;
  }
  return undefined;
}

/** Versions that serve, those named besides, and those that can be rolled back to. */
export function neededVersions({ split, wholes }: Service, ...more: readonly string[]): readonly string[] {
  const serving = Object.keys(split.weights).filter((version) => split.weights[version]! > 0);
  return [...serving, ...more, ...wholes];
}

/** Why a version cannot be sent traffic by the schema that holds, with the cure; undefined if it can. */
export function schemaLack({ versions, schema }: Service, name: string): string | undefined {
  const range = own(versions, name)?.requires?.schema;
  if (range === undefined) return undefined;
  if (schema === undefined)
    return `version "${name}" requires schema ${range}, and nobody has said which one holds; say it under "schema" in the config file, or PUT it to the API`;
  return inRange(schema.version, range)
    ? undefined
    : `version "${name}" requires schema ${range}, and ${schema.version} holds; migrate the database first, and say so`;
}

const HOLDS = {
  '>=': (order: number) => order >= 0,
  '<=': (order: number) => order <= 0,
  '>': (order: number) => order > 0,
  '<': (order: number) => order < 0,
  '=': (order: number) => order === 0,
} as const;

interface Comparison {
  readonly sign: keyof typeof HOLDS;
  readonly bound: string;
}

function comparisons(range: string): readonly Comparison[] | undefined {
  const parts = range.trim().split(/\s+/);
  const read = parts.map((part) => /^(>=|<=|>|<|=)?(\d{1,9}(?:\.\d{1,9}){0,2})$/.exec(part));
  return read.every((match) => match !== null)
    ? read.map((match) => ({ sign: (match[1] ?? '=') as keyof typeof HOLDS, bound: match[2]! }))
    : undefined;
}

/** Below 0, 0 or above, as the first is older, the same or newer. */
function order(a: string, b: string): number {
  const [as, bs] = [a.split('.').map(Number), b.split('.').map(Number)];
  for (let i = 0; i < 3; i++) {
    const difference = (as[i] ?? 0) - (bs[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
