import assert from 'node:assert/strict';
import { copyFileSync } from 'node:fs';
import { test } from 'node:test';
import { silent } from '../../src/base/log.ts';
import { systemClock } from '../../src/process/clock.ts';
import { Speeches } from '../../src/process/speeches.ts';
import { Authority } from '../support/certificates.ts';

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
