/** What a JSON pointer (RFC 6901) points at in a document; undefined if nothing is there. */
export function pointedAt(document: unknown, pointer: string): unknown {
  let place = document;
  for (const token of pointer.split('/').slice(1)) {
    if (typeof place !== 'object' || place === null) return undefined;
    const key = token.replaceAll('~1', '/').replaceAll('~0', '~');
    // Of an array, `length` is its own, and 01 would be found as 1 by nobody but us.
    if (Array.isArray(place) ? !/^(0|[1-9]\d*)$/.test(key) : !Object.hasOwn(place, key)) return undefined;
    place = (place as Record<string, unknown>)[key];
  }
  return place;
}
