/** A body an origin serves. */
export interface Served {
  readonly type: string;
  readonly body: Buffer;
}

/** What an origin of this version serves, by path; every other path gets the object at `/`. */
export function objects(version: string): ReadonlyMap<string, Served> {
  const small = Buffer.from(JSON.stringify({ version, pad: 'x'.repeat(64) }));
  return new Map([
    ['/', { type: 'application/json', body: small }],
    ['/objects/10k', { type: 'application/octet-stream', body: patterned(10 * 1024) }],
    ['/objects/1m', { type: 'application/octet-stream', body: patterned(1024 * 1024) }],
  ]);
}

/** Bytes that show when some are lost, doubled or moved: every fourth power of two starts another count. */
export function patterned(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i < length; i++) bytes[i] = (i ^ (i >>> 8) ^ (i >>> 16)) & 255;
  return bytes;
}
