import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Budget } from '../../src/proxy/budget.ts';

/** How many can be spent at this moment. */
function spendable(budget: Budget, now: number): number {
  let spent = 0;
  while (budget.spend(now)) spent++;
  return spent;
}

test('there is a share of the requests, and so many a second besides', () => {
  const budget = new Budget({ share: 0.2, minPerSecond: 1 });
  for (let i = 0; i < 100; i++) budget.count(0);
  assert.equal(spendable(budget, 0), 20 + 10);
});

test('what was spent comes back as it is forgotten, a tenth each second', () => {
  const budget = new Budget({ share: 0, minPerSecond: 10 });
  assert.equal(spendable(budget, 0), 100);
  assert.equal(spendable(budget, 999), 0);
  assert.equal(spendable(budget, 1000), 10);
  assert.equal(spendable(budget, 1000), 0);
  assert.equal(spendable(budget, 3_600_000), 100);
});

test('requests of long ago earn nothing', () => {
  const budget = new Budget({ share: 1, minPerSecond: 0 });
  for (let i = 0; i < 1000; i++) budget.count(0);
  assert.equal(spendable(budget, 200_000), 0);
});

test('while an outage lasts no more than the share is spent', () => {
  const budget = new Budget({ share: 0.2, minPerSecond: 0 });
  let spent = 0;
  for (let i = 0; i < 100_000; i++) {
    budget.count(i);
    if (budget.spend(i)) spent++;
  }
  assert.ok(spent <= 20_000 && spent > 19_000, `${spent}`);
});

test('whatever happens, what is spent in ten seconds is within the share and the minimum of what came', () => {
  const events = fc.array(fc.tuple(fc.integer({ min: 0, max: 500 }), fc.boolean()), { maxLength: 400 });
  fc.assert(
    fc.property(
      events,
      fc.constantFrom(0, 0.1, 0.5, 1),
      fc.constantFrom(0, 1, 5),
      (steps, share, minPerSecond) => {
        const budget = new Budget({ share, minPerSecond });
        let now = 0;
        let requests = 0;
        let spent = 0;
        for (const [pause, asks] of steps) {
          now += pause;
          budget.count(now);
          requests++;
          if (asks && budget.spend(now)) spent++;
        }
        // Of what is spent at least a tenth is forgotten in a second, and so much is earned anew.
        assert.ok(spent <= share * requests + minPerSecond * (10 + now / 1000) + 1e-9);
      },
    ),
  );
});
