import type { Config } from '../model/settings.ts';
import { formatPath, type Path } from './fault.ts';
import { schemaFindings } from './schema.ts';

/**
 * What is left of a document when everything is taken out whose shape is at fault, and what cannot be without
 * it, so that the rules can look at the rest and one run tells of as many faults as there are.
 */
export function soundPart(document: unknown): Partial<Config> {
  if (!isRecord(document)) return {};
  // Through JSON, since what YAML aliases share must not be taken out of both places.
  const rest: Record<string, unknown> = JSON.parse(JSON.stringify(document));
  for (;;) {
    const faulty = new Map(
      schemaFindings(rest)
        .filter(({ path }) => path.length > 1 || Object.hasOwn(rest, path[0]!))
        .map(({ path }) => [formatPath(path), path]),
    );
    if (faulty.size === 0) return rest;
    for (const path of faulty.values()) takeOut(rest, path);
  }
}

/** Removes what is at a path; if it is not there, which is the fault, what should hold it. */
function takeOut(document: Record<string, unknown>, path: Path): void {
  // A list goes as a whole: without one item the positions of the others would tell of other lines.
  const list = path.findIndex((step) => typeof step === 'number');
  const keys = list < 0 ? path : path.slice(0, list);
  let holder: unknown = document;
  for (const [depth, key] of keys.entries()) {
    if (!isRecord(holder)) return;
    const last = depth === keys.length - 1;
    if (last && Object.hasOwn(holder, key)) delete holder[key];
    else if (last) takeOut(document, keys.slice(0, -1));
    holder = holder[key];
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
