import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Window } from '../../src/model/gate.ts';
import { windowAt, windowFault } from '../../src/rollout/window.ts';

const at = (terms: Partial<Window>): Window => ({
  name: 'hours',
  kind: 'window',
  moment: 'before',
  ...terms,
});
const open = (window: Window, time: string): boolean => windowAt(window, Date.parse(time)).open;

test('a window without terms is always open', () => {
  assert.deepEqual(windowAt(at({}), 0), { open: true, says: '' });
});

test('a window is open from its first minute up to its last', () => {
  const window = at({ from: '09:00', to: '17:30' });
  assert.equal(open(window, '2026-03-02T08:59:59Z'), false);
  assert.equal(open(window, '2026-03-02T09:00:00Z'), true);
  assert.equal(open(window, '2026-03-02T17:29:59Z'), true);
  assert.equal(open(window, '2026-03-02T17:30:00Z'), false);
});

test('its hours are those of the wall, in summer and in winter', () => {
  const window = at({ from: '09:00', to: '10:00', zone: 'Europe/Berlin' });
  assert.equal(open(window, '2026-03-27T08:30:00Z'), true);
  assert.equal(open(window, '2026-03-30T08:30:00Z'), false);
  assert.equal(open(window, '2026-03-30T07:30:00Z'), true);
});

test('its days are those of its zone', () => {
  const window = at({ days: ['mon'], zone: 'Pacific/Auckland' });
  assert.equal(open(window, '2026-03-01T12:00:00Z'), true);
  assert.equal(open(window, '2026-03-02T12:00:00Z'), false);
});

test('hours over midnight belong to the day on which they begin', () => {
  const window = at({ days: ['fri'], from: '22:00', to: '06:00' });
  assert.equal(open(window, '2026-03-06T05:00:00Z'), false);
  assert.equal(open(window, '2026-03-06T23:00:00Z'), true);
  assert.equal(open(window, '2026-03-07T05:59:00Z'), true);
  assert.equal(open(window, '2026-03-07T22:30:00Z'), false);
});

test('a freeze shuts it, and says why and until when', () => {
  const freeze = [{ from: '2026-12-20T00:00:00Z', to: '2027-01-03T00:00:00Z', why: 'holidays' }];
  const opening = windowAt(at({ freeze }), Date.parse('2026-12-24T12:00:00Z'));
  assert.deepEqual(opening, { open: false, says: 'frozen until 2027-01-03T00:00:00Z: holidays' });
  assert.equal(open(at({ freeze }), '2027-01-03T00:00:00Z'), true);
});

test('a shut window says when it is open', () => {
  const { says } = windowAt(
    at({ days: ['tue', 'wed'], from: '09:00', to: '12:00' }),
    Date.parse('2026-03-02T10:00:00Z'),
  );
  assert.equal(says, 'open tue, wed from 09:00 to 12:00 (UTC)');
});

test('a window that cannot be is refused with the cure', () => {
  assert.equal(windowFault(at({ from: '09:00', to: '17:00', zone: 'America/New_York' })), undefined);
  assert.match(String(windowFault(at({ zone: 'Moon' }))), /name it as in Europe\/Berlin/);
  assert.match(String(windowFault(at({ from: '09:00', to: '09:00' }))), /leave both out/);
  const freeze = [{ from: '2027-01-03T00:00:00Z', to: '2026-12-20T00:00:00Z' }];
  assert.match(String(windowFault(at({ freeze }))), /the second must be the later/);
});
