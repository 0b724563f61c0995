import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { output } from './machine.ts';

/** The cipher of everybody's TLS 1.3: with each free to choose, one would be measured at AES-256 and one at AES-128. */
export const CIPHER = 'TLS_AES_128_GCM_SHA256';

/** Files of the certificate that everybody shows. */
export interface KeyPair {
  readonly cert: string;
  readonly key: string;
  /** Both in one, as HAProxy wants them. */
  readonly both: string;
}

/** Makes a certificate with a key on P-256, as most sites have it today. The load generators believe anybody's. */
export function makeKeyPair(directory: string): KeyPair {
  const [cert, key, both] = ['cert.pem', 'key.pem', 'both.pem'].map((file) => join(directory, file)) as [
    string,
    string,
    string,
  ];
  const made = output(
    'openssl',
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'],
    ...['-subj', '/CN=shop.example.com', '-addext', 'subjectAltName=DNS:shop.example.com'],
    ...['-keyout', key, '-out', cert],
  );
  if (made === undefined) throw new Error('openssl is missing, or cannot make a certificate');
  writeFileSync(both, readFileSync(cert, 'latin1') + readFileSync(key, 'latin1'));
  return { cert, key, both };
}
