import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import { Authority } from '../../support/certificates.ts';
import { atEnd } from '../../support/end.ts';
import { always, Origin } from '../../support/origin.ts';
import { eventually } from '../../support/patience.ts';
import { reachable } from '../../support/peer.ts';
import { termsOf } from '../../support/secure.ts';
import { Site, type SiteOptions } from '../../support/site.ts';
import {
  COMPRESSION_ERROR,
  DATA,
  END_HEADERS,
  END_STREAM,
  FRAME_SIZE_ERROR,
  Framed,
  frame,
  HEADERS,
  PING,
  PREFACE,
  PROTOCOL_ERROR,
  SETTINGS,
  STREAM_CLOSED,
} from './frames.ts';
import { COMPRESSION } from './rules/compression.ts';
import { CONTROL } from './rules/control.ts';
import { FLOW } from './rules/flow.ts';
import { FRAMING } from './rules/framing.ts';
import { LATE } from './rules/late.ts';
import { MESSAGES } from './rules/messages.ts';
import { get, NO_WINDOW, play, STREAMS } from './rules/rule.ts';
import { STREAM } from './rules/streams.ts';

const RULES = [...FRAMING, ...STREAM, ...CONTROL, ...FLOW, ...COMPRESSION, ...MESSAGES];

/** Longer than any test. */
const HOUR = 3_600_000;

const settings = { limits: { streams: STREAMS } };

interface Server {
  readonly site: Site;
  /** Whom its clients have to believe, if they come by TLS. */
  readonly ca?: string;
}

/** Nothing matches: each request is answered at once. */
async function alone(t: TestContext): Promise<Server> {
  return { site: await Site.open(t, {}, { settings }) };
}

/** The same by TLS, where answers are a while on their way out: what comes meanwhile must not be left unsaid. */
async function busy(t: TestContext): Promise<Server> {
  const { speech, ca } = spokenIn(t);
  return { site: await Site.open(t, {}, { settings, speech }), ca };
}

function spokenIn(t: TestContext): { speech: NonNullable<SiteOptions['speech']>; ca: string } {
  const authority = new Authority(t);
  return { speech: { tls: termsOf([authority.issue('DNS:shop.test')]) }, ca: authority.cert };
}

async function clear(t: TestContext, more: SiteOptions['settings'] = {}): Promise<Server> {
  const origin = await Origin.open(t, always('hello'));
  const services = { app: { versions: { v1: [origin.address] } } };
  return { site: await Site.open(t, services, { settings: { ...settings, ...more } }) };
}

async function secure(t: TestContext): Promise<Server> {
  const origin = await Origin.open(t, always('hello'));
  const { speech, ca } = spokenIn(t);
  const services = { app: { versions: { v1: [origin.address] } } };
  return { site: await Site.open(t, services, { settings, speech }), ca };
}

for (const [where, open, rules] of [
  ['in the clear', clear, RULES],
  ['by TLS', secure, RULES],
  ['where there is no service', alone, RULES],
  ['by TLS where there is no service', busy, RULES],
  ['once a request was answered', alone, LATE],
] as const)
  test(`HTTP/2 is spoken by the rules, ${where}`, async (t) => {
    const { site, ca } = await open(t);
    for (const rule of rules)
      await t.test(`§${rule.section} ${rule.name}`, () => play(rule, site.address, ca));
  });

// Node 20 does not tell of these: what is left is a connection on which nothing is read any more.
for (const [name, code, said] of [
  ['a frame of a wrong size', FRAME_SIZE_ERROR, [frame(PING, 0, 0, '123456')]],
  ['wrong settings', FRAME_SIZE_ERROR, [frame(SETTINGS, 0, 0, '12345')]],
  [
    'a head that cannot be unfolded',
    COMPRESSION_ERROR,
    [frame(HEADERS, END_HEADERS | END_STREAM, 1, '\x40')],
  ],
  ['more than a request', STREAM_CLOSED, [NO_WINDOW, get(), frame(DATA, END_STREAM, 1, 'data')]],
] as const)
  test(`a connection that is broken is not kept (RFC 9113 §5.4.1): ${name}`, async (t) => {
    const { site } = await clear(t, { timeouts: { head: HOUR, write: HOUR } });
    const client = await Framed.open(site.address);
    atEnd(t, () => client.socket.destroy());
    client.say(...said);
    assert.equal(await client.goaway(), code);
    // It has not even to be waited for.
    site.run(t, 1000);
    await client.gone();
  });

/** A stream cannot be pinged: this ends the connection. */
const ERROR = frame(PING, 0, 1, '12345678');
/** More than all buffers on the way have room for. */
const MUCH = Buffer.concat(Array.from({ length: 2048 }, () => frame(DATA, 0, 1, 'x'.repeat(16_384))));

for (const [where, open] of [
  ['in the clear', clear],
  ['by TLS', secure],
] as const)
  test(`what a client did wrong it is told though it talks on, ${where}`, async (t) => {
    const { site, ca } = await open(t);
    const client = await Framed.open(site.address, '', true, ca);
    atEnd(t, () => client.socket.destroy());
    await client.find('settings', ({ type }) => type === SETTINGS);
    client.socket.pause();
    client.say(ERROR, MUCH);
    await eventually('all to be taken', () => client.socket.writableLength === 0 || client.left);
    client.socket.resume();
    assert.equal(await client.goaway(), PROTOCOL_ERROR);
  });

test('a client that was told what it did wrong, and keeps its side open, is left', async (t) => {
  const { site } = await clear(t, { timeouts: { head: HOUR, write: HOUR } });
  const socket = connect({ ...reachable(site.address), allowHalfOpen: true });
  atEnd(t, () => socket.destroy());
  const client = new Framed(socket);
  client.say(Buffer.from(PREFACE, 'latin1'), frame(SETTINGS, 0, 0), ERROR);
  assert.equal(await client.goaway(), PROTOCOL_ERROR);
  site.run(t, 1000);
  await eventually('the connection to be gone', () => {
    client.say(ERROR);
    return socket.destroyed;
  });
});
