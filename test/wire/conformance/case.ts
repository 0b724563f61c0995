import { readFileSync } from 'node:fs';

/** Raw bytes sent to a proxy, and what may come of them. In every `bytes` one character is one byte. */
export interface Case {
  readonly id: string;
  readonly group: string;
  readonly title: string;
  /** Where the idea comes from: a suite, a CVE, a talk. */
  readonly source: string;
  readonly rfc: string;
  /** `policy`: a product decision rather than a rule of the protocol. */
  readonly level: 'must' | 'should' | 'robust' | 'policy';
  /** Verdicts that are right. */
  readonly accept: readonly string[];
  /** Verdicts that are legal or common, but weaker. */
  readonly tolerate?: readonly string[];
  /** What the client does, step by step. */
  readonly send: readonly Packet[];
  /** What the origin does with the request of the case; without it, an echo of what it read. */
  readonly origin?: Script;
  /** `response`: the case is about what the client is given, not about what the origin is sent. */
  readonly side?: 'response';
  /** The methods of the requests, which decide how answers are framed. Default GET. */
  readonly methods?: readonly string[];
  readonly expectRequests?: number;
  readonly expectResponses?: number;
  /** The bytes end in the middle of a message, so waiting for more is no fault. */
  readonly incomplete?: boolean;
  /** The origin never delivers the whole answer, so a complete one at the client is a lie. */
  readonly originTruncates?: boolean;
  /** Readers whose deviation the case is about, so their disagreement says nothing. */
  readonly ignoreReaders?: readonly string[];
  /** No further request is sent on the client's connection. */
  readonly noFollow?: boolean;
  /** Milliseconds after which no answer counts as none. */
  readonly timeout?: number;
  /** Milliseconds to wait once the answer is there. */
  readonly settle?: number;
  /** Milliseconds to wait after the client has gone. */
  readonly after?: number;
  readonly severity?: Severity;
  readonly checks?: Checks;
}

export type Severity = 'critical' | 'high' | 'medium' | 'low' | 'policy';

/** One step of the client: wait, then send, then perhaps leave. */
export interface Packet {
  readonly bytes?: string;
  /** Milliseconds to wait first. */
  readonly wait?: number;
  /** Text to wait for in what the proxy has answered, for a while. */
  readonly until?: string;
  /** One byte per packet. */
  readonly bytewise?: boolean;
  readonly times?: number;
  readonly end?: 'fin' | 'rst';
}

/** What the origin does instead of echoing. */
export interface Script {
  /** On a fresh connection, on the head of the case's request, or on the whole of it. */
  readonly when: 'connect' | 'head' | 'complete';
  readonly steps: readonly Packet[];
  readonly end: 'keep' | 'fin' | 'rst' | 'destroy';
  /** Forgets the body it was promised when it answers early. */
  readonly naive?: boolean;
  /** What follows the answer is a tunnel. */
  readonly tunnel?: boolean;
  /** How it answers in the tunnel: a WebSocket frame, or not at all. */
  readonly echo?: 'ws' | false;
}

/** What must also be true of the messages at either end. Field names are in lower case. */
export interface Checks {
  readonly originAbsent?: readonly string[];
  readonly originPresent?: readonly string[];
  readonly originEquals?: Readonly<Record<string, string>>;
  readonly originNotContains?: Readonly<Record<string, string>>;
  /** The last member of a list field must not be the one the client sent. */
  readonly originLastNot?: Readonly<Record<string, string>>;
  readonly method?: string;
  readonly target?: string;
  readonly body?: string;
  readonly noTrailer?: readonly string[];
  readonly noMergedHeader?: readonly string[];
  readonly onceAtOrigin?: boolean;
  readonly status?: readonly number[];
  readonly responses?: number;
  readonly clientAbsent?: readonly string[];
  readonly clientPresent?: readonly string[];
  readonly clientBody?: string;
  readonly interim?: readonly number[];
  readonly noInterim?: boolean;
  /** The connection must not be used again. */
  readonly mustClose?: boolean;
  /** The same, if the body was read by Transfer-Encoding although there was a Content-Length. */
  readonly closeIfEmptyBody?: boolean;
  readonly tunnelEcho?: string;
}

/** The cases of `cases.json`, found from the root of the repository. */
export function readCases(): readonly Case[] {
  return JSON.parse(readFileSync('test/wire/conformance/cases.json', 'utf8'));
}

/**
 * The case with what it leaves open filled in, wherever it stands: `{{N}}` the nonce, `{{HOST}}` the proxy, and
 * three kinds of bulk.
 */
export function fill(c: Case, nonce: string, host: string): Case {
  return JSON.parse(JSON.stringify(c), (_, value) =>
    typeof value === 'string' ? expand(value, nonce, host) : value,
  );
}

function expand(text: string, nonce: string, host: string): string {
  return text
    .replaceAll('{{N}}', nonce)
    .replaceAll('{{HOST}}', host)
    .replace(/\{\{REP:([^:}]*):(\d+)\}\}/g, (_, piece: string, times: string) => piece.repeat(Number(times)))
    .replace(/\{\{SEQH:(\d+)\}\}/g, (_, times: string) => series(times, (i) => `X-H${i}: v${i}\r\n`))
    .replace(/\{\{NAMES:(\d+)\}\}/g, (_, times: string) => series(times, (i) => (i ? `,x${i}` : 'x0')));
}

function series(times: string, piece: (index: number) => string): string {
  return Array.from({ length: Number(times) }, (_, index) => piece(index)).join('');
}
