import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Address, formatAddress, parseAddress } from '../../src/model/address.ts';

test('every way to write an address is read', () => {
  const cases: Readonly<Record<string, Address>> = {
    '127.0.0.1:8080': { host: '127.0.0.1', port: 8080 },
    '[::1]:8080': { host: '::1', port: 8080 },
    'name.example:0': { host: 'name.example', port: 0 },
    'my_service-1:65535': { host: 'my_service-1', port: 65535 },
    'a:1': { host: 'a', port: 1 },
    'unix:/run/app.sock': { path: '/run/app.sock' },
    'unix:/with:colon:80': { path: '/with:colon:80' },
  };
  for (const [text, address] of Object.entries(cases)) assert.deepEqual(parseAddress(text), address, text);
});

test('what is no address is told with the cure', () => {
  const cases: Readonly<Record<string, RegExp>> = {
    '': /a port is missing, as in/,
    localhost: /a port is missing, as in/,
    ':8080': /a port is missing, as in/,
    'unix:run/app.sock': /needs an absolute path, as in/,
    'unix:': /needs an absolute path, as in/,
    'a:': /"" is not a port/,
    'a:65536': /"65536" is not a port from 0 to 65535/,
    'a:-1': /"-1" is not a port/,
    'a:http': /"http" is not a port/,
    '::1:8080': /written in brackets, as in/,
    '[127.0.0.1]:80': /written in brackets, as in/,
    '[]:80': /written in brackets, as in/,
    'http://a:80': /"http:\/\/a" is not a host name/,
    'a b:80': /"a b" is not a host name/,
    '-a:80': /"-a" is not a host name/,
    'a.:80': /"a\." is not a host name/,
  };
  for (const [text, reason] of Object.entries(cases)) {
    const read = parseAddress(text);
    assert.equal(typeof read, 'string', text);
    assert.match(read as string, reason, text);
  }
});

test('an address that is written is read back as the same', () => {
  const port = fc.integer({ min: 0, max: 65535 });
  const plain = { noNullPrototype: true };
  const tcp = fc.record({ host: fc.oneof(fc.ipV4(), fc.ipV6(), fc.domain()), port }, plain);
  const unix = fc.record({ path: fc.string().map((rest) => `/${rest}`) }, plain);
  fc.assert(
    fc.property(fc.oneof(tcp, unix), (address) => {
      assert.deepEqual(parseAddress(formatAddress(address)), address);
    }),
  );
});
