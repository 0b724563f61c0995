import assert from 'node:assert/strict';
import { copyFileSync } from 'node:fs';
import { test } from 'node:test';
import type tls from 'node:tls';
import { silent } from '../../src/base/log.ts';
import { systemClock } from '../../src/process/clock.ts';
import { Speeches } from '../../src/process/speeches.ts';
import { Authority } from '../support/certificates.ts';
import { HandClock } from '../support/clock.ts';
import { atEnd } from '../support/end.ts';
import { always, Origin } from '../support/origin.ts';
import { patiently } from '../support/patience.ts';
import { connectSecurely } from '../support/secure.ts';
import { get, Site } from '../support/site.ts';

test('the key that seals sessions outlives a new certificate, but neither another authority of clients nor another listener', (t) => {
  const [ca, other] = [new Authority(t), new Authority(t, 'Another authority')];
  const served = ca.issue('DNS:a.example');
  const speeches = new Speeches(systemClock, silent);
  const sealed = (address = '127.0.0.1:443') => {
    const tls = {
      certificates: [{ cert: served.certFile, key: served.keyFile }],
      clientCertificates: { ca: ca.file },
    };
    const { all } = speeches.read([{ listener: { address, tls }, socket: { address } }]);
    return all[address]!.tls!.ticketKey;
  };
  const first = sealed();
  const renewed = ca.issue('DNS:a.example');
  copyFileSync(renewed.certFile, served.certFile);
  copyFileSync(renewed.keyFile, served.keyFile);
  assert.equal(sealed(), first);
  assert.notEqual(sealed('127.0.0.1:444'), first);
  copyFileSync(other.file, ca.file);
  assert.notEqual(sealed(), first);
});

test('a certificate that several listeners show is told of once', (t) => {
  const { certFile: cert, keyFile: key } = new Authority(t).issue('DNS:a.example');
  const speeches = new Speeches(systemClock, silent);
  const { certificates } = speeches.read(
    ['127.0.0.1:443', '[::1]:443'].map((address) => ({
      listener: { address, tls: { certificates: [{ cert, key }] } },
      socket: { address },
    })),
  );
  assert.deepEqual(
    certificates.map(({ file }) => file),
    [cert],
  );
});

test('sessions are resumed at any worker until their key has had its 12 hours, and then begin anew', async (t) => {
  const ca = new Authority(t);
  const { certFile: cert, keyFile: key } = ca.issue('DNS:a.example');
  const clock = new HandClock();
  const speeches = new Speeches(clock, silent);
  atEnd(t, () => speeches.close());
  const address = '127.0.0.1:443';
  const listener = { address, tls: { certificates: [{ cert, key }] } };
  speeches.adopt(speeches.read([{ listener, socket: { address } }]));
  const origin = await Origin.open(t, always('ok'));
  const open = () =>
    Site.open(t, { app: { versions: { v: [origin.address] } } }, { speech: speeches.all[address]! });
  const [first, second] = [await open(), await open()];

  /** One request, on a connection that comes back to a session if there is one. */
  const visit = async (worker: Site, version: tls.SecureVersion, session?: Buffer) => {
    const peer = await connectSecurely(worker.address, {
      ca: ca.cert,
      servername: 'a.example',
      minVersion: version,
      maxVersion: version,
      ...(session && { session }),
    });
    peer.say(get());
    assert.equal((await peer.message()).body, 'ok');
    const resumed = peer.tls.isSessionReused();
    peer.socket.destroy();
    return { resumed, session: peer.session() };
  };
  const versions = ['TLSv1.2', 'TLSv1.3'] as const;
  const old = new Map<string, Buffer>();
  for (const version of versions) {
    old.set(version, (await visit(first, version)).session!);
    assert.equal((await visit(second, version, old.get(version))).resumed, true);
  }

  const sealed = speeches.all[address]!.tls!.ticketKey;
  clock.wind(12 * 3_600_000 + 1);
  await patiently<void>('a new key', (resolve) => speeches.watch(resolve));
  assert.notEqual(speeches.all[address]!.tls!.ticketKey, sealed);
  for (const worker of [first, second]) worker.plane.speak({ [worker.address]: speeches.all[address]! });

  for (const version of versions) {
    const anew = await visit(first, version, old.get(version));
    assert.equal(anew.resumed, false);
    assert.equal((await visit(second, version, anew.session)).resumed, true);
  }
});
