import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Authority } from '../../support/certificates.ts';
import { termsOf } from '../../support/secure.ts';
import { Site } from '../../support/site.ts';
import { CASES, type Case, SPLITTING } from './cases.ts';
import { block, DATA, END_HEADERS, END_STREAM, Framed, frame, HEADERS, request } from './frames.ts';
import { record } from './recorder.ts';

function framesOf({ fields, body, trailers }: Case, stream: number): Buffer[] {
  const ends = body === undefined;
  const frames = [frame(HEADERS, END_HEADERS | (ends ? END_STREAM : 0), stream, block(fields))];
  body?.forEach((piece, index) => {
    const last = index === body.length - 1 && trailers === undefined;
    frames.push(frame(DATA, last ? END_STREAM : 0, stream, piece));
  });
  if (trailers !== undefined) frames.push(frame(HEADERS, END_HEADERS | END_STREAM, stream, block(trailers)));
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
        t.after(() => client.socket.destroy());
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

test('a field that would be two lines in HTTP/1.1 never becomes them', async (t) => {
  const site = await Site.open(t, { app: { versions: { v1: [] } } });
  for (const { name, field } of SPLITTING) {
    await t.test(name, async (t) => {
      const origin = await record(t);
      site.adopt({ app: { versions: { v1: [origin.address] } } });
      const client = await Framed.open(site.address);
      t.after(() => client.socket.destroy());
      client.say(frame(HEADERS, END_HEADERS | END_STREAM, 1, block(request([field]))));
      await client.outcome(1);
      assert.doesNotMatch(origin.raw, /evil/);
    });
  }
});

for (const [name, announced, body] of [
  ['longer than its length', '3', 'abcdef'],
  ['shorter than its length', '9', 'abc'],
] as const) {
  test(`a body ${name} is never given to an origin as a whole one`, async (t) => {
    const origin = await record(t);
    const site = await Site.open(t, { app: { versions: { v1: [origin.address] } } });
    const client = await Framed.open(site.address);
    t.after(() => client.socket.destroy());
    client.say(
      frame(
        HEADERS,
        END_HEADERS,
        1,
        block(
          request([
            [':method', 'POST'],
            ['content-length', announced],
          ]),
        ),
      ),
      frame(DATA, END_STREAM, 1, body),
    );
    const outcome = await client.outcome(1);
    assert.notEqual(outcome.status, '200');
    assert.doesNotMatch(origin.raw, /\r\n\r\n.../);
  });
}
