import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import type { KeyPair } from '../model/tls.ts';

/**
 * What PEM files hold, and why they will not do. Nothing here throws, and no sentence tells anything of a
 * private key.
 */

/** What was to be read, or why it could not be, in a sentence that names the file. */
export type Read<T> = { readonly ok: T } | { readonly fault: string };

/** A certificate and the key that belongs to it. */
export function readPair(cert: string, key: string): Read<KeyPair> {
  const certificate = read(cert);
  if ('fault' in certificate) return certificate;
  const secret = read(key);
  if ('fault' in secret) return secret;
  const pair = { cert: certificate.ok, key: secret.ok };
  let leaf: X509Certificate;
  try {
    leaf = new X509Certificate(pair.cert);
  } catch {
    return { fault: `${cert} holds no certificate; it takes PEM, -----BEGIN CERTIFICATE-----` };
  }
  try {
    const owned = leaf.checkPrivateKey(createPrivateKey(pair.key));
    if (!owned) return { fault: `${key} is not the key of ${cert}; give the one it was made with` };
  } catch {
    return {
      fault: `${key} holds no private key that can be used; it takes PEM, -----BEGIN PRIVATE KEY-----, without a passphrase`,
    };
  }
  const fault = contextFault(pair);
  return fault === undefined ? { ok: pair } : { fault: `${cert}: ${fault}` };
}

/** Certificates of authorities. */
export function readAuthorities(path: string): Read<string> {
  const text = read(path);
  if ('fault' in text) return text;
  try {
    new X509Certificate(text.ok);
  } catch {
    return { fault: `${path} holds no certificate; it takes PEM, -----BEGIN CERTIFICATE-----` };
  }
  const fault = contextFault({ ca: text.ok });
  return fault === undefined ? text : { fault: `${path}: ${fault}` };
}

/** Why OpenSSL knows nothing of this cipher list, or undefined if it does. */
export function ciphersFault(ciphers: string): string | undefined {
  return contextFault({ ciphers });
}

function read(path: string): Read<string> {
  try {
    return { ok: readFileSync(path, 'utf8') };
  } catch (error) {
    return { fault: `${path} cannot be read: ${says(error)}` };
  }
}

function contextFault(options: Parameters<typeof createSecureContext>[0]): string | undefined {
  try {
    createSecureContext(options);
    return undefined;
  } catch (error) {
    return says(error);
  }
}

function says(error: unknown): string {
  if (error instanceof Error && 'reason' in error) return String(error.reason);
  return error instanceof Error ? error.message : String(error);
}
