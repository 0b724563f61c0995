import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Split } from '../../src/model/state.ts';
import type { Weights } from '../../src/model/weights.ts';
import { type CompiledSplit, compileSplit } from '../../src/routing/split.ts';

interface Vectors {
  readonly splits: readonly {
    readonly salt: string;
    readonly weights: Weights;
    readonly keys: readonly {
      readonly key: string;
      readonly u: Readonly<Record<string, number>>;
      readonly version: string;
    }[];
  }[];
}

const vectors = JSON.parse(readFileSync('test/vectors/split.json', 'utf8')) as Vectors;

function splitOf(weights: Weights, salt: string): Split {
  return { weights, salt, hashVersion: 1, cause: 'weights', since: '2024-01-01T00:00:00Z' };
}

/** Choosing by name and by string, as the tests think of it. */
function chooser(weights: Weights, salt: string): (key: string) => string {
  const versions = Object.keys(weights);
  const split = compileSplit(splitOf(weights, salt), versions);
  return (key) => versions[chosen(split, key)]!;
}

function chosen(split: CompiledSplit, key: string): number {
  const bytes = Buffer.from(key);
  return split.choose(bytes, 0, bytes.length);
}

/** The definition once more, written without a look at the code under test: BigInt and strings. */
function drawn(text: string, seed: bigint): bigint {
  const word = (n: bigint) => n & 0xffffffffn;
  const turned = (n: bigint, by: bigint) => word(n << by) | (n >> (32n - by));
  const scrambled = (k: bigint) => word(turned(word(k * 0xcc9e2d51n), 15n) * 0x1b873593n);
  const hex = Buffer.from(text).toString('hex');
  const littleEndian = (part: string) => BigInt(`0x0${(part.match(/../g) ?? []).reverse().join('')}`);
  let h = seed;
  for (const part of hex.match(/.{1,8}/g) ?? []) {
    h ^= scrambled(littleEndian(part));
    if (part.length === 8) h = word(turned(h, 13n) * 5n + 0xe6546b64n);
  }
  h ^= BigInt(hex.length / 2);
  h = word((h ^ (h >> 16n)) * 0x85ebca6bn);
  h = word((h ^ (h >> 13n)) * 0xc2b2ae35n);
  return h ^ (h >> 16n);
}

function referenceDraw(key: string, salt: string, version: string): number {
  return (Number(drawn(key, drawn(`${salt}/${version}`, 0n))) + 0.5) / 2 ** 32;
}

function referenceChoice(key: string, salt: string, weights: Weights): string {
  const scores = Object.entries(weights)
    .filter(([, weight]) => weight > 0)
    .map(([version, weight]) => ({
      version,
      score: -weight / Math.log(referenceDraw(key, salt, version)),
    }));
  return scores.reduce((best, next) => (next.score > best.score ? next : best)).version;
}

/** Whole numbers that add up to `total`, one for each of 2 to 6 versions; some may be 0. */
function parts(total: number): fc.Arbitrary<number[]> {
  return fc.array(fc.nat(total), { minLength: 1, maxLength: 5 }).map((cuts) => {
    const edges = [0, ...cuts.sort((a, b) => a - b), total];
    return edges.slice(1).map((edge, i) => edge - edges[i]!);
  });
}

/** A million units, the finest step of a weight, as percentages of versions v0, v1, … */
const UNITS = 1_000_000;
function percentages(units: readonly number[]): Weights {
  return Object.fromEntries(units.map((each, i) => [`v${i}`, each / 10_000]));
}

const salts = fc.string({ maxLength: 12 });
const KEYS = Array.from({ length: 400 }, (_, i) => `user-${i}`);

