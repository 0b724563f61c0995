import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { MORE } from '../../src/http/head.ts';
import { nameAsked } from '../../src/http/hello.ts';
import { helloOf } from '../support/secure.ts';

/** The message in one record as it may come in several. */
function inRecords(hello: Buffer, size: number): Buffer {
  const pieces: Buffer[] = [];
  for (let at = 5; at < hello.length; at += size) {
    const piece = hello.subarray(at, at + size);
    pieces.push(Buffer.from([22, 3, 1, piece.length >> 8, piece.length & 255]), piece);
  }
  return Buffer.concat(pieces);
}

test('the name is found once all of the hello has come, in one record or a few', async () => {
  for (const options of [{}, { ALPNProtocols: ['h2'] }, { maxVersion: 'TLSv1.2' }] as const) {
    const hello = await helloOf({ servername: 'Shop.example', ...options });
    // A hello of TLS 1.3 may be 300 bytes long, or 1700 with a key that quantum computers cannot break.
    for (const whole of [
      hello,
      ...[2, 15].map((pieces) => inRecords(hello, Math.ceil(hello.length / pieces))),
    ]) {
      for (let length = 0; length < whole.length; length++)
        assert.equal(nameAsked(whole.subarray(0, length)), MORE, `${length} of ${whole.length} bytes`);
      assert.equal(nameAsked(whole), 'Shop.example');
      assert.equal(nameAsked(Buffer.concat([whole, Buffer.from('more')])), 'Shop.example');
    }
  }
});

test('who asks for no name, or says no hello, asks for none', async () => {
  assert.equal(nameAsked(await helloOf({})), '');
  const alert = [21, 3, 1, 0, 2, 2, 40];
  const empty = [22, 3, 1, 0, 0];
  const endless = [22, 3, 1, 0, 4, 1, 255, 255, 255];
  const answer = [22, 3, 1, 0, 4, 2, 0, 0, 0];
  const crumbs = inRecords(await helloOf({ servername: 'shop.example' }), 1);
  for (const bytes of [Buffer.from('GET / HTTP/1.1'), alert, empty, endless, answer, crumbs])
    assert.equal(nameAsked(Buffer.from(bytes)), '');
});

test('whatever bytes come, there is an answer, and what is waited for has an end', async () => {
  const hello = await helloOf({ servername: 'shop.example' });
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(hello.length - 1), fc.nat(255)), { maxLength: 8 }),
      fc.boolean(),
      (changes, longer) => {
        const bytes = Buffer.concat([hello, Buffer.alloc(longer ? 40_000 : 0, hello)]);
        for (const [at, byte] of changes) bytes[at] = byte;
        const name = nameAsked(bytes);
        assert.ok(typeof name === 'string' || (name === MORE && bytes.length < 40_000 + hello.length));
      },
    ),
  );
});
