import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { KeyPair } from '../../src/model/tls.ts';
import { atEnd } from './end.ts';
import { insist } from './need.ts';

/** A key pair, and the files it is in. */
export interface Filed extends KeyPair {
  readonly certFile: string;
  readonly keyFile: string;
}

/** An authority of the test's own: made when the test runs, so nothing ever expires. */
export class Authority {
  readonly directory: string;
  readonly file: string;
  readonly cert: string;
  #made = 0;

  /** Its files are gone after the test. */
  constructor(t: Pick<TestContext, 'after'>, name = 'Test authority') {
    insist('openssl');
    this.directory = mkdtempSync(join(tmpdir(), 'spillway-tls-'));
    atEnd(t, () => rmSync(this.directory, { recursive: true, force: true }));
    this.file = join(this.directory, 'ca.pem');
    openssl(
      ...['req', '-x509', ...EC, '-nodes', '-days', '2', '-subj', `/CN=${name}`],
      ...['-keyout', join(this.directory, 'ca.key'), '-out', this.file],
    );
    this.cert = readFileSync(this.file, 'utf8');
  }

  /** A certificate for these names (`DNS:a.example`, `IP:127.0.0.1`); the first is the subject too. */
  issue(...names: readonly string[]): Filed {
    return this.#issue(EC, names);
  }

  /** The same with a key of RSA. */
  issueRsa(...names: readonly string[]): Filed {
    return this.#issue(['-newkey', 'rsa:2048'], names);
  }

  #issue(kind: readonly string[], names: readonly string[]): Filed {
    const stem = join(this.directory, `${++this.#made}`);
    const [certFile, keyFile] = [`${stem}.pem`, `${stem}.key`];
    openssl(
      ...['req', '-x509', ...kind, '-nodes', '-days', '2'],
      ...['-subj', `/O=Spillway/CN=${names[0]!.replace(/^\w+:/, '')}`],
      ...['-addext', `subjectAltName=${names.join(',')}`, '-addext', 'basicConstraints=critical,CA:FALSE'],
      ...['-CA', this.file, '-CAkey', join(this.directory, 'ca.key'), '-keyout', keyFile, '-out', certFile],
    );
    return { certFile, keyFile, cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8') };
  }
}

const EC = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'];

function openssl(...args: readonly string[]): void {
  execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] });
}
