import assert from 'node:assert/strict';
import { copyFile, rename, writeFile } from 'node:fs/promises';
import { type TestContext, test } from 'node:test';
import type { Config } from '../../src/model/settings.ts';
import { Authority, type Filed } from '../support/certificates.ts';
import { execute } from '../support/execute.ts';
import { need } from '../support/need.ts';
import { until } from '../support/patience.ts';
import { connectSecurely } from '../support/secure.ts';
import { Load } from './load.ts';
import { named, type Site, shop, startSite } from './site.ts';

/** Connections made in a row: with two workers, both are met. */
const ROUND = 24;

/** Who comes for one request and leaves, again and again; and whose certificate each of them was shown. */
class Newcomers {
  readonly failures: string[] = [];
  total = 0;
  readonly #ask: () => Promise<string>;
  #stopped = false;
  #running: Promise<void> | undefined;

  constructor(ask: () => Promise<string>) {
    this.#ask = ask;
  }

  start(): void {
    this.#running = (async () => {
      for (; !this.#stopped; this.total++)
        await this.#ask().catch((fault: unknown) => this.failures.push(String(fault)));
    })();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }
}

/** Asks on a connection of its own, and tells whom the certificate names. */
async function visit(site: Site, ca: Authority): Promise<string> {
  const peer = await connectSecurely(new URL(site.proxy).host, { ca: ca.cert, servername: 'shop.example' });
  peer.say('GET / HTTP/1.1\r\nhost: shop.example\r\nconnection: close\r\n\r\n');
  const { line } = await peer.message();
  assert.match(line, / 200 /);
  const name = peer.tls.getPeerCertificate().subject.CN;
  peer.socket.destroy();
  return String(name);
}

/** Every new connection is shown this one's certificate, at whichever worker. */
async function shown(site: Site, ca: Authority, name: string): Promise<void> {
  await until(async () => {
    const names = new Set<string>();
    for (let turn = 0; turn < ROUND; turn++) names.add(await visit(site, ca));
    return names.size === 1 && names.has(name);
  });
}

/** Puts a certificate and its key where another is served from, as those who renew certificates do. */
async function put(fresh: Filed, served: Filed): Promise<void> {
  for (const file of ['keyFile', 'certFile'] as const) {
    await copyFile(fresh[file], `${served[file]}.new`);
    await rename(`${served[file]}.new`, served[file]);
  }
}

async function secureShop(
  t: TestContext,
  tls: NonNullable<Config['listen'][number]['tls']>,
): Promise<{ site: Site; config: Config }> {
  const config = shop(await named(t, 'stable'), await named(t, 'canary'), {
    listen: [{ address: '127.0.0.1:0', tls }],
  });
  return { site: await startSite(t, config), config };
}

test('certificates are swapped under load: nobody notices but who comes later, and a bad file changes nothing', async (t) => {
  const ca = new Authority(t);
  const issue = (name: string) => ca.issue(`DNS:${name}.example`, 'DNS:shop.example');
  const served = issue('first');
  const { site, config } = await secureShop(t, {
    certificates: [{ cert: served.certFile, key: served.keyFile }],
  });
  const load = new Load(site.proxy, { secure: { ca: ca.cert, servername: 'shop.example' } });
  const newcomers = new Newcomers(() => visit(site, ca));
  await load.start();
  newcomers.start();
  await shown(site, ca, 'first.example');

  // Found by looking.
  await put(issue('second'), served);
  await site.logged('certificates are read again');
  await shown(site, ca, 'second.example');

  // Told by a signal.
  await put(issue('third'), served);
  await site.reload(config, 'the config is reloaded');
  await shown(site, ca, 'third.example');

  // Half a file: found by looking, and told by a signal.
  await writeFile(served.certFile, '-----BEGIN CERTIFICATE-----\nMIIB');
  const found = await site.logged('certificates cannot be read again; those before stay');
  assert.match(String(found['fault']), new RegExp(`^${served.certFile} holds no certificate`));
  const told = await site.reload(config, 'the config is not reloaded; nothing has changed');
  assert.match(
    JSON.stringify(told['faults'] ?? told['err']),
    new RegExp(`${served.certFile} holds no certificate`),
  );
  await shown(site, ca, 'third.example');

  await put(issue('fourth'), served);
  await shown(site, ca, 'fourth.example');

  await load.answered(load.total + 200);
  await load.stop();
  await newcomers.stop();
  assert.deepEqual(load.failures, []);
  assert.deepEqual(newcomers.failures, []);
  t.diagnostic(
    `${load.total} requests on connections as old as the first certificate, ${newcomers.total} on new ones`,
  );
});

