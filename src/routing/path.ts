/** A path as it is matched. What is forwarded is always the target as it was received. */
export interface NormalPath {
  /** Begins with a slash; no query, no dot segments, no empty segments but a last one. */
  readonly path: string;
  /** What other servers may take the same target for, where it holds something that they read differently. */
  readonly readings: readonly string[];
}

/**
 * What servers are known to take for a separator besides the slash: nginx and Go an encoded slash, those on
 * Windows backslashes, some both. A path may be harmless to a server that knows all of them and a trick on
 * one that knows few, so each reading counts.
 */
const SEPARATORS = [/%2F/g, /%5C|\\/g, /%2F|%5C|\\/g];
/** Tomcat drops path parameters before it resolves dot segments: `..;x` climbs. */
const PARAMETERS = /(?<=\/\.\.?);[^/]*/g;
/** That there is something of either kind. */
const DOUBTFUL = /%2F|%5C|\\|\/\.\.?;/;
const NO_READINGS: readonly string[] = [];

const PERCENT = 0x25;
const DOT = 0x2e;
const SLASH = 0x2f;
const QUERY = 0x3f;
const BACKSLASH = 0x5c;

/**
 * The path of a request target as RFC 3986 (6.2.2) normalises it: encoded unreserved characters are decoded,
 * the hex digits of all others are upper case, dot segments are resolved, and none climbs above the root.
 * Slashes in a row count as one, as in nginx. A character is decoded once: `%252e` stays what it is.
 *
 * The asterisk of `OPTIONS *` and an empty path are matched as the root. Undefined for what is no path: one
 * that does not begin with a slash, or has a broken percent sequence.
 */
export function normalisePath(target: string): NormalPath | undefined {
  let end = 0;
  let before = 0;
  let plain = true;
  for (; end < target.length; end++) {
    const code = target.charCodeAt(end);
    if (code === QUERY) break;
    if (code === PERCENT || code === BACKSLASH || (before === SLASH && (code === SLASH || code === DOT)))
      plain = false;
    before = code;
  }
  const path = end === target.length ? target : target.slice(0, end);
  if (path === '' || path === '*') return { path: '/', readings: NO_READINGS };
  if (path.charCodeAt(0) !== SLASH) return undefined;
  return plain ? { path, readings: NO_READINGS } : normalise(path);
}

/** A prefix of the configuration in the same form, without a slash at its end: the root is the empty string. */
export function normalisePrefix(prefix: string): string | undefined {
  // People write prefixes as they read them, clients send them encoded.
  const encoded = prefix.replace(/[^\x21-\x7e]+/g, (text) =>
    Buffer.from(text, 'utf8').toString('hex').replace(/../g, '%$&'),
  );
  if (!/^\/[^?#]*$/.test(encoded)) return undefined;
  return normalisePath(encoded)?.path.replace(/\/$/, '');
}

function normalise(path: string): NormalPath | undefined {
  if (/%(?![0-9a-f]{2})/i.test(path)) return undefined;
  const decoded = path.replace(/%(..)/g, (_, hex: string) => {
    const character = String.fromCharCode(Number.parseInt(hex, 16));
    return /[A-Za-z0-9._~-]/.test(character) ? character : `%${hex.toUpperCase()}`;
  });
  return { path: resolveDots(decoded), readings: DOUBTFUL.test(decoded) ? readingsOf(decoded) : NO_READINGS };
}

function readingsOf(path: string): readonly string[] {
  const separated = [path, ...SEPARATORS.map((separator) => path.replace(separator, '/'))];
  const texts = new Set(separated.flatMap((text) => [text, text.replace(PARAMETERS, '')]));
  return [...new Set(Array.from(texts, resolveDots))];
}

function resolveDots(path: string): string {
  if (!/\/(?:\/|\.\.?(?:\/|$))/.test(path)) return path;
  const segments = path.split('/');
  const last = segments.at(-1);
  const kept: string[] = [];
  for (const segment of segments) {
    if (segment === '..') kept.pop();
    else if (segment !== '' && segment !== '.') kept.push(segment);
  }
  const open = kept.length > 0 && (last === '' || last === '.' || last === '..');
  return `/${kept.join('/')}${open ? '/' : ''}`;
}
