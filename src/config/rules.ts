import { BlockList, isIP } from 'node:net';
import { cidrFault } from '../base/cidr.ts';
import { endpointFault, formatAddress, parseAddress } from '../model/address.ts';
import { EJECTION } from '../model/health.ts';
import { placeOf } from '../model/place.ts';
import { type Config, settingsOf } from '../model/settings.ts';
import type { Match, ServiceConfig } from '../model/state.ts';
import type { EndpointTls } from '../model/tls.ts';
import { weightsFault } from '../model/weights.ts';
import { planOf, strategyNames } from '../rollout/plan.ts';
import { POLICIES, policyOf } from '../rollout/policies.ts';
import { normalisePrefix } from '../routing/path.ts';
import { matchConflict } from '../routing/table.ts';
import type { Path } from './fault.ts';
import type { Finding } from './finding.ts';
import { ciphersFault } from './pem.ts';

/**
 * What a schema cannot say. Every rule is told a config whose shape is sound and returns what it objects to;
 * parts whose shape is not sound are left out of what it is told.
 */
export function ruleFindings(config: Partial<Config>): Finding[] {
  const services = Object.entries(config.services ?? {});
  return [
    ...addresses(config),
    ...speeches(config.listen ?? []),
    ...tokens(config.admin?.tokens ?? []),
    ...links(config.admin?.links),
    ...fleet(config),
    ...subscribers(config.notify ?? []),
    ...strategies(config),
    ...ranges(['trustedProxies'], config.trustedProxies),
    ...services.flatMap(([name, service]) => serviceFindings(['services', name], service)),
    ...matches(services),
    ...circles(config.listen ?? [], services),
  ];
}

function wrong(path: Path, says: string): Finding {
  return { path, says };
}

/** Where to listen: each must be an address, each another one, and admin must not stand open to all. */
function addresses(config: Partial<Config>): Finding[] {
  const listen = config.listen ?? [];
  const { admin } = settingsOf({ ...config, listen }, 1);
  const wanted: Array<{ path: Path; text: string }> = [
    ...listen.map(({ address }, index) => ({ path: ['listen', index, 'address'], text: address })),
    { path: ['admin', 'address'], text: admin.address },
  ];
  const findings: Finding[] = [];
  const taken = new Map<string, Path>();
  for (const { path, text } of wanted) {
    const address = parseAddress(text);
    if (typeof address === 'string') {
      findings.push(wrong(path, `"${text}" is not an address: ${address}`));
      continue;
    }
    const name = formatAddress(address);
    if (taken.has(name)) findings.push(wrong(path, `"${text}" is listened on already; choose another port`));
    // Port 0 is another free port every time.
    else if ('path' in address || address.port !== 0) taken.set(name, path);
    if (path[0] === 'admin' && admin.tokens.length === 0 && !('path' in address) && !isLoopback(address.host))
      findings.push(
        wrong(
          path,
          `"${text}" can be reached from outside, and without admin.tokens everybody would be admin; add tokens, or listen on 127.0.0.1`,
        ),
      );
  }
  return findings;
}

/** What is spoken at the listeners must fit together. */
function speeches(listen: Config['listen']): Finding[] {
  return listen.flatMap(({ tls, httpsRedirect, proxyProtocol }, index) => {
    const path = ['listen', index];
    const findings = ranges([...path, 'proxyProtocol', 'from'], proxyProtocol?.from);
    if (tls !== undefined && httpsRedirect !== undefined)
      findings.push(
        wrong(
          [...path, 'httpsRedirect'],
          'what arrives by TLS is https already and would be sent round in circles; put this on a listener without tls',
        ),
      );
    const fault = tls?.ciphers === undefined ? undefined : ciphersFault(tls.ciphers);
    if (fault !== undefined)
      findings.push(
        wrong([...path, 'tls', 'ciphers'], `this is no list of ciphers: ${fault}; see \`openssl ciphers\``),
      );
    if (tls?.hsts?.preload && (tls.hsts.maxAge < 31_536_000 || !tls.hsts.includeSubDomains))
      findings.push(
        wrong(
          [...path, 'tls', 'hsts', 'preload'],
          'the lists of browsers want includeSubDomains: true and a maxAge of 31536000 or more',
        ),
      );
    return findings;
  });
}