function uuid(i: number): string {
  const hex = createHash('sha256').update(String(i)).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

const LETTERS = Array.from('abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789');
const POPULATIONS: Readonly<Record<string, readonly string[]>> = {
  'sequential ids': Array.from({ length: 5000 }, (_, i) => String(100_000 + i)),
  UUIDs: Array.from({ length: 5000 }, (_, i) => uuid(i)),
  'e-mail addresses': Array.from({ length: 5000 }, (_, i) => `anna.${i % 700}+${i}@mail${i % 7}.example.com`),
  'strings of two letters': LETTERS.flatMap((a) => LETTERS.map((b) => a + b)),
};

test('the published vectors hold, for the code and for the reference', () => {
  for (const { salt, weights, keys } of vectors.splits) {
    const choose = chooser(weights, salt);
    for (const { key, u, version } of keys) {
      assert.equal(choose(key), version, `${salt}: ${key}`);
      assert.equal(referenceChoice(key, salt, weights), version);
      for (const [name, draw] of Object.entries(u)) assert.equal(referenceDraw(key, salt, name), draw);
    }
  }
});

test('the published vectors cover empty, long and non-ASCII keys, and every version with a weight', () => {
  for (const { weights, keys } of vectors.splits) {
    const texts = keys.map((each) => each.key);
    assert.ok(texts.includes(''));
    assert.ok(texts.some((text) => text.length >= 1000));
    assert.ok(texts.some((text) => Buffer.byteLength(text) > text.length));
    for (const { version } of keys) assert.ok(weights[version]! > 0);
  }
});

test('any split of any keys agrees with the reference', () => {
  fc.assert(
    fc.property(
      parts(UNITS),
      salts,
      fc.array(fc.string({ unit: 'binary', maxLength: 40 }), { maxLength: 20 }),
      (units, salt, keys) => {
        const weights = percentages(units);
        const choose = chooser(weights, salt);
        for (const key of keys) assert.equal(choose(key), referenceChoice(key, salt, weights));
      },
    ),
  );
});

test('a key is the stretch of the buffer and nothing around it', () => {
  const split = compileSplit(splitOf({ a: 50, b: 50 }, 's'), ['a', 'b']);
  for (const key of KEYS) {
    const padded = Buffer.from(`xyz${key}xyz`);
    assert.equal(split.choose(padded, 3, padded.length - 3), chosen(split, key));
  }
});

for (const [name, keys] of Object.entries(POPULATIONS)) {
  test(`every version gets its share of ${name}, within what chance allows`, () => {
    fc.assert(
      fc.property(parts(UNITS), salts, (units, salt) => {
        const weights = percentages(units);
        const choose = chooser(weights, salt);
        const counts = new Map<string, number>();
        for (const key of keys) counts.set(choose(key), (counts.get(choose(key)) ?? 0) + 1);
        for (const [version, weight] of Object.entries(weights)) {
          const share = weight / 100;
          // Six standard deviations; a handful more because rare events are not normal.
          const allowed = 6 * Math.sqrt(keys.length * share * (1 - share)) + 6;
          const count = counts.get(version) ?? 0;
          assert.ok(
            Math.abs(count - keys.length * share) <= allowed,
            `${version} has ${count} of ${keys.length} at ${weight} %`,
          );
        }
      }),
      { numRuns: 25 },
    );
  });
}

test("Raising a version's weight takes nobody off it", () => {
  const step = fc.record({
    raised: fc.nat(5),
    kept: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 6, maxLength: 6 }),
  });
  fc.assert(
    fc.property(parts(UNITS), salts, fc.array(step, { maxLength: 6 }), (start, salt, path) => {
      let units = start;
      for (const { raised, kept } of path) {
        const winner = raised % units.length;
        const others = units.map((each, i) => (i === winner ? 0 : Math.floor(each * kept[i]!)));
        const next = others.map((each, i) =>
          i === winner ? UNITS - others.reduce((sum, other) => sum + other) : each,
        );
        const before = chooser(percentages(units), salt);
        const after = chooser(percentages(next), salt);
        for (const key of KEYS) if (before(key) === `v${winner}`) assert.equal(after(key), `v${winner}`);
        units = next;
      }
    }),
    { numRuns: 50 },
  );
});

test('when one weight changes and the others keep their proportions, keys move only onto or off that one', () => {
  // Parts of a thousand times up to a thousand: the proportions are exact at every step.
  const scale = fc.integer({ min: 0, max: 1000 });
  fc.assert(
    fc.property(parts(1000), salts, fc.nat(5), scale, scale, (others, salt, where, one, two) => {
      const versions = others.map((_, i) => `v${i}`);
      versions.splice(where % versions.length, 0, 'changed');
      const at = (factor: number) => {
        const weights = Object.fromEntries(others.map((part, i) => [`v${i}`, (part * factor) / 10_000]));
        const all: Weights = { ...weights, changed: (UNITS - 1000 * factor) / 10_000 };
        const split = compileSplit(splitOf(all, salt), versions);
        return (key: string) => versions[chosen(split, key)]!;
      };
      const less = at(Math.max(one, two));
      const more = at(Math.min(one, two));
      for (const key of KEYS) if (less(key) !== more(key)) assert.equal(more(key), 'changed');
    }),
    { numRuns: 60 },
  );
});

test('adding a version moves only the keys it gets; removing it brings exactly those back', () => {
  fc.assert(
    fc.property(parts(1000), salts, fc.integer({ min: 1, max: 999 }), (others, salt, factor) => {
      const before = chooser(percentages(others.map((part) => part * 1000)), salt);
      const after = chooser(
        {
          ...percentages(others.map((part) => part * factor)),
          added: (UNITS - 1000 * factor) / 10_000,
        },
        salt,
      );
      for (const key of KEYS) if (after(key) !== 'added') assert.equal(after(key), before(key));
    }),
    { numRuns: 60 },
  );
});

test('a version of weight 0 wins nothing, and its presence moves nobody', () => {
  const without = chooser({ a: 30, b: 70 }, 's');
  const beside = chooser({ zero: 0, a: 30, nothing: 0, b: 70 }, 's');
  for (const key of KEYS) assert.equal(beside(key), without(key));
});

test('another salt deals the keys anew, independently of the first', () => {
  const keys = POPULATIONS['sequential ids']!;
  for (const share of [0.5, 0.2]) {
    const weights = { stable: 100 - share * 100, canary: share * 100 };
    const first = chooser(weights, 'release-1');
    const second = chooser(weights, 'release-2');
    const both = keys.filter((key) => first(key) === 'canary' && second(key) === 'canary').length;
    const expected = keys.length * share * share;
    assert.ok(
      Math.abs(both - expected) < 6 * Math.sqrt(expected),
      `${both} are on the canary twice, not ${expected}`,
    );
  }
});

test('a version that holds everything is told as whole, and gets every key', () => {
  const split = compileSplit(splitOf({ b: 100 }, 's'), ['a', 'b', 'c']);
  assert.equal(split.whole, 1);
  for (const key of KEYS) assert.equal(chosen(split, key), 1);
  assert.equal(compileSplit(splitOf({ a: 99.9999, b: 0.0001 }, 's'), ['a', 'b']).whole, -1);
});

test('a version that is named like a property of every object has no weight by accident', () => {
  assert.equal(compileSplit(splitOf({ a: 100 }, 's'), ['constructor', 'a']).whole, 1);
});

test('Weights that do not add up are refused, never corrected', () => {
  assert.throws(() => compileSplit(splitOf({ a: 50, b: 49 }, 's'), ['a', 'b']), /add up to 99, not to 100/);
  assert.throws(() => compileSplit(splitOf({ a: 50, x: 50 }, 's'), ['a', 'b']), /no version "x"/);
});
