import assert from 'node:assert/strict';
import { test } from 'node:test';
import { execute } from '../../support/execute.ts';
import { need } from '../../support/need.ts';
import { Origin, ok } from '../../support/origin.ts';
import { Site } from '../../support/site.ts';

/** Programs that nobody here wrote, on a site whose origin tells what it was asked. */
async function site(t: Parameters<typeof Site.open>[0]): Promise<string> {
  const origin = await Origin.open(t, (peer, { line, body }) => peer.say(ok(`${line} ${body.length}`)));
  return (await Site.open(t, { app: { versions: { v1: [origin.address] } } })).address;
}

test('curl is answered, with a body and without', async (t) => {
  if (!need(t, 'curl')) return;
  const url = `http://${await site(t)}/page?x=1`;
  const usual = ['--silent', '--show-error', '--http2-prior-knowledge', '--write-out', ' %{http_version}'];
  assert.equal(await execute('curl', ...usual, url), 'GET /page?x=1 HTTP/1.1 0 2');
  const sent = await execute('curl', ...usual, '--data', 'b'.repeat(100_000), url);
  assert.equal(sent, 'POST /page?x=1 HTTP/1.1 100000 2');
});

test('nghttp is answered on as many streams as it opens', async (t) => {
  if (!need(t, 'nghttp')) return;
  const url = `http://${await site(t)}/`;
  const said = await execute('nghttp', '--multiply=50', url);
  assert.equal(said.match(/GET \/ HTTP\/1\.1 0/g)?.length, 50);
});

test('h2load loses none of its requests', async (t) => {
  if (!need(t, 'h2load')) return;
  const url = `http://${await site(t)}/`;
  const said = await execute('h2load', '--requests=2000', '--clients=10', '--max-concurrent-streams=20', url);
  assert.match(said, /2000 succeeded, 0 failed, 0 errored/);
});
