import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { addressSet, cidrFault, plainAddress } from '../../src/base/cidr.ts';

test('an address is in the set if a range or a single address holds it', () => {
  const set = addressSet(['10.0.0.0/8', '192.0.2.7', '2001:db8::/32', '::1']);
  assert.equal(set.size, 4);
  for (const address of ['10.0.0.0', '10.255.255.255', '192.0.2.7', '2001:db8:ffff::1', '::1'])
    assert.equal(set.has(address), true, address);
  for (const address of ['9.255.255.255', '11.0.0.0', '192.0.2.8', '2001:db9::', '::2'])
    assert.equal(set.has(address), false, address);
});

test('an IPv4 address is the same when a dual-stack socket shows it', () => {
  const set = addressSet(['10.0.0.0/8']);
  assert.equal(set.has('::ffff:10.1.2.3'), true);
  assert.equal(set.has('::ffff:11.1.2.3'), false);
  assert.equal(plainAddress('::ffff:192.0.2.1'), '192.0.2.1');
  for (const address of ['192.0.2.1', '::1', '::ffff:1', '']) assert.equal(plainAddress(address), address);
});

test('what is no address is in no set', () => {
  const set = addressSet(['0.0.0.0/0', '::/0']);
  for (const text of ['', 'unix:', 'localhost', '10.0.0', '10.0.0.0/8'])
    assert.equal(set.has(text), false, text);
  assert.equal(addressSet([]).has('10.0.0.1'), false);
});

test('an IPv4 range holds exactly the addresses that share its first bits', () => {
  const word = fc.nat(0xffffffff);
  const dotted = (n: number) => [24, 16, 8, 0].map((shift) => (n >>> shift) & 255).join('.');
  fc.assert(
    fc.property(word, fc.integer({ min: 0, max: 32 }), fc.nat(31), word, (base, bits, near, other) => {
      const set = addressSet([`${dotted(base)}/${bits}`]);
      for (const address of [base, (base ^ (1 << near)) >>> 0, other]) {
        const same = bits === 0 || (base ^ address) >>> (32 - bits) === 0;
        assert.equal(set.has(dotted(address)), same, `${dotted(address)} in ${dotted(base)}/${bits}`);
      }
    }),
  );
});

test('what is no address or range is refused with the reason', () => {
  for (const good of ['10.0.0.0/8', '10.0.0.0/0', '10.0.0.1', '::/0', '::1/128', 'fe80::1'])
    assert.equal(cidrFault(good), undefined, good);
  assert.equal(cidrFault('localhost'), '"localhost" is not an IP address');
  assert.equal(cidrFault(''), '"" is not an IP address');
  assert.equal(cidrFault('10.0.0.0/33'), '"/33" is not a prefix length from 0 to 32');
  assert.equal(cidrFault('::/129'), '"/129" is not a prefix length from 0 to 128');
  for (const bits of ['', '-1', '+8', '8/8', ' 8', '0x8'])
    assert.match(cidrFault(`10.0.0.0/${bits}`)!, /not a prefix length/);
  assert.throws(() => addressSet(['10.0.0.1', 'nowhere']), { name: 'RangeError', message: /"nowhere"/ });
});
