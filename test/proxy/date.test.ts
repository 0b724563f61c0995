import assert from 'node:assert/strict';
import http2 from 'node:http2';
import { type TestContext, test } from 'node:test';
import { DateLine } from '../../src/proxy/dateline.ts';
import { asked } from '../support/asked.ts';
import { HandClock } from '../support/clock.ts';
import { atEnd } from '../support/end.ts';
import { always, Origin } from '../support/origin.ts';
import { once } from '../support/patience.ts';
import { get, Site, type SiteOptions } from '../support/site.ts';

/** What the clock of a site says before it is wound. */
const NOON = 'Thu, 01 Jan 2026 12:00:00 GMT';

/** A site whose endpoint answers with the body `ok`, and no date. */
async function open(t: TestContext, options: SiteOptions = {}): Promise<Site> {
  const origin = await Origin.open(t, always('ok'));
  return Site.open(
    t,
    { app: { match: [{ host: 'a.example' }], versions: { v: [origin.address] } } },
    options,
  );
}

async function fieldsOverHttp2(
  t: TestContext,
  site: Site,
  asked: http2.OutgoingHttpHeaders,
): Promise<http2.IncomingHttpHeaders> {
  const session = http2.connect(`http://${site.address}`);
  atEnd(t, () => session.destroy());
  const [fields] = await once(session.request(asked), 'response');
  return fields as http2.IncomingHttpHeaders;
}

test('the date is written anew when the second has changed', () => {
  const clock = new HandClock();
  const date = new DateLine(clock);
  assert.equal(date.line, `date: ${NOON}\r\n`);
  clock.wind(999);
  assert.equal(date.line, `date: ${NOON}\r\n`);
  clock.wind(1);
  assert.equal(date.line, 'date: Thu, 01 Jan 2026 12:00:01 GMT\r\n');
});

test('every answer of our own says when it was made', async (t) => {
  const site = await open(t);
  for (const [request, status] of [
    ['GET / HTTP/1.1\r\nhost: other\r\n\r\n', 421],
    ['GET / HTTP/1.1\r\n\r\n', 400],
    ['TRACE / HTTP/1.1\r\nhost: a.example\r\n\r\n', 405],
    ['OPTIONS * HTTP/1.1\r\nhost: a.example\r\n\r\n', 204],
  ] as const) {
    const client = await site.connect();
    client.say(request);
    const answer = await client.message();
    assert.match(answer.line, new RegExp(` ${status} `));
    assert.equal(answer.field('date'), NOON, `${status}`);
  }
});

test('a redirect to https, and what a connection is told that is one too many, have a date', async (t) => {
  const site = await open(t, { speech: { httpsRedirect: 443 }, settings: { limits: { connections: 1 } } });
  const client = await site.connect();
  client.say(get());
  const answer = await client.message();
  assert.deepEqual([answer.line.split(' ')[1], answer.field('date')], ['308', NOON]);
  const turnedAway = await (await site.connect()).message();
  assert.deepEqual([turnedAway.line.split(' ')[1], turnedAway.field('date')], ['503', NOON]);
});

test('an endpoint’s date is passed on, and one is added where it has none', async (t) => {
  const { client, peer } = await asked(t);
  peer.say('HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n');
  assert.equal(await client.take('\r\n\r\n'), 'HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n');
  const own = 'Sun, 06 Nov 1994 08:49:37 GMT';
  peer.say(`HTTP/1.1 200 OK\r\nDate: ${own}\r\ncontent-length: 0\r\n\r\n`);
  assert.equal((await client.message()).field('date'), own);
  client.say(get());
  await peer.message();
  peer.say('HTTP/1.1 304 Not Modified\r\netag: "1"\r\n\r\n');
  assert.equal((await client.message()).field('date'), NOON);
});

test('over HTTP/2 it is the same', async (t) => {
  const site = await open(t);
  for (const [asked, status] of [
    [{ ':authority': 'a.example' }, 200],
    [{ ':authority': 'other' }, 421],
    [{ ':authority': 'a.example', ':method': 'TRACE' }, 405],
    [{ ':authority': 'a.example', ':method': 'OPTIONS', ':path': '*' }, 204],
  ] as const) {
    const fields = await fieldsOverHttp2(t, site, asked);
    assert.deepEqual([fields[':status'], fields.date], [status, NOON]);
  }
});
