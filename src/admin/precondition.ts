import { etagOf } from './etag.ts';
import { Problem } from './problem.ts';

/**
 * The revision that an If-Match header makes a condition; undefined if it sets none, as `*` does not: there
 * is always a truth. Of several tags the newest revision counts if it is among them. Throws a 400 for tags
 * this API never gave out.
 */
export function ifMatch(header: string | undefined, newest: number): number | undefined {
  if (header === undefined || header.trim() === '*') return undefined;
  const revisions = header.split(',').map((tag) => /^"(\d{1,15})"$/.exec(tag.trim())?.[1]);
  if (revisions.includes(undefined))
    throw new Problem(
      400,
      `If-Match must be an ETag as this API gives them out, such as ${etagOf(newest)}, or *.`,
    );
  const numbers = revisions.map(Number);
  return numbers.includes(newest) ? newest : Math.max(...numbers);
}

/** Whether an If-None-Match header says that the client already has this revision. */
export function hasAlready(header: string | undefined, revision: number): boolean {
  if (header === undefined) return false;
  const tags = header.split(',').map((tag) => tag.trim().replace(/^W\//, ''));
  return tags.includes('*') || tags.includes(etagOf(revision));
}
