import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Asked, linearizable, type Operation, register, type Said } from './linear.ts';

type Happened = Operation<Asked, Said>;

const NEVER = Number.POSITIVE_INFINITY;
const read = (value: number, invoked: number, returned: number): Happened => ({
  input: { read: true },
  output: value,
  invoked,
  returned,
});
const replace = (
  from: number,
  to: number,
  output: boolean | undefined,
  invoked: number,
  returned: number,
): Happened => ({
  input: { from, to },
  output,
  invoked,
  returned,
});

test('operations side by side may have come in any order', () => {
  assert.ok(linearizable([replace(0, 1, true, 0, 10), read(0, 1, 9), read(1, 2, 8)], register(0)));
  assert.ok(
    linearizable([replace(0, 1, true, 0, 10), replace(0, 2, false, 0, 10), read(1, 11, 12)], register(0)),
  );
});

test('a value that was replaced is not read any more', () => {
  assert.ok(!linearizable([replace(0, 1, true, 0, 1), read(0, 2, 3)], register(0)));
  assert.ok(!linearizable([replace(0, 1, true, 0, 10), read(1, 1, 2), read(0, 3, 4)], register(0)));
});

test('of two who replace the same value one is refused', () => {
  assert.ok(!linearizable([replace(0, 1, true, 0, 10), replace(0, 2, true, 0, 10)], register(0)));
});

test('what nothing was heard of may have happened late, or never', () => {
  const unheard = replace(0, 1, undefined, 0, NEVER);
  assert.ok(linearizable([unheard, read(0, 5, 6), read(1, 7, 8)], register(0)));
  assert.ok(linearizable([unheard, read(0, 5, 6), replace(0, 2, true, 7, 8), read(2, 9, 10)], register(0)));
  assert.ok(!linearizable([unheard, read(1, 5, 6), read(0, 7, 8)], register(0)));
});

/** Operations done one after another at moments 10, 20, …, each seen by its caller from a little before to a little after. */
const histories = fc
  .array(
    fc.record({
      read: fc.boolean(),
      guess: fc.nat(3),
      to: fc.nat(3),
      before: fc.nat(40),
      after: fc.nat(40),
      lost: fc.nat(9),
    }),
    { minLength: 1, maxLength: 14 },
  )
  .map((steps) => {
    let value = 0;
    return steps.map((step, i): Happened => {
      const invoked = 10 * i - step.before;
      const returned = 10 * i + step.after;
      if (step.read) return read(value, invoked, returned);
      const replaced = step.guess === value;
      if (replaced) value = step.to;
      return step.lost === 0
        ? replace(step.guess, step.to, undefined, invoked, NEVER)
        : replace(step.guess, step.to, replaced, invoked, returned);
    });
  });

test('whatever was done one after another is linearizable, however late its callers heard of it', () => {
  fc.assert(fc.property(histories, (history) => linearizable(history, register(0))));
});

test('a last read of a value that never was is found out', () => {
  fc.assert(
    fc.property(histories, (history) => !linearizable([...history, read(99, 1000, 1001)], register(0))),
  );
});

test('the search agrees with trying every order', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.record({
          read: fc.boolean(),
          from: fc.nat(2),
          to: fc.nat(2),
          said: fc.boolean(),
          at: fc.nat(20),
          takes: fc.nat(20),
        }),
        { maxLength: 5 },
      ),
      (steps) => {
        const history = steps.map(({ read: reads, from, to, said, at, takes }) =>
          reads ? read(from, at, at + takes) : replace(from, to, said, at, at + takes),
        );
        assert.equal(linearizable(history, register(0)), anyOrder(history, 0));
      },
    ),
    { numRuns: 2000 },
  );
});

/** By definition: somebody whom nobody else ended before may be first. */
function anyOrder(history: readonly Happened[], state: number): boolean {
  if (history.length === 0) return true;
  return history.some((first, i) => {
    const rest = history.filter((_, j) => j !== i);
    if (rest.some(({ returned }) => returned < first.invoked)) return false;
    const next = register(0).step(state, first.input, first.output);
    return next !== undefined && anyOrder(rest, next);
  });
}
