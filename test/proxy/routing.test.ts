import assert from 'node:assert/strict';
import { test } from 'node:test';
import { always, Origin } from '../support/origin.ts';
import { get, Site } from '../support/site.ts';

test('a host and the longest path lead to a service', async (t) => {
  const names = ['shop', 'api', 'wild', 'rest'];
  const origins = await Promise.all(names.map((name) => Origin.open(t, always(name))));
  const versions = (index: number) => ({ v: [origins[index]!.address] });
  const site = await Site.open(t, {
    shop: { versions: versions(0), match: [{ host: 'shop.example', path: '/' }] },
    api: { versions: versions(1), match: [{ host: 'shop.example', path: '/api' }] },
    wild: { versions: versions(2), match: [{ host: '*.example', path: '/' }] },
    rest: { versions: versions(3), match: [{ path: '/open' }] },
  });
  const client = await site.connect();
  for (const [host, target, name] of [
    ['shop.example', '/', 'shop'],
    ['SHOP.Example:8080', '/', 'shop'],
    ['shop.example', '/api/x?y', 'api'],
    ['shop.example', '/apix', 'shop'],
    ['shop.example', '/x/../api', 'api'],
    ['other.example', '/api', 'wild'],
    ['deep.other.example', '/', 'wild'],
    ['elsewhere', '/open/x', 'rest'],
    ['[::1]:80', '/open', 'rest'],
  ]) {
    client.say(`GET ${target} HTTP/1.1\r\nhost: ${host}\r\n\r\n`);
    assert.equal((await client.message()).body, name, `${host}${target}`);
  }
});

test('an absolute target is routed by its own host and sent on as a path', async (t) => {
  const origin = await Origin.open(t);
  const site = await Site.open(t, {
    app: { versions: { v: [origin.address] }, match: [{ host: 'shop.example', path: '/' }] },
  });
  const client = await site.connect();
  client.say('GET http://Shop.example/x HTTP/1.1\r\nhost: shop.example\r\n\r\n');
  const request = await (await origin.next()).message();
  assert.equal(request.line, 'GET /x HTTP/1.1');
  assert.equal(request.field('host'), 'Shop.example');
});

test('path bytes are matched in normal form and forwarded as they came', async (t) => {
  const origin = await Origin.open(t);
  const site = await Site.open(t, {
    app: { versions: { v: [origin.address] }, match: [{ path: '/caf%C3%A9' }] },
  });
  const client = await site.connect();
  client.say(get('', '/x/../%63af%c3%a9//a%2eb?q=%2e'));
  const request = await (await origin.next()).message();
  assert.equal(request.line, 'GET /x/../%63af%c3%a9//a%2eb?q=%2e HTTP/1.1');
});

test('what no service matches is 404; a host nobody serves is 421', async (t) => {
  const origin = await Origin.open(t, always('x'));
  const site = await Site.open(t, {
    app: { versions: { v: [origin.address] }, match: [{ host: 'a.example', path: '/api' }] },
  });
  assert.match((await site.get('', '/other')).line, / 404 /);
  const client = await site.connect();
  client.say('GET /api HTTP/1.1\r\nhost: b.example\r\n\r\n');
  const answer = await client.message();
  assert.match(answer.line, / 421 /);
  assert.equal(JSON.parse(answer.body).fault, 'misdirected');
  assert.deepEqual(site.plane.collectUnrouted(), { 404: 1, 421: 1 });
  assert.deepEqual(site.plane.collectUnrouted(), {});
  assert.equal(origin.requests, 0);
});

test('a path that another server could read as another service is refused', async (t) => {
  const origin = await Origin.open(t, always('x'));
  const site = await Site.open(t, {
    open: { versions: { v: [origin.address] }, match: [{ path: '/open' }] },
    admin: { versions: { v: [origin.address] }, match: [{ path: '/admin' }] },
  });
  for (const target of ['/open/..%2fadmin', '/open\\..\\admin', '/open/..;/admin', '/open/%zz'])
    assert.match((await site.get('', target)).line, / 400 /, target);
  assert.equal(origin.requests, 0);
});

test('before the first state every request is 404', async (t) => {
  const site = await Site.open(t, {});
  assert.match((await site.get()).line, / 404 /);
});
