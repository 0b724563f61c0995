import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Head, parseRequest, parseResponse } from '../../src/http/head.ts';
import { nameKind, OTHER } from '../../src/http/names.ts';
import {
  type Drops,
  keptLines,
  RESPONSE_DROPS,
  requestDrops,
  requestLines,
  responseLines,
  withoutHost,
} from '../../src/http/rewrite.ts';
import { type Field, requests, responses } from './arbitraries.ts';

const LIMITS = { targetBytes: 60_000, headBytes: 60_000, headers: 100 };
const STRANGER = requestDrops({ trusted: false, underscores: 'drop' });
const TRUSTED = requestDrops({ trusted: true, underscores: 'pass' });

type Parse = typeof parseRequest;

function parsed(parse: Parse, text: string): { buffer: Buffer; head: Head } {
  const buffer = Buffer.from(`${text}\0`, 'latin1');
  const head = new Head();
  assert.ok(parse(buffer, 0, text.length, head, LIMITS) > 0, JSON.stringify(text));
  return { buffer, head };
}

/** The fields of a head as it reads. */
function fieldsOf(parse: Parse, text: string): Field[] {
  const { buffer, head } = parsed(parse, text);
  return Array.from({ length: head.count }, (_, i) => [
    buffer.toString('latin1', head.spans[4 * i], head.spans[4 * i + 1]),
    head.value(buffer, i),
  ]);
}

/** What should be left of fields: all but those of kinds dropped. */
function left(fields: readonly Field[], drops: Drops): Field[] {
  return fields
    .filter(([name]) => !name.includes('_') || drops === TRUSTED)
    .filter(([name]) => drops[kindOf(name)] === 0);
}

/** Names, in lower case, that a Connection field names. */
function nominated(fields: readonly Field[]): string[] {
  return fields
    .filter(([name]) => name.toLowerCase() === 'connection')
    .flatMap(([, value]) => value.split(',').map((token) => token.trim().toLowerCase()));
}

function kindOf(name: string): number {
  return nameKind(Buffer.from(name, 'latin1'), 0, name.length);
}

/** `name: value` and nothing else on every line. */
function assertCanonical(lines: string): void {
  const [, ...rest] = lines.split('\r\n');
  assert.equal(rest.pop(), '');
  for (const line of rest) assert.match(line, /^[!#-'*+\-.^_`|~0-9A-Za-z]+: (?:[^ \t](?:.*[^ \t])?)?$/s);
}

test('a request goes on in canonical lines that read as the same fields minus the dropped ones', () => {
  for (const drops of [STRANGER, TRUSTED]) {
    fc.assert(
      fc.property(requests, (sample) => {
        const { buffer, head } = parsed(parseRequest, sample.head);
        const lines = requestLines(buffer, head, drops);
        assertCanonical(lines);
        assert.equal(lines.split('\r\n')[0], sample.line.replace('HTTP/1.0', 'HTTP/1.1'));
        assert.deepEqual(fieldsOf(parseRequest, `${lines}\r\n`), left(sample.fields, drops));
      }),
    );
  }
});

test('an answer goes on in canonical lines that read as the same fields minus the dropped ones', () => {
  fc.assert(
    fc.property(responses, (sample) => {
      const { buffer, head } = parsed(parseResponse, sample.head);
      const lines = responseLines(buffer, head);
      assertCanonical(lines);
      assert.equal(lines.split('\r\n')[0], sample.line.replace('HTTP/1.0', 'HTTP/1.1'));
      const gone = nominated(sample.fields);
      const kept = sample.fields
        .filter(([name]) => name.includes('_') || RESPONSE_DROPS[kindOf(name)] === 0)
        .filter(([name]) => kindOf(name) !== OTHER || !gone.includes(name.toLowerCase()));
      assert.deepEqual(fieldsOf(parseResponse, `${lines}\r\n`), kept);
    }),
  );
});

test('what a stranger says of where it came from is dropped, what a trusted peer says is kept', () => {
  const head =
    'GET / HTTP/1.1\r\nhost: a\r\nforwarded: for=b\r\nx-real-ip: c\r\nx-forwarded-port: 1\r\nx-spillway-x: 2\r\nx_y: 3\r\nx-kept: 4\r\n\r\n';
  const { buffer, head: read } = parsed(parseRequest, head);
  assert.equal(requestLines(buffer, read, STRANGER), 'GET / HTTP/1.1\r\nhost: a\r\nx-kept: 4\r\n');
  assert.equal(
    requestLines(buffer, read, TRUSTED),
    'GET / HTTP/1.1\r\nhost: a\r\nforwarded: for=b\r\nx-real-ip: c\r\nx-forwarded-port: 1\r\nx_y: 3\r\nx-kept: 4\r\n',
  );
});

test('framing, hop-by-hop and forwarding fields are never passed on, whoever sends them', () => {
  const dropped = [
    'connection: x',
    'keep-alive: timeout=1',
    'te: trailers',
    'upgrade: x',
    'content-length: 0',
    'expect: 100-continue',
    'proxy-authorization: x',
    'proxy-connection: close',
    'http2-settings: x',
    'x-forwarded-for: x',
    'x-forwarded-proto: x',
    'x-forwarded-host: x',
    'x-request-id: x',
    'x-spillway-version: x',
  ].join('\r\n');
  const { buffer, head } = parsed(parseRequest, `GET / HTTP/1.1\r\n${dropped}\r\nhost: a\r\n\r\n`);
  for (const drops of [STRANGER, TRUSTED])
    assert.equal(requestLines(buffer, head, drops), 'GET / HTTP/1.1\r\nhost: a\r\n');
});

test('Host can be left out, to be written anew', () => {
  const { buffer, head } = parsed(parseRequest, 'GET http://a:1/b?c HTTP/1.1\r\nhost: a:1\r\nx: y\r\n\r\n');
  assert.equal(requestLines(buffer, head, withoutHost(STRANGER)), 'GET /b?c HTTP/1.1\r\nx: y\r\n');
  assert.equal(requestLines(buffer, head, STRANGER), 'GET /b?c HTTP/1.1\r\nhost: a:1\r\nx: y\r\n');
});

test('a target without a path gets one', () => {
  for (const [target, sent] of [
    ['http://a', '/'],
    ['http://a?b', '/?b'],
    ['http://a/', '/'],
  ]) {
    const { buffer, head } = parsed(parseRequest, `GET ${target} HTTP/1.1\r\nhost: a\r\n\r\n`);
    assert.equal(requestLines(buffer, head, withoutHost(STRANGER)), `GET ${sent} HTTP/1.1\r\n`, target);
  }
});

test('lines can be kept from the fields on, without the first', () => {
  const { buffer, head } = parsed(parseResponse, 'HTTP/1.1 200 OK\r\na: 1\r\nconnection: x\r\nb: 2\r\n\r\n');
  assert.equal(keptLines(buffer, head, head.fieldsStart, RESPONSE_DROPS), 'a: 1\r\nb: 2\r\n');
});