/** How endpoints are spoken to: half a key pair is none, and what is not verified needs no authority. */
function endpointTls(path: Path, tls: EndpointTls | false | undefined): Finding[] {
  if (!tls) return [];
  const { ca, verify, cert, key } = tls;
  const findings: Finding[] = [];
  if ((cert === undefined) !== (key === undefined))
    findings.push(
      wrong(
        [...path, cert === undefined ? 'cert' : 'key'],
        'cert and key belong together; give both or neither',
      ),
    );
  if (verify === false && ca !== undefined)
    findings.push(
      wrong([...path, 'ca'], 'with verify: false nobody asks for it; leave out one or the other'),
    );
  return findings;
}

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');

function isLoopback(host: string): boolean {
  const family = isIP(host);
  return family === 0 ? host === 'localhost' : LOOPBACK.check(host, family === 4 ? 'ipv4' : 'ipv6');
}

function tokens(all: NonNullable<NonNullable<Config['admin']>['tokens']>): Finding[] {
  return all.flatMap(({ name, sha256 }, index) => {
    const before = all.slice(0, index);
    const findings: Finding[] = [];
    if (before.some((other) => other.name === name))
      findings.push(
        wrong(
          ['admin', 'tokens', index, 'name'],
          `another token is named "${name}"; the audit log could not tell them apart, so name it otherwise`,
        ),
      );
    if (before.some((other) => other.sha256 === sha256))
      findings.push(
        wrong(
          ['admin', 'tokens', index, 'sha256'],
          'this is the same token as one before; give everybody a token of their own',
        ),
      );
    return findings;
  });
}

function links(settings: NonNullable<Config['admin']>['links']): Finding[] {
  if (settings === undefined || URL.canParse(settings.url)) return [];
  return [wrong(['admin', 'links', 'url'], 'this is no URL; write it as in https://spillway.example.com')];
}

/** What is said of Redis must fit its URL. */
function fleet({ store, fleet }: Partial<Config>): Finding[] {
  const redis = store?.startsWith('redis') ?? false;
  if (fleet !== undefined && !redis)
    return [
      wrong(
        ['fleet'],
        'without a store in Redis there is no fleet; write store: redis://HOST:PORT, or leave this out',
      ),
    ];
  if (!redis) return [];
  const place = placeOf(store ?? '');
  if (typeof place === 'string') return [wrong(['store'], `this is no Redis: ${place}`)];
  const { ca, cert, key } = fleet ?? {};
  const halved = (cert === undefined) !== (key === undefined);
  return [
    ...(halved
      ? [
          wrong(
            ['fleet', cert === undefined ? 'cert' : 'key'],
            'cert and key belong together; give both or neither',
          ),
        ]
      : []),
    ...((ca ?? cert ?? key) !== undefined && !place.secure
      ? [wrong(['store'], 'certificates are of use with TLS only; write rediss:// for redis://')]
      : []),
  ];
}

function subscribers(all: NonNullable<Config['notify']>): Finding[] {
  return all.flatMap(({ name, url }, index) => {
    const findings: Finding[] = [];
    if (all.slice(0, index).some((other) => other.name === name))
      findings.push(
        wrong(['notify', index, 'name'], `another subscriber is named "${name}"; name it otherwise`),
      );
    if (!url.startsWith('env:') && !URL.canParse(url))
      findings.push(
        wrong(['notify', index, 'url'], 'this is no URL; write it as in https://hooks.example.com/path'),
      );
    return findings;
  });
}

