import { X509Certificate } from 'node:crypto';
import type { KeyPair } from '../model/tls.ts';

/** Names and what serves them: an exact name wins over a wildcard, which stands for one label, and the first one is for all others. */
export class Certificates<T> {
  readonly #exact = new Map<string, T>();
  readonly #wildcards = new Map<string, T>();
  readonly first: T;

  constructor(entries: readonly (readonly [names: readonly string[], of: T])[]) {
    this.first = entries[0]![1];
    for (const [names, of] of entries) {
      for (const name of names) {
        const map = name.startsWith('*.') ? this.#wildcards : this.#exact;
        const key = name.startsWith('*.') ? name.slice(1) : name;
        // Of two certificates for one name the earlier serves it.
        if (!map.has(key)) map.set(key, of);
      }
    }
  }

  /** What serves a name, as a client spells it. */
  for(name: string): T {
    const plain = name.toLowerCase().replace(/\.$/, '');
    const dot = plain.indexOf('.');
    return (
      this.#exact.get(plain) ?? (dot < 0 ? undefined : this.#wildcards.get(plain.slice(dot))) ?? this.first
    );
  }
}

/** The host names that a certificate holds: those among its alternative names, or else its common name. */
export function namesOf({ cert }: KeyPair): string[] {
  const { subject, subjectAltName } = new X509Certificate(cert);
  const alternative = [...(subjectAltName ?? '').matchAll(/\bDNS:([^\s,"]+)/g)].map((name) => name[1]!);
  const common = /^CN=(\S+)$/m.exec(subject)?.[1];
  const names = alternative.length > 0 || common === undefined ? alternative : [common];
  return names.map((name) => name.toLowerCase());
}

/**
 * Which certificates are shown under which names: under each the first of every kind of key, such as one of RSA and
 * one of ECDSA, that holds it. Names with the same ones are one offer; that of the first certificate comes first.
 */
export function offers(pairs: readonly KeyPair[]): (readonly [names: readonly string[], KeyPair[]])[] {
  const byName = new Map<string, Map<string, KeyPair>>();
  for (const pair of pairs) {
    const kind = new X509Certificate(pair.cert).publicKey.asymmetricKeyType!;
    const names = namesOf(pair);
    // One without any is for who asks for none.
    for (const name of names.length > 0 ? names : ['']) {
      const kinds = byName.get(name) ?? new Map<string, KeyPair>();
      byName.set(name, kinds);
      if (!kinds.has(kind)) kinds.set(kind, pair);
    }
  }
  const offered = new Map<string, readonly [string[], KeyPair[]]>();
  for (const [name, kinds] of byName) {
    const shown = [...kinds.values()];
    const same = shown.map((pair) => pairs.indexOf(pair)).join();
    if (offered.has(same)) offered.get(same)![0].push(name);
    else offered.set(same, [[name], shown]);
  }
  return [...offered.values()];
}
