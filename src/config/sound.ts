import type { Config } from '../model/settings.ts';
import { formatPath, type Path } from './fault.ts';
import { schemaFindings } from './schema.ts';

/**
 * What is left of a document when everything is taken out whose shape is at fault, and what cannot be without
 * it, so that the rules can look at the rest and one run tells of as many faults as there are.
 */
export function soundPart(document: unknown): Partial<Config> {
  if (!isHolder(document) || Array.isArray(document)) return {};
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

/**
 * Removes what is at a path; what holds it, if it is not there, which is the fault; and the whole list, if it is
 * an item: without one item the positions of the others would tell of other lines.
 */
function takeOut(document: unknown, path: Path): void {
  const key = path.at(-1);
  const around = path.slice(0, -1);
  const holder = around.reduce<unknown>(
    (within, step) => (isHolder(within) ? within[step] : undefined),
    document,
  );
  // Nothing is to be done when all of it went with another fault.
  if (key === undefined || !isHolder(holder)) return;
  if (!Array.isArray(holder) && Object.hasOwn(holder, key)) delete holder[key];
  else takeOut(document, around);
}

function isHolder(value: unknown): value is Record<string | number, unknown> {
  return typeof value === 'object' && value !== null;
}
