import type { Service, Version } from './state.ts';
import type { EndpointTls, ProxyProtocol } from './tls.ts';

/** How the endpoints of a version are spoken to. */
export interface Wire {
  /** Undefined: in plain. */
  readonly tls: EndpointTls | undefined;
  /** Otherwise HTTP/1.1. */
  readonly http2: boolean;
  /** Undefined: connections begin without a PROXY header. */
  readonly proxyProtocol: ProxyProtocol | undefined;
}

type Said = Pick<Version, 'tls' | 'protocol' | 'proxyProtocol'>;

/** As the version says, or else its service. */
export function wireOf(
  service: Pick<Service, 'tls' | 'protocol' | 'proxyProtocol'>,
  version: Said = {},
): Wire {
  const { tls = service.tls, protocol = service.protocol, proxyProtocol = service.proxyProtocol } = version;
  return {
    tls: tls || undefined,
    http2: protocol === 'h2' || protocol === 'h2c',
    proxyProtocol: proxyProtocol || undefined,
  };
}
