import { createHash, hkdfSync, randomBytes, X509Certificate } from 'node:crypto';
import { statSync } from 'node:fs';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { reasonOf } from '../base/reason.ts';
import { type Read, readAuthorities, readPair } from '../config/pem.ts';
import type { Listener } from '../model/settings.ts';
import type { ListenerTls, Speech, Speeches as Spoken, TlsTerms } from '../model/tls.ts';

/** How often files are looked at, ms. One that changed is read at the next look that finds it at rest. */
const LOOK = 2000;

/** A key that seals sessions is used this long, ms: whoever steals it can read no more than that. */
const KEY_AGE = 12 * 3_600_000;

/** A certificate that ends sooner than this is worth a word, ms. */
const SOON = 7 * 86_400_000;

/** Without one of these OpenSSL would leave TLS 1.3 out. */
const TLS13 = 'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256';
const TLS12 =
  'ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305';

/** A certificate in use. */
export interface CertificateStatus {
  readonly file: string;
  /** Seconds since 1970. */
  readonly notAfter: number;
}

/** A listener and where it really is. */
interface Place {
  readonly listener: Listener;
  readonly socket: { readonly address: string };
}

/** What was read for some listeners, good to be adopted. */
interface Reading {
  readonly places: readonly Place[];
  readonly all: Spoken;
  readonly certificates: readonly CertificateStatus[];
  /** How the files looked before they were read. */
  readonly looks: string;
}

/**
 * What is spoken at the listeners, with what their files hold. The primary alone reads them, so all workers
 * show the same certificates and a bad file is told of once; it also makes the key that seals sessions, so
 * a client can come back to any worker.
 */
export class Speeches {
  readonly #clock: Clock;
  readonly #log: Log;
  #reading: Reading = { places: [], all: {}, certificates: [], looks: '' };
  #secret = randomBytes(32);
  #secretSince: number;
  /** How files looked at the last look, and when they last could not be used. */
  #seen = '';
  #refused: string | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(clock: Clock, log: Log) {
    this.#clock = clock;
    this.#log = log;
    this.#secretSince = clock.monotonic();
  }

  get all(): Spoken {
    return this.#reading.all;
  }

  get certificates(): readonly CertificateStatus[] {
    return this.#reading.certificates;
  }

  /** Reads the files of these listeners. Throws, and changes nothing, if they cannot be used. */
  read(places: readonly Place[]): Reading {
    const looks = looksOf(places);
    // By file: the listeners for IPv4 and IPv6 mostly show the same.
    const ends = new Map<string, number>();
    const all: Record<string, Speech> = {};
    for (const { listener, socket } of places) {
      const speech = this.#speechOf(listener);
      all[socket.address] = speech;
      for (const [index, { cert }] of (listener.tls?.certificates ?? []).entries()) {
        const { validTo } = new X509Certificate(speech.tls!.certificates[index]!.cert);
        ends.set(cert, Date.parse(validTo) / 1000);
      }
    }
    const certificates = Array.from(ends, ([file, notAfter]) => ({ file, notAfter }));
    return { places, all, certificates, looks };
  }

  adopt(reading: Reading): void {
    this.#reading = reading;
    this.#seen = reading.looks;
    this.#refused = undefined;
    for (const { file, notAfter } of reading.certificates) {
      if (notAfter * 1000 < this.#clock.now() + SOON)
        this.#log.warn(
          { file, notAfter: new Date(notAfter * 1000) },
          'a certificate ends soon, or has ended',
        );
    }
  }

  /** From now on `changed` is told when files have changed, until `close`. */
  watch(changed: () => void): void {
    this.#timer = setInterval(() => this.#look(changed), LOOK).unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #look(changed: () => void): void {
    const { places, looks } = this.#reading;
    const old = this.#clock.monotonic() - this.#secretSince > KEY_AGE;
    if (old) {
      this.#secret = randomBytes(32);
      this.#secretSince = this.#clock.monotonic();
    }
    const now = looksOf(places);
    const written = now === this.#seen && now !== looks && now !== this.#refused;
    this.#seen = now;
    if (!written && !old) return;
    try {
      this.adopt(this.read(places));
      changed();
      if (written) this.#log.info({ files: this.certificates }, 'certificates are read again');
    } catch (fault) {
      this.#refused = now;
      this.#log.error({ fault: reasonOf(fault) }, 'certificates cannot be read again; those before stay');
    }
  }

  #speechOf({ address, tls, httpsRedirect, proxyProtocol, http2 = true }: Listener): Speech {
    return {
      tls: tls && this.#termsOf(address, tls),
      proxyFrom: proxyProtocol?.from,
      httpsRedirect,
      http2,
    };
  }

  #termsOf(address: string, tls: ListenerTls): TlsTerms {
    const { certificates, minVersion = '1.2', ciphers = TLS12, clientCertificates, hsts } = tls;
    const ca = clientCertificates && sound(readAuthorities(clientCertificates.ca));
    const required = clientCertificates?.required ?? true;
    // A session is good for what was shown when it began; so one of another listener or authority must not open here.
    const bound = createHash('sha256')
      .update(`${address} ${required} ${ca ?? ''}`)
      .digest();
    return {
      certificates: certificates.map(({ cert, key }) => sound(readPair(cert, key))),
      minVersion,
      ciphers: `${TLS13}:${ciphers}`,
      clients: ca === undefined ? undefined : { ca, required, forward: clientCertificates?.forward ?? false },
      hsts: hsts === undefined ? '' : hstsLine(hsts),
      ticketKey: Buffer.from(hkdfSync('sha256', this.#secret, '', bound, 48)).toString('hex'),
    };
  }
}

function hstsLine({ maxAge, includeSubDomains, preload }: NonNullable<ListenerTls['hsts']>): string {
  return `strict-transport-security: max-age=${maxAge}${includeSubDomains ? '; includeSubDomains' : ''}${preload ? '; preload' : ''}\r\n`;
}

function sound<T>(read: Read<T>): T {
  if ('fault' in read) throw new Error(read.fault);
  return read.ok;
}

/** How the files of these listeners look from outside: other when one was written, moved or linked anew. */
function looksOf(places: readonly Place[]): string {
  const files = places.flatMap(({ listener: { tls } }) => [
    ...(tls?.certificates ?? []).flatMap(({ cert, key }) => [cert, key]),
    ...(tls?.clientCertificates ? [tls.clientCertificates.ca] : []),
  ]);
  return files
    .map((file) => {
      const stat = statSync(file, { throwIfNoEntry: false });
      return stat === undefined ? 'gone' : `${stat.ino} ${stat.size} ${stat.mtimeMs}`;
    })
    .join(', ');
}