/** Strategies and policies must be ones, under names that stand for nothing else. */
function strategies({ strategies = {}, policies = {} }: Partial<Config>): Finding[] {
  const taken = (path: Path, names: readonly string[], what: string): Finding[] =>
    names.includes(String(path.at(-1)))
      ? [wrong(path, `there is a ${what} of this name already; choose another name`)]
      : [];
  return [
    ...Object.entries(strategies).flatMap(([name, strategy]) => {
      const path = ['strategies', name];
      const plan = planOf(strategy);
      return [
        ...taken(path, strategyNames({}), 'strategy'),
        ...(typeof plan === 'string' ? [wrong(path, plan)] : []),
      ];
    }),
    ...Object.entries(policies).flatMap(([name, request]) => {
      const path = ['policies', name];
      const policy = policyOf(request);
      return [
        ...taken(path, Object.keys(POLICIES), 'policy'),
        ...(typeof policy === 'string' ? [wrong(path, policy)] : []),
      ];
    }),
  ];
}

function ranges(path: Path, list: readonly string[] | undefined): Finding[] {
  return (list ?? []).flatMap((range, index) => {
    const fault = cidrFault(range);
    return fault === undefined
      ? []
      : [wrong([...path, index], `${fault}; write 10.0.0.7, 10.0.0.0/8 or ::1`)];
  });
}

/** h2c is HTTP/2 without TLS and h2 is HTTP/2 with it, whoever says so. */
function protocolFindings(path: Path, protocol: ServiceConfig['protocol'], secured: boolean): Finding[] {
  if (protocol === 'h2c' && secured)
    return [wrong([...path, 'protocol'], 'h2c is spoken without TLS; write h2, or leave out tls')];
  if (protocol === 'h2' && !secured)
    return [wrong([...path, 'protocol'], 'h2 is spoken over TLS; add tls (as in tls: {}), or write h2c')];
  return [];
}

function serviceFindings(path: Path, service: ServiceConfig): Finding[] {
  const findings: Finding[] = [];
  findings.push(...endpointTls([...path, 'tls'], service.tls));
  for (const [name, { endpoints, owner, tls, fallback, protocol }] of Object.entries(service.versions)) {
    const version = [...path, 'versions', name];
    findings.push(...endpointTls([...version, 'tls'], tls));
    const named = (tls ?? service.tls) || undefined;
    findings.push(...protocolFindings(version, protocol ?? service.protocol, named !== undefined));
    if (service.health?.grpc !== undefined && (protocol ?? service.protocol ?? 'http1') === 'http1')
      findings.push(
        wrong(
          [...path, 'health', 'grpc'],
          `version "${name}" is spoken to in HTTP/1.1, and gRPC needs HTTP/2; write protocol: h2c or h2, or ask for a path`,
        ),
      );
    if (named !== undefined && named.verify !== false && named.serverName === undefined)
      for (const [index, endpoint] of endpoints.entries())
        if (endpoint.startsWith('unix:'))
          findings.push(
            wrong(
              [...version, 'endpoints', index],
              'a Unix socket has no name that a certificate could hold; give tls.serverName',
            ),
          );
    if (fallback !== undefined)
      findings.push(...standInFindings([...version, 'fallback'], fallback, service, name));
    for (const [index, endpoint] of endpoints.entries()) {
      const fault = endpointFault(endpoint);
      if (fault !== undefined) findings.push(wrong([...version, 'endpoints', index], fault));
    }
    if (owner !== undefined)
      findings.push(
        wrong([...version, 'owner'], 'a version in a config file belongs to the file; leave "owner" out'),
      );
  }
  const { grpc, path: asked, scheme } = service.health ?? {};
  if (grpc !== undefined && (asked !== undefined || scheme !== undefined))
    findings.push(
      wrong(
        [...path, 'health', 'grpc'],
        'a probe asks one thing, and gRPC in what the version speaks; leave out path and scheme, or grpc',
      ),
    );
  if (service.fallback !== undefined)
    findings.push(...standInFindings([...path, 'fallback'], service.fallback, service));
  const { base = EJECTION.base, longest = EJECTION.longest } = service.ejection ?? {};
  if (base > longest)
    findings.push(
      wrong(
        [...path, 'ejection', 'base'],
        `the first ejection (${base} ms) would be longer than the longest (${longest} ms); lower base, or raise longest`,
      ),
    );
  const unbalanced = weightsFault(service.weights, Object.keys(service.versions));
  if (unbalanced !== undefined) findings.push(wrong([...path, 'weights'], unbalanced));
  if (service.rescue?.to !== undefined)
    findings.push(...standInFindings([...path, 'rescue', 'to'], service.rescue.to, service));
  const header = service.key?.header;
  if (header !== undefined && isReserved(header))
    findings.push(
      wrong(
        [...path, 'key', 'header'],
        `"${header}" belongs to HTTP or to the proxy and says nothing lasting of a client; name a header of your own, such as x-user-id`,
      ),
    );
  findings.push(...ranges([...path, 'override', 'addresses'], service.override?.addresses));
  return findings;
}

