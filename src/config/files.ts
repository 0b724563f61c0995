import { resolve } from 'node:path';
import type { Config } from '../model/settings.ts';
import type { EndpointTls, ListenerTls } from '../model/tls.ts';
import type { Path } from './fault.ts';
import type { Finding } from './finding.ts';
import { type Read, readAuthorities, readPair } from './pem.ts';

/** The config with the path of every PEM file it names made absolute, from `directory`. */
export function absoluteFiles(config: Config, directory: string): Config {
  const at = <T extends { readonly cert?: string; readonly key?: string; readonly ca?: string }>(
    tls: T,
  ): T => ({
    ...tls,
    ...(tls.cert !== undefined && { cert: resolve(directory, tls.cert) }),
    ...(tls.key !== undefined && { key: resolve(directory, tls.key) }),
    ...(tls.ca !== undefined && { ca: resolve(directory, tls.ca) }),
  });
  const listener = (tls: ListenerTls): ListenerTls => ({
    ...tls,
    certificates: tls.certificates.map(at),
    ...(tls.clientCertificates && { clientCertificates: at(tls.clientCertificates) }),
  });
  return {
    ...config,
    listen: config.listen.map((each) => (each.tls ? { ...each, tls: listener(each.tls) } : each)),
    services: mapped(config.services, (service) => ({
      ...service,
      ...(service.tls && { tls: at(service.tls) }),
      versions: mapped(service.versions, (version) =>
        version.tls ? { ...version, tls: at(version.tls) } : version,
      ),
    })),
  };
}

/** What is wrong with the PEM files that a config names, by absolute paths. */
export function fileFindings({ listen, services }: Config): Finding[] {
  return [
    ...listen.flatMap(({ tls }, index) => (tls ? listenerFindings(['listen', index, 'tls'], tls) : [])),
    ...Object.entries(services).flatMap(([name, { tls, versions }]) => [
      ...endpointFindings(['services', name, 'tls'], tls),
      ...Object.entries(versions).flatMap(([version, each]) =>
        endpointFindings(['services', name, 'versions', version, 'tls'], each.tls || undefined),
      ),
    ]),
  ];
}

function listenerFindings(path: Path, { certificates, clientCertificates }: ListenerTls): Finding[] {
  return [
    ...certificates.flatMap(({ cert, key }, index) =>
      finding([...path, 'certificates', index], readPair(cert, key)),
    ),
    ...(clientCertificates
      ? finding([...path, 'clientCertificates', 'ca'], readAuthorities(clientCertificates.ca))
      : []),
  ];
}

function endpointFindings(path: Path, tls: EndpointTls | undefined): Finding[] {
  if (tls === undefined) return [];
  const { ca, cert, key } = tls;
  return [
    ...(ca === undefined ? [] : finding([...path, 'ca'], readAuthorities(ca))),
    ...(cert === undefined || key === undefined ? [] : finding([...path, 'cert'], readPair(cert, key))),
  ];
}

function finding(path: Path, read: Read<unknown>): Finding[] {
  return 'fault' in read ? [{ path, says: read.fault }] : [];
}

function mapped<T>(record: Readonly<Record<string, T>>, change: (value: T) => T): Record<string, T> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(value)]));
}
