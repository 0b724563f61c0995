import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openHouse, token } from './house.ts';

const LINKS = { url: 'https://spillway.example.com/', secret: 'sixteen letters and more', for: 3600 };
const GATE = { kind: 'approval', name: 'qa', moment: 'start', role: 'admin', link: true };
const BODY = { candidate: 'canary', strategy: { type: 'canary', steps: [5], gates: [GATE] } };

/** A rollout that waits for an approval, and the path of the link to it. */
async function waiting(t: Parameters<typeof openHouse>[0]) {
  const tokens = [token('otto', 'operator')];
  const house = await openHouse(t, { links: LINKS, tokens });
  const as = { token: 'secret-of-otto' };
  const { json } = await house.ask('POST', '/v1/services/checkout/rollouts', { body: BODY, ...as });
  const { id } = json.rollout as { id: string };
  const rollout = () => house.control.state().rollouts![id]!;
  const notice = rollout().errands.find(({ id }) => id.endsWith('.approval'))!;
  const [offer] = house.links.offers(rollout(), notice.id, house.clock.now());
  assert.equal(offer?.gate, 'qa');
  assert.ok(offer.url.startsWith('https://spillway.example.com/approve?link='), offer.url);
  return { ...house, as, rollout, notice, path: offer.url.slice('https://spillway.example.com'.length) };
}

test('a link shows what it approves, and approves only when its button is pressed', async (t) => {
  const { ask, rollout, notice, path, control } = await waiting(t);
  const shown = await ask('GET', path);
  assert.equal(shown.status, 200, shown.text);
  assert.match(shown.headers.get('content-type') ?? '', /^text\/html/);
  assert.match(shown.headers.get('content-security-policy') ?? '', /default-src 'none'/);
  assert.equal(shown.headers.get('referrer-policy'), 'no-referrer');
  assert.match(shown.text, /Approve &quot;qa&quot; for checkout\?/);
  assert.match(shown.text, /<form method="post"><button>Approve/);
  assert.equal(rollout().phase.at, 'waiting');

  // As a browser posts a form without fields.
  const headers = { 'content-type': 'application/x-www-form-urlencoded' };
  const approved = await ask('POST', path, { headers });
  assert.equal(approved.status, 200, approved.text);
  assert.equal(rollout().phase.at, 'stepping');
  const [entry] = await control.audit({ limit: 1 });
  assert.equal(entry?.action, 'rollout.approve');
  assert.deepEqual(entry.actor, { name: `link ${notice.id}.qa`, role: 'admin', address: '127.0.0.1' });

  const again = await ask('POST', path, { headers });
  assert.equal(again.status, 409);
  assert.match(again.text, /this link has been used, and works once/);
});

test('a link that is late, forged or for what is over approves nothing', async (t) => {
  const { ask, as, clock, rollout, path } = await waiting(t);
  const forged = await ask('POST', `${path.slice(0, -3)}AAA`);
  assert.equal(forged.status, 403);
  assert.match(forged.text, /was not made here/);
  await ask('POST', `/v1/rollouts/${rollout().id}/abort`, as);
  const over = await ask('POST', path);
  assert.equal(over.status, 409);
  assert.match(over.text, /is over; start a new one/);
  clock.wind(3_600_000);
  assert.match((await ask('GET', path)).text, /this link expired/);
  assert.equal((await ask('POST', path)).status, 403);
});

test('a plan that wants links where none can be made is refused', async (t) => {
  const { ask } = await openHouse(t);
  const refused = await ask('POST', '/v1/services/checkout/rollouts', { body: BODY });
  assert.equal(refused.status, 422);
  assert.match(refused.json.detail, /gate "qa" wants a link to approve by; say under admin\.links/);
  assert.equal((await ask('GET', '/approve?link=x')).status, 403);
  assert.equal((await ask('GET', '/approve')).status, 400);
});