test('curl is served by name, refuses the certificate of another, and needs one of its own where one is demanded', async (t) => {
  if (!need(t, 'curl')) return;
  const ca = new Authority(t);
  const [shopPair, apiPair] = [ca.issue('DNS:shop.example'), ca.issue('DNS:*.api.example')];
  const certificates = [shopPair, apiPair].map(({ certFile, keyFile }) => ({ cert: certFile, key: keyFile }));
  const curl = async (site: Site, host: string, ...more: string[]) => {
    const { port } = new URL(site.proxy);
    const usual = ['--silent', '--show-error', '--cacert', ca.file, '--resolve', `${host}:${port}:127.0.0.1`];
    return execute('curl', ...usual, ...more, `https://${host}:${port}/`).catch(
      ({ code }: { code: number }) => code,
    );
  };

  const { site: open } = await secureShop(t, { certificates });
  for (const protocol of ['--http1.1', '--http2'])
    for (const host of ['shop.example', 'v1.api.example'])
      assert.equal(await curl(open, host, protocol), 'stable', `${protocol} ${host}`);
  const NO_SUCH_NAME = 60;
  assert.equal(await curl(open, 'other.example'), NO_SUCH_NAME);

  const { site: closed } = await secureShop(t, { certificates, clientCertificates: { ca: ca.file } });
  const [own, foreign] = [
    ca.issue('DNS:curl.example'),
    new Authority(t, 'Another').issue('DNS:curl.example'),
  ];
  const showing = ({ certFile, keyFile }: Filed) => ['--cert', certFile, '--key', keyFile];
  assert.equal(await curl(closed, 'shop.example', ...showing(own)), 'stable');
  assert.equal(typeof (await curl(closed, 'shop.example')), 'number');
  assert.equal(typeof (await curl(closed, 'shop.example', ...showing(foreign))), 'number');
});

test('h2load loses none of its requests, by TLS and in plain, in HTTP/2 and 1.1', async (t) => {
  if (!need(t, 'h2load')) return;
  const served = new Authority(t).issue('DNS:shop.example');
  const config = shop(await named(t, 'stable'), await named(t, 'canary'), {
    listen: [
      {
        address: '127.0.0.1:0',
        tls: { certificates: [{ cert: served.certFile, key: served.keyFile }] },
      },
      { address: '127.0.0.1:0' },
    ],
  });
  const site = await startSite(t, config);
  const addresses = await until(async () => {
    const heard = site.lines.filter(({ msg }) => msg === 'listening').map((line) => String(line['address']));
    return heard.length === 2 ? heard : undefined;
  });
  const load = async (url: string, ...more: string[]) => {
    const size = ['--requests=500', '--clients=10', '--max-concurrent-streams=10'];
    const said = await execute('h2load', ...size, ...more, url);
    assert.match(said, /500 succeeded, 0 failed, 0 errored/);
    return /^Application protocol: (\S+)$/m.exec(said)?.[1];
  };
  const [secure, plain] = addresses as [string, string];
  assert.equal(await load(`https://${secure}/`), 'h2');
  assert.equal(await load(`https://${secure}/`, '--h1'), 'http/1.1');
  assert.equal(await load(`http://${plain}/`), 'h2c');
  assert.equal(await load(`http://${plain}/`, '--h1'), 'http/1.1');
});
