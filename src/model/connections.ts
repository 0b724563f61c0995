/**
 * What is spoken on a connection of a client. `opening`: nothing yet, as a PROXY header or a TLS handshake is waited
 * for.
 */
export const PROTOCOLS = ['http/1.1', 'h2', 'opening'] as const;
export type Protocol = (typeof PROTOCOLS)[number];

/** How many connections speak what. */
export type Spoken = Readonly<Record<Protocol, number>>;
export const NONE: Spoken = { 'http/1.1': 0, h2: 0, opening: 0 };

/** Connections that are open, by the address that they were accepted at. */
export type Connections = Readonly<Record<string, Spoken>>;

/** Those of several workers together. */
export function together(all: readonly Connections[]): Connections {
  const sums: Record<string, Record<Protocol, number>> = {};
  for (const [listener, spoken] of all.flatMap(Object.entries<Spoken>)) {
    const sum = sums[listener] ?? { ...NONE };
    for (const protocol of PROTOCOLS) sum[protocol] += spoken[protocol];
    sums[listener] = sum;
  }
  return sums;
}
