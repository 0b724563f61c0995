import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Authority } from '../../support/certificates.ts';
import { atEnd } from '../../support/end.ts';
import { termsOf } from '../../support/secure.ts';
import { Site } from '../../support/site.ts';
import { BROKEN, CASES, type Case, SPLITTING } from './cases.ts';
import {
  block,
  CONTINUATION,
  DATA,
  END_HEADERS,
  END_STREAM,
  type Fields,
  Framed,
  frame,
  HEADERS,
  request,
} from './frames.ts';
import { record } from './recorder.ts';

/** As much as a frame may hold (RFC 9113 §4.2). */
const MOST = 16_384;

function framesOf({ fields, body, trailers }: Case, stream: number): Buffer[] {
  const frames = headOf(fields, body === undefined, stream);
  body?.forEach((piece, index) => {
    const last = index === body.length - 1 && trailers === undefined;
    frames.push(frame(DATA, last ? END_STREAM : 0, stream, piece));
  });
  if (trailers !== undefined) frames.push(...headOf(trailers, true, stream));
  return frames;
}

function headOf(fields: Fields, ends: boolean, stream: number): Buffer[] {
  const whole = block(fields);
  const frames: Buffer[] = [];
  for (let at = 0; at < whole.length; at += MOST) {
    const flags = (at === 0 && ends ? END_STREAM : 0) | (at + MOST < whole.length ? 0 : END_HEADERS);
    frames.push(frame(at === 0 ? HEADERS : CONTINUATION, flags, stream, whole.subarray(at, at + MOST)));
  }
  return frames;
}

/** A site, and what its clients have to believe, if they come by TLS. */
async function open(t: TestContext, secure: boolean): Promise<{ site: Site; ca: string | undefined }> {
  const ca = secure ? new Authority(t) : undefined;
  const tls = ca && termsOf([ca.issue('DNS:shop.test')]);
  const site = await Site.open(t, { app: { versions: { v1: [] } } }, { speech: { tls } });
  return { site, ca: ca?.cert };
}

for (const secure of [false, true])
  test(`a request in frames${secure ? ' by TLS' : ''} reaches the origin as the one HTTP/1.1 request it means, or not at all`, async (t) => {
    const { site, ca } = await open(t, secure);
    for (const each of CASES) {
      await t.test(each.name, async (t) => {
        const origin = await record(t);
        site.adopt({ app: { versions: { v1: [origin.address] } } });
        const client = await Framed.open(site.address, '', true, ca);
        atEnd(t, () => client.socket.destroy());
        client.say(...framesOf(each, 1));
        const outcome = await client.outcome(1);
        if (each.sent === undefined) {
          assert.notEqual(outcome.status, '200', 'it was answered as if it were sound');
          assert.equal(origin.raw, '', 'the origin was asked');
        } else {
          assert.deepEqual(outcome, { status: '200' });
          for (const sent of each.sent) assert.match(origin.raw, sent);
          if (each.never) assert.doesNotMatch(origin.raw, each.never);
        }
      });
    }
  });

test('a field that would be two lines in HTTP/1.1 never becomes them, in a head or behind a body', async (t) => {
  const site = await Site.open(t, { app: { versions: { v1: [] } } });
  for (const { name, field } of SPLITTING) {
    await t.test(name, async (t) => {
      const origin = await record(t);
      site.adopt({ app: { versions: { v1: [origin.address] } } });
      const client = await Framed.open(site.address);
      atEnd(t, () => client.socket.destroy());
      client.say(...framesOf({ name, fields: request([field]) }, 1));
      await client.outcome(1);
      const post = request([[':method', 'POST']]);
      client.say(...framesOf({ name, fields: post, body: ['x'], trailers: [field] }, 3));
      await client.outcome(3);
      assert.doesNotMatch(origin.raw, /evil/);
    });
  }
});

test('a body that is not what was said of it is never given to an origin as a whole one', async (t) => {
  const site = await Site.open(t, { app: { versions: { v1: [] } } });
  for (const each of BROKEN) {
    await t.test(each.name, async (t) => {
      const origin = await record(t);
      site.adopt({ app: { versions: { v1: [origin.address] } } });
      const client = await Framed.open(site.address);
      atEnd(t, () => client.socket.destroy());
      client.say(...framesOf(each, 1));
      assert.notEqual((await client.outcome(1)).status, '200');
      // The connection is as good as before, or is ended for that, as newer Nodes do.
      client.say(...framesOf({ name: 'another', fields: request() }, 3));
      const next = await client.outcome(3);
      if (next.goaway === undefined) assert.deepEqual(next, { status: '200' });
      else assert.match((await site.get()).line, / 200 /);
      assert.equal(origin.requests, 1);
    });
  }
});
