/** What is done to the house, and what it may cost a client who is there at the time. */
export const FAULTS = {
  /** An endpoint's process ends. Whoever is being answered is cut off; what may be repeated is. */
  killed: { get: ['cut'], post: ['cut', '502', '503', '504'], http2: ['cut'], websocket: ['closed'] },
  /** An endpoint stands still with all its connections. */
  frozen: {
    get: ['cut'],
    post: ['cut', '502', '503', '504'],
    http2: ['cut'],
    websocket: ['closed', 'silent'],
  },
  /** An endpoint breaks off in the middle of its answers. */
  cutting: { get: ['cut'], post: ['cut'], http2: ['cut'], websocket: [] },
  /** An endpoint is slow, but not too slow. */
  slowed: { get: [], post: [], http2: [], websocket: [] },
  /** A worker's process ends, and with it every connection it has. */
  worker: {
    get: ['cut', 'lost'],
    post: ['cut', 'lost'],
    http2: ['cut', 'lost'],
    websocket: ['closed', 'silent', 'lost'],
  },
  /** The config file is read again. */
  reload: { get: [], post: [], http2: [], websocket: [] },
  /** Weights move. */
  shift: { get: [], post: [], http2: [], websocket: [] },
  /** Everybody leaves the canary. Tunnels of it are closed in order. */
  rollback: { get: [], post: [], http2: [], websocket: ['1012'] },
} as const satisfies Record<string, Record<Kind, readonly string[]>>;

export type FaultName = keyof typeof FAULTS;

/** Kinds of clients. */
export type Kind = 'get' | 'post' | 'http2' | 'websocket';

interface Happened {
  readonly fault: FaultName;
  readonly whom: string;
  readonly from: number;
  to: number;
}

/** Something that a client did not get. */
export interface Failure {
  readonly kind: Kind;
  /** `cut`: broken off after its beginning; `lost`: the connection ended before an answer; else as it is named. */
  readonly how: string;
  readonly from: number;
  readonly to: number;
  readonly path: string;
  readonly says: string;
}

/** What the access log says of a request that ended with a fault. */
export interface Logged {
  readonly path: string;
  readonly status: number;
  readonly fault?: string;
}

/** How long after a fault is over its consequences may still arrive, ms: endpoint timeouts, and a busy machine. */
const AFTERMATH = 5_000;

/** A worker writes what it logs every second, more or less, ms; what it has not written is lost when it is killed. */
const UNWRITTEN = 2_000;

/** Faults on one side, failures on the other: none of these may be left without one of those. */
export class Account {
  readonly answered: Record<Kind, number> = { get: 0, post: 0, http2: 0, websocket: 0 };
  readonly failures: Failure[] = [];
  readonly #happened: Happened[] = [];

  /** A fault begins. Returns what ends it. */
  begin(fault: FaultName, whom: string): () => void {
    const happened: Happened = { fault, whom, from: performance.now(), to: Number.POSITIVE_INFINITY };
    this.#happened.push(happened);
    return () => {
      happened.to = performance.now();
    };
  }

  /**
   * The failures that no fault explains, each with what was going on. A reset overtakes what was sent before it, so
   * a client whose answer was broken off may see nothing of its beginning; then the log tells that there was one,
   * unless the worker that would have written it was killed before.
   */
  unexplained(log: readonly Logged[]): readonly object[] {
    const begun = new Set(
      log.filter(({ status, fault }) => status === 200 && fault !== undefined).map(({ path }) => path),
    );
    return this.failures
      .map((failure) =>
        failure.how === 'lost' && (begun.has(failure.path) || this.#unwritten(failure))
          ? { ...failure, how: 'cut' }
          : failure,
      )
      .filter((failure) => !this.#happened.some((happened) => explains(happened, failure)))
      .map((failure) => ({
        ...failure,
        logged: log.filter(({ path }) => path === failure.path),
        meanwhile: this.#happened.filter((happened) => together(happened, failure)),
      }));
  }

  #unwritten({ to }: Failure): boolean {
    return this.#happened.some(
      ({ fault, from }) => fault === 'worker' && to <= from && from <= to + UNWRITTEN,
    );
  }

  /** How often every fault happened, and how often clients failed in which way. */
  summary(): string {
    const faults = tally(this.#happened.map(({ fault }) => fault));
    const failures = tally(this.failures.map(({ kind, how }) => `${kind} ${how}`));
    return `answered ${JSON.stringify(this.answered)}; faults ${faults}; failures ${failures || 'none'}`;
  }
}

function explains(happened: Happened, failure: Failure): boolean {
  const costs: readonly string[] = FAULTS[happened.fault][failure.kind];
  return together(happened, failure) && costs.includes(failure.how);
}

function together({ from, to }: Happened, failure: Failure): boolean {
  return from <= failure.to && failure.from <= to + AFTERMATH;
}

function tally(names: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts].map(([name, count]) => `${name} ${count}`).join(', ');
}