/** Who answers in the place of a version has to be another version of the same service. */
function standInFindings(path: Path, name: string, service: ServiceConfig, of?: string): Finding[] {
  const names = Object.keys(service.versions);
  if (name === of) return [wrong(path, `"${name}" cannot stand in for itself; name another version`)];
  return names.includes(name)
    ? []
    : [wrong(path, `there is no version "${name}"; the versions are ${names.join(', ')}`)];
}

/** Headers that frame the message, belong to one hop, or are written by proxies on the way. */
const RESERVED = new Set([
  'connection',
  'content-length',
  'expect',
  'forwarded',
  'host',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

function isReserved(header: string): boolean {
  const name = header.toLowerCase();
  return RESERVED.has(name) || name.startsWith('x-forwarded-') || name.startsWith('x-spillway-');
}

/** Every host and path must be one, and lead to one service only. */
function matches(services: ReadonlyArray<readonly [string, ServiceConfig]>): Finding[] {
  const findings: Finding[] = [];
  const claimed = new Map<string, string>();
  for (const [name, service] of services) {
    for (const [index, match] of service.match.entries()) {
      const path = ['services', name, 'match', index];
      const fault = matchConflict({ [name]: { match: [match] } });
      const claim = claimOf(match);
      const owner = claimed.get(claim) ?? name;
      if (fault !== undefined) findings.push(wrong(path, fault));
      else if (owner !== name)
        findings.push(
          wrong(path, `service "${owner}" has the same host and path; give one of them another host or path`),
        );
      claimed.set(claim, owner);
    }
  }
  return findings;
}

/** The same for all matches that lead the same requests. */
function claimOf({ host = '', path = '/' }: Match): string {
  return `${host.toLowerCase().replace(/\.$/, '')} ${normalisePrefix(path) ?? path}`;
}

/** An endpoint is asked under the host and path that led to it, so one that is ourselves would ask itself for ever. */
function circles(
  listen: Config['listen'],
  services: ReadonlyArray<readonly [string, ServiceConfig]>,
): Finding[] {
  const own = new Set(listen.map(({ address }) => spelt(address)));
  return services.flatMap(([service, { versions }]) =>
    Object.entries(versions).flatMap(([version, { endpoints }]) =>
      endpoints.flatMap((endpoint, index) =>
        own.has(spelt(endpoint))
          ? [
              wrong(
                ['services', service, 'versions', version, 'endpoints', index],
                `"${endpoint}" is listened on here, so requests would go in circles; name the server behind it`,
              ),
            ]
          : [],
      ),
    ),
  );
}

function spelt(text: string): string {
  const address = parseAddress(text);
  return typeof address === 'string' ? text : formatAddress(address);
}
