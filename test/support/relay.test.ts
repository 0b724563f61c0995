import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Origin } from './origin.ts';
import { connect } from './peer.ts';
import { Relay } from './relay.ts';

test('a relay passes on, holds back while it is cut, and lets go in order when it is mended', async (t) => {
  const origin = await Origin.open(t);
  const relay = await Relay.open(t, origin.address);
  const near = await connect(relay.address);
  near.say('one ');
  const far = await origin.next();
  assert.equal(await far.take('one '), 'one ');

  relay.weather = { cut: true };
  near.say('two ');
  far.say('back ');
  relay.weather = { delay: 20 };
  near.say('three ');
  relay.weather = {};
  near.say('four ');
  assert.equal(await far.take('four '), 'two three four ');
  assert.equal(await near.take('back '), 'back ');

  relay.halfClose();
  near.say('still here ');
  assert.equal(await far.take('here '), 'still here ');
  relay.break();
  await assert.rejects(far.take('more'), /reset before more/);
});
