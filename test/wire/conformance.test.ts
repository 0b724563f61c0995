import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Authority } from '../support/certificates.ts';
import { termsOf } from '../support/secure.ts';
import { type Case, readCases } from './conformance/case.ts';
import { Lane } from './conformance/lane.ts';
import { Origin } from './conformance/origin.ts';
import { openSpillway, type Spillway, type Wishes } from './spillway.ts';

/** Cases are mostly pauses, so this many run at a time, each with a proxy and an origin to itself. */
const LANES = 16;

describe('conformance', () => hold({}));

describe('conformance by TLS', () => {
  const issuing = { after: (clean: () => void) => after(clean) };
  const ca = new Authority(issuing);
  hold({ secure: { ca: ca.cert, tls: termsOf([ca.issue('IP:127.0.0.1')]) } });
});

/** Every case. What is merely tolerated in a proxy is a failure in this one. */
function hold(wishes: Wishes): void {
  describe('every case', { concurrency: LANES }, () => {
    const free: Lane[] = [];
    const open: (Spillway | Origin)[] = [];

    before(async () => {
      for (let lane = 0; lane < LANES; lane++) {
        const origin = new Origin();
        const spillway = await openSpillway(`127.0.0.1:${await origin.listen(0)}`, wishes);
        open.push(spillway, origin);
        free.push(new Lane(spillway.address, origin));
      }
    });
    after(() => Promise.all(open.map((each) => each.close())));

    for (const c of slowFirst(readCases())) {
      it(`${c.group}: ${c.title} (${c.id})`, async () => {
        const lane = free.pop()!;
        try {
          const { seen, ...outcome } = await lane.run(c);
          assert.equal(outcome.grade, 'pass', JSON.stringify({ ...outcome, seen }, brief, 1));
        } finally {
          free.push(lane);
        }
      });
    }
  });
}

/** Those that wait longest begin first, so that the others fill the time. */
function slowFirst(cases: readonly Case[]): Case[] {
  return [...cases].sort((a, b) => (b.timeout ?? 0) - (a.timeout ?? 0));
}

function brief(_: string, value: unknown): unknown {
  return typeof value === 'string' && value.length > 2000
    ? `${value.slice(0, 2000)}… (${value.length})`
    : value;
}
