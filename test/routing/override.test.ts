import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileOverride, signOverride } from '../../src/routing/override.ts';

const SECRET = 'correct horse battery';
const NOW = 1_600_000_000;
/** `printf checkout/canary | openssl dgst -sha256 -hmac "$SECRET"` */
const SIG = 'cf86c1d5d6d27c0b86035aca21bdbb2b8c650d04a618bd3907c3a5807a53fd58';
/** The same of checkout/canary/1700000000. */
const EXPIRING = '82ff0a4931a72ad417912651ee69e197903c96858d2d8a26eeb73725246906e3';

const signed = compileOverride({ secret: SECRET })!;
const believed = compileOverride({ addresses: ['10.0.0.0/8', '::1'] })!;
const both = compileOverride({ secret: SECRET, addresses: ['10.0.0.0/8'] })!;

test('without a policy that believes somebody there is no override', () => {
  assert.equal(compileOverride(undefined), undefined);
  assert.equal(compileOverride({}), undefined);
  assert.equal(compileOverride({ addresses: [] }), undefined);
});

test('a bare name needs an address that is believed', () => {
  assert.equal(believed.allows('checkout', 'canary', '10.1.2.3', NOW), 'canary');
  assert.equal(believed.allows('checkout', 'canary', '::ffff:10.1.2.3', NOW), 'canary');
  assert.equal(believed.allows('checkout', 'canary', '::1', NOW), 'canary');
  assert.equal(believed.allows('checkout', 'canary', '11.1.2.3', NOW), undefined);
  assert.equal(believed.allows('checkout', 'canary', '', NOW), undefined);
  assert.equal(signed.allows('checkout', 'canary', '10.1.2.3', NOW), undefined);
});

test('a signature that another tool made opens its version, from any address', () => {
  assert.equal(signed.allows('checkout', `canary;sig=${SIG}`, '192.0.2.1', NOW), 'canary');
  assert.equal(signed.allows('checkout', `canary; sig=${SIG.toUpperCase()}`, '192.0.2.1', NOW), 'canary');
  assert.equal(
    signed.allows('checkout', `canary;exp=1700000000;sig=${EXPIRING}`, '192.0.2.1', NOW),
    'canary',
  );
});

test('what is signed here is written as the other tool writes it', () => {
  assert.equal(signOverride(SECRET, 'checkout', 'canary'), `canary;sig=${SIG}`);
  assert.equal(
    signOverride(SECRET, 'checkout', 'canary', 1_700_000_000),
    `canary;exp=1700000000;sig=${EXPIRING}`,
  );
});

test('an expired signature opens nothing, from the very second on', () => {
  const value = signOverride(SECRET, 'checkout', 'canary', NOW);
  assert.equal(both.allows('checkout', value, '192.0.2.1', NOW - 1), 'canary');
  assert.equal(both.allows('checkout', value, '192.0.2.1', NOW), undefined);
  assert.equal(both.allows('checkout', value, '10.1.2.3', NOW), undefined);
});

test('a signature holds for its service, version and expiry only', () => {
  for (const [service, value] of [
    ['basket', `canary;sig=${SIG}`],
    ['checkout', `stable;sig=${SIG}`],
    ['checkout', `canary;exp=1700000000;sig=${SIG}`],
    ['checkout', `canary;exp=1700000001;sig=${EXPIRING}`],
    ['checkout', `canary;exp=01700000000;sig=${EXPIRING}`],
    ['checkout', `canary;sig=${EXPIRING}`],
    ['checkout', `canary;sig=${'0'.repeat(64)}`],
  ] as const)
    assert.equal(signed.allows(service, value, '192.0.2.1', NOW), undefined, `${service} ${value}`);
});

test('a false signature is not made good by the address, nor by there being no secret', () => {
  const value = `canary;sig=${'0'.repeat(64)}`;
  assert.equal(both.allows('checkout', value, '10.1.2.3', NOW), undefined);
  assert.equal(believed.allows('checkout', value, '10.1.2.3', NOW), undefined);
});

test('a value of another form opens nothing', () => {
  for (const value of [
    '',
    ';',
    ' canary',
    'canary;',
    'can ary',
    'canary,stable',
    'canary;exp=1700000000',
    `canary;sig=${SIG.slice(1)}`,
    `canary;sig=${SIG}0`,
    `canary;sig=${SIG};exp=1700000000`,
    `canary;exp=soon;sig=${SIG}`,
    `canary;exp=-1;sig=${SIG}`,
    `canary\n;sig=${SIG}`,
    'c'.repeat(65),
  ])
    assert.equal(both.allows('checkout', value, '10.1.2.3', NOW), undefined, JSON.stringify(value));
});

test('an address range that is none is refused by name', () => {
  assert.throws(() => compileOverride({ addresses: ['10.0.0.0/99'] }), /"\/99" is not a prefix length/);
});
