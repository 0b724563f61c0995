import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { MORE } from '../../src/http/head.ts';
import { type End, NO_HEADER, parseProxyHeader, proxyHeader } from '../../src/http/proxyprotocol.ts';

const SIGNATURE = '\r\n\r\n\0\r\nQUIT\n';

function read(text: string) {
  const bytes = Buffer.from(text, 'latin1');
  return parseProxyHeader(bytes, bytes.length);
}

/** A header of version 2 whose rest is as long as it says. */
function block(command: number, family: number, rest: string): string {
  const bytes = Buffer.from([command, family, rest.length >> 8, rest.length & 0xff]);
  return SIGNATURE + bytes.toString('latin1') + rest;
}

const V4 = '\x01\x02\x03\x04\x05\x06\x07\x08\x10\x00\x00\x50';
const V6 = `${'\x20\x01\x0d\xb8'.padEnd(15, '\0')}\x01${'\0'.repeat(15)}\x01\x10\x00\x00\x50`;
const MAPPED = `${'\0'.repeat(10)}\xff\xff\x01\x02\x03\x04${'\0'.repeat(10)}\xff\xff\x05\x06\x07\x08\x10\x00\x00\x50`;

for (const [what, text, source, destination] of [
  [
    'version 1, IPv4',
    'PROXY TCP4 1.2.3.4 5.6.7.8 4096 80\r\n',
    { address: '1.2.3.4', port: 4096 },
    { address: '5.6.7.8', port: 80 },
  ],
  [
    'version 1, IPv6',
    'PROXY TCP6 2001:DB8:0::1 ::1 4096 80\r\n',
    { address: '2001:db8::1', port: 4096 },
    { address: '::1', port: 80 },
  ],
  [
    'version 1, IPv4 in IPv6',
    'PROXY TCP6 ::ffff:1.2.3.4 ::1 1 2\r\n',
    { address: '1.2.3.4', port: 1 },
    { address: '::1', port: 2 },
  ],
  ['version 1, unknown', 'PROXY UNKNOWN\r\n', undefined, undefined],
  ['version 1, unknown with whatever', 'PROXY UNKNOWN ffff:f...f:ffff 65535 65535\r\n', undefined, undefined],
  [
    'version 2, IPv4',
    block(0x21, 0x11, V4),
    { address: '1.2.3.4', port: 4096 },
    { address: '5.6.7.8', port: 80 },
  ],
  [
    'version 2, IPv6',
    block(0x21, 0x21, V6),
    { address: '2001:db8::1', port: 4096 },
    { address: '::1', port: 80 },
  ],
  [
    'version 2, IPv4 in IPv6',
    block(0x21, 0x21, MAPPED),
    { address: '1.2.3.4', port: 4096 },
    { address: '5.6.7.8', port: 80 },
  ],
  [
    'version 2 with extensions',
    block(0x21, 0x11, `${V4}\x04\x00\x03abc`),
    { address: '1.2.3.4', port: 4096 },
    { address: '5.6.7.8', port: 80 },
  ],
  ['version 2, local', block(0x20, 0x00, ''), undefined, undefined],
  ['version 2, local with an address', block(0x20, 0x11, V4), undefined, undefined],
  ['version 2, unspecified', block(0x21, 0x00, 'what'), undefined, undefined],
  ['version 2, datagrams', block(0x21, 0x12, V4), undefined, undefined],
  ['version 2, Unix', block(0x21, 0x31, 'x'.repeat(216)), undefined, undefined],
] as const)
  test(`${what} is read, and what follows is left alone`, () => {
    assert.deepEqual(read(`${text}GET / HTTP/1.1`), {
      length: text.length,
      ends: source && { source, destination },
    });
    for (let end = 1; end < text.length; end++) assert.equal(read(text.slice(0, end)), MORE, `${end} bytes`);
  });

for (const [what, text] of [
  ['a request', 'GET / HTTP/1.1\r\n\r\n'],
  ['a ClientHello', '\x16\x03\x01\x02\x00\x01'],
  ['lower case', 'proxy TCP4 1.2.3.4 5.6.7.8 1 2\r\n'],
  ['an unknown family', 'PROXY TCP5 1.2.3.4 5.6.7.8 1 2\r\n'],
  ['a datagram family', 'PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n'],
  ['two spaces', 'PROXY TCP4  1.2.3.4 5.6.7.8 1 2\r\n'],
  ['a word too many', 'PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n'],
  ['a word too few', 'PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n'],
  ['an address that is none', 'PROXY TCP4 1.2.3.256 5.6.7.8 1 2\r\n'],
  ['an octal address', 'PROXY TCP4 01.2.3.4 5.6.7.8 1 2\r\n'],
  ['an address of the other family', 'PROXY TCP4 ::1 ::1 1 2\r\n'],
  ['an address with a zone', 'PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n'],
  ['a port too large', 'PROXY TCP4 1.2.3.4 5.6.7.8 65536 2\r\n'],
  ['a port with a zero before', 'PROXY TCP4 1.2.3.4 5.6.7.8 01 2\r\n'],
  ['a port with a sign', 'PROXY TCP4 1.2.3.4 5.6.7.8 +1 2\r\n'],
  ['a line ended by LF', `PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n${' '.repeat(107)}`],
  ['a line too long', `PROXY UNKNOWN ${'x'.repeat(100)}\r\n`],
  ['a line that never ends', `PROXY UNKNOWN ${'x'.repeat(200)}`],
  ['half a signature', '\r\n\r\n\0\r\nQUIX\n'],
  ['another version', block(0x31, 0x11, V4)],
  ['an unknown command', block(0x22, 0x11, V4)],
  ['a family of no kind', block(0x21, 0x41, V4)],
  ['a transport of no kind', block(0x21, 0x13, V4)],
  ['too short for its addresses', block(0x21, 0x11, V4.slice(1))],
  ['too short for IPv6', block(0x21, 0x21, V4)],
  ['longer than anybody needs', `${SIGNATURE}\x21\x11\xff\xff`],
] as const)
  test(`${what} is no header`, () => assert.equal(read(text), NO_HEADER));

const end: fc.Arbitrary<End> = fc.record(
  {
    address: fc.oneof(
      fc.ipV4(),
      fc.ipV6().map((address) => {
        const plain = new URL(`http://[${address}]/`).hostname.slice(1, -1);
        // One that is IPv4 in disguise comes back without it.
        return plain.startsWith('::ffff:') ? '::1' : plain;
      }),
    ),
    port: fc.integer({ min: 0, max: 65_535 }),
  },
  { noNullPrototype: true },
);

test('what is written is read back', () => {
  fc.assert(
    fc.property(end, end, fc.constantFrom('v1', 'v2'), (source, destination, version) => {
      const ends = { source, destination };
      const text = proxyHeader(version, ends);
      assert.deepEqual(read(text), { length: text.length, ends });
    }),
  );
  for (const version of ['v1', 'v2'] as const) {
    const text = proxyHeader(version, undefined);
    assert.deepEqual(read(text), { length: text.length, ends: undefined });
  }
});

test('no bytes whatever make it throw', () => {
  const bytes = fc.uint8Array({ maxLength: 300 });
  fc.assert(
    fc.property(
      fc.constantFrom('', 'PROXY ', 'PROXY TCP6 ', SIGNATURE, `${SIGNATURE}\x21`),
      bytes,
      (lead, rest) => {
        const found = read(lead + Buffer.from(rest).toString('latin1'));
        if (typeof found === 'object') assert.ok(found.length <= lead.length + rest.length);
      },
    ),
  );
});
