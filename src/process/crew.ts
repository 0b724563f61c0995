import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Serving } from '../control/commands.ts';
import type { Evidence } from '../control/evidence.ts';
import type { Totals } from '../metrics/totals.ts';
import type { ServiceList } from '../model/api.ts';
import { type Connections, together } from '../model/connections.ts';
import { EMPTY } from '../model/empty.ts';
import type { Standing } from '../model/health.ts';
import type { Pressure, Resource } from '../model/overload.ts';
import type { Receipt } from '../model/record.ts';
import type { Listener, ProxySettings } from '../model/settings.ts';
import type { State } from '../model/state.ts';
import type { Speeches } from '../model/tls.ts';
import type { Roster } from '../upstream/roster.ts';
import { deathsInARow, restartDelay } from './backoff.ts';
import type { Hand, Hire } from './hand.ts';
import type { Roll } from './health.ts';
import { Inquiry } from './inquiry.ts';
import { type Down, diffState, type Up } from './messages.ts';
import type { Bound } from './sockets.ts';

/** Milliseconds that a worker may take, beyond its time to drain, to say its last word. */
const GRACE = 5_000;

/** How often workers are looked after, in milliseconds. */
const LOOK = 1_000;
/** Who was silent at so many looks in a row is not counted on, and who was at so many is ended. */
const SILENT = 3;
const MOST_SILENT = 10;

/** What every worker is told to be. */
export interface Orders {
  readonly settings: ProxySettings;
  readonly speeches: Speeches;
  readonly logLevel: string;
}

/** Where to accept connections, and from which socket. */
export interface Entrance {
  readonly listener: Listener;
  readonly socket: Bound;
}

export interface CrewOptions {
  /** How many workers, numbered from 1. */
  readonly size: number;
  readonly orders: Orders;
  readonly hire: Hire;
  /** Where counts go. */
  readonly totals: Pick<Totals, 'add' | 'forget'>;
  /** Where it is told who serves, by what truth, and what they saw. */
  readonly evidence: Pick<Evidence, 'follow' | 'join' | 'leave' | 'add' | 'remember'>;
  /** Where it is told what the truth is and what became of requests; it knows how endpoints stand. */
  readonly roster: Pick<Roster, 'follow' | 'note' | 'standings'>;
  readonly clock: Clock;
  readonly log: Log;
}

/** The worker that fills a place. */
interface Filling {
  hand: Hand | undefined;
  revision: number;
  /** It has compiled a table. */
  prepared: boolean;
  /** The addresses at which it accepts connections. */
  open: Set<string>;
  listening: boolean;
  /** How it bears what it has to, and what there is too much of. */
  pressure: Pressure | undefined;
  cause: Resource | undefined;
  /** Of clients, that it has open. */
  connections: Connections;
  /** It has too much to bear, and accepts no connections while others do. */
  relieved: boolean;
}

/** One place in the crew. It stays when the worker that fills it dies. */
interface Place extends Filling {
  readonly number: number;
  /** Looks since it was last heard. They are counted, not timed: a primary that was held up has only itself to blame. */
  silent: number;
  /** Monotonic milliseconds. */
  since: number;
  deaths: number;
  /** What the worker said when it left. */
  fault: string | undefined;
  restart: NodeJS.Timeout | undefined;
}

function vacant(): Filling {
  return {
    hand: undefined,
    revision: 0,
    prepared: false,
    open: new Set(),
    listening: false,
    pressure: undefined,
    cause: undefined,
    connections: {},
    relieved: false,
  };
}

/** The workers as one: tells them the truth, takes in what they counted, and replaces those that die. */
export class Crew implements Serving {
  readonly #options: CrewOptions;
  readonly #places: readonly Place[];
  readonly #unrouted = new Map<string, number>();
  readonly #handshakes = new Map<string, number>();
  readonly #shed = new Map<string, number>();
  readonly #inquiries = new Map<number, { readonly question: Down; readonly inquiry: Inquiry }>();
  #watch: NodeJS.Timeout | undefined;
  #asks = 0;
  #orders: Orders;
  #state: State = EMPTY;
  #phase: 'starting' | 'serving' | 'leaving' = 'starting';
  #entrances: readonly Entrance[] = [];
  /** Who waits for all workers to have come so far. */
  #waiting: { readonly far: (place: Place) => boolean; readonly done: () => void } | undefined;
  #failed: (fault: Error) => void = () => {};
  #emptied: () => void = () => {};

  constructor(options: CrewOptions) {
    this.#options = options;
    this.#orders = options.orders;
    this.#places = Array.from({ length: options.size }, (_, index) => ({
      ...vacant(),
      number: index + 1,
      silent: 0,
      since: 0,
      deaths: 0,
      fault: undefined,
      restart: undefined,
    }));
  }

  /**
   * Starts every worker with the state announced last. Resolves when all of them are ready to serve it; rejects,
   * and ends the others, if one of them leaves before it is.
   */
  async start(): Promise<void> {
    const all = this.#all((place) => place.prepared);
    for (const place of this.#places) this.#fill(place);
    this.#watch = setInterval(() => this.#lookAfter(), LOOK);
    this.#watch.unref();
    await all;
  }

  /**
   * Has every worker accept connections at these entrances, and at no other. Resolves when all of them do;
   * rejects as `start` does if this is the first time.
   */
  async listen(entrances: readonly Entrance[]): Promise<void> {
    const before = this.#entrances;
    this.#entrances = entrances;
    const all = this.#all(
      (place) => this.#serves(place) || (this.#phase === 'serving' && (!place.hand || place.relieved)),
    );
    for (const place of this.#places) {
      for (const { socket } of before) {
        if (entrances.some((each) => each.socket === socket)) continue;
        place.open.delete(socket.address);
        place.hand?.tell({ type: 'unlisten', address: socket.address });
      }
      if (place.relieved) continue;
      this.#admit(
        place,
        entrances.filter((each) => !before.some(({ socket }) => socket === each.socket)),
      );
    }
    this.#look();
    await all;
    if (this.#phase === 'starting') this.#phase = 'serving';
  }

  #all(far: (place: Place) => boolean): Promise<void> {
    return new Promise((done, failed) => {
      this.#waiting = { far, done };
      this.#failed = failed;
    });
  }

  /** Whether it accepts connections wherever it should. */
  #serves({ open }: Place): boolean {
    return this.#entrances.every(({ socket }) => open.has(socket.address));
  }

  #look(): void {
    if (!this.#waiting || !this.#places.every(this.#waiting.far)) return;
    this.#waiting.done();
    this.#waiting = undefined;
  }

  /**
   * Has workers that have too much to bear leave accepting to the others, as long as there are others. If all
   * have, all accept, as a connection that is turned away at once is better off than one that waits.
   */
  #share(): void {
    if (this.#phase === 'leaving') return;
    const able = this.#places.some(
      ({ hand, listening, silent, cause }) => hand && listening && silent < SILENT && cause === undefined,
    );
    for (const place of this.#places) {
      const relieved = able && place.listening && place.cause !== undefined;
      if (relieved === place.relieved) continue;
      place.relieved = relieved;
      if (!relieved) this.#admit(place, this.#entrances);
      else
        for (const { socket } of this.#entrances)
          place.hand?.tell({ type: 'unlisten', address: socket.address });
    }
  }

  #admit(place: Place, entrances: readonly Entrance[]): void {
    for (const { listener, socket } of entrances)
      place.hand?.tell({ type: 'listen', listener: { ...listener, address: socket.address } }, socket.handle);
  }

  announce(state: State): void {
    const patch = diffState(this.#state, state);
    this.#state = state;
    this.#options.evidence.follow(state);
    this.#tellAll({ type: 'patch', patch });
    this.#options.roster.follow(state);
  }

  /** Tells every worker how the endpoints of some versions stand by now. */
  stand(standings: readonly Standing[]): void {
    this.#tellAll({ type: 'stand', standings });
  }

  async receipt(
    revision: number,
    wait: number,
    service?: string,
    left: readonly string[] = [],
  ): Promise<Receipt> {
    const ask = ++this.#asks;
    const question: Down = { type: 'settle', ask, service, versions: left };
    const inquiry = new Inquiry(
      revision,
      this.#places.map((place) => place.number),
      wait,
    );
    this.#inquiries.set(ask, { question, inquiry });
    this.#tellAll(question);
    try {
      return await inquiry.receipt;
    } finally {
      this.#inquiries.delete(ask);
    }
  }

  /** New settings, for the workers of now and those to come. */
  configure(orders: Orders): void {
    this.#orders = orders;
    this.#tellAll({ type: 'configure', ...orders });
  }

  /** Opens the access logs anew, after they were moved away. */
  reopen(): void {
    this.#tellAll({ type: 'reopen' });
  }

  /** The workers that are alive, what each of them serves, and whether it has too much to bear. */
  workers(): ServiceList['workers'] {
    return this.#places.flatMap(({ number, hand, revision, cause }) =>
      hand ? [{ worker: number, pid: hand.pid, revision, ...(cause && { overloaded: cause }) }] : [],
    );
  }

  /** How those bear what they have to that have told. */
  pressures(): { readonly worker: number; readonly pressure: Pressure }[] {
    return this.#places.flatMap(({ number, hand, pressure }) =>
      hand && pressure ? [{ worker: number, pressure }] : [],
    );
  }

  /** Connections of clients that are open, as the workers last told. */
  connections(): Connections {
    return together(this.#places.map(({ connections }) => connections));
  }

  get roll(): Roll {
    const filled = this.#places.filter((place) => place.hand !== undefined && place.prepared);
    const alive = filled.filter(({ silent }) => silent < SILENT);
    return {
      alive: alive.length,
      serving: alive.filter(({ listening }) => listening).length,
      silent: filled.length - alive.length,
      vacant: this.#places.length - filled.length,
    };
  }

  /** Counts since the start that belong to no service, over all workers there ever were. */
  unrouted(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#unrouted);
  }

  /** Handshakes since the start by how they ended, over all workers there ever were. */
  handshakes(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#handshakes);
  }

  /** Connections turned away since the start, by what there was too much of, over all workers there ever were. */
  shed(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#shed);
  }

  /** Resolves when every worker has finished what was in flight, for up to `ms` milliseconds, and left. */
  async drain(ms: number): Promise<void> {
    this.#leave();
    if (this.#empty) return;
    const emptied = new Promise<void>((resolve) => {
      this.#emptied = resolve;
    });
    this.#tellAll({ type: 'drain', ms });
    // A worker that hangs would not even notice that its time is up.
    const late = setTimeout(() => this.kill(), ms + GRACE);
    await emptied;
    clearTimeout(late);
  }

  /** Ends every worker at once, with whatever it has in flight. */
  kill(): void {
    this.#leave();
    for (const place of this.#places) place.hand?.kill();
  }

  /** Ends workers whose loop hangs: they hold connections, accept more, and answer none. */
  #lookAfter(): void {
    for (const place of this.#places) {
      if (!place.hand || !place.prepared) continue;
      if (++place.silent === SILENT) this.#share();
      if (place.silent !== MOST_SILENT) continue;
      const { number, hand } = place;
      this.#options.log.error({ worker: number, pid: hand.pid }, 'a worker hangs, and is ended');
      hand.kill();
    }
  }

  #leave(): void {
    clearInterval(this.#watch);
    this.#phase = 'leaving';
    for (const place of this.#places) clearTimeout(place.restart);
  }

  get #empty(): boolean {
    return this.#places.every((place) => place.hand === undefined);
  }

  #tellAll(message: Down): void {
    for (const place of this.#places) place.hand?.tell(message);
  }

  #fill(place: Place): void {
    place.since = this.#options.clock.monotonic();
    place.fault = undefined;
    place.silent = 0;
    place.hand = this.#options.hire(place.number, {
      heard: (message) => this.#heard(place, message),
      gone: (how) => this.#gone(place, how),
    });
    const standings = this.#options.roster.standings();
    place.hand.tell({ type: 'start', ...this.#orders, state: this.#state, standings });
    this.#admit(place, this.#entrances);
    for (const { question } of this.#inquiries.values()) place.hand.tell(question);
  }

  #heard(place: Place, message: Up): void {
    place.silent = 0;
    switch (message.type) {
      case 'listening':
        place.open.add(message.address);
        if (!place.listening && this.#serves(place)) {
          place.listening = true;
          this.#options.evidence.join(sourceOf(place));
          this.#share();
        }
        this.#look();
        return;
      case 'adopted':
        place.revision = message.revision;
        place.prepared = true;
        this.#look();
        return;
      case 'settled':
        this.#inquiries.get(message.ask)?.inquiry.answer(place.number, message);
        return;
      case 'counts':
        this.#options.totals.add(message.counts, place.number);
        this.#options.evidence.remember(message.counts);
        addUp(this.#unrouted, message.unrouted);
        addUp(this.#handshakes, message.handshakes);
        addUp(this.#shed, message.shed);
        return;
      case 'outcomes':
        this.#options.roster.note(message.outcomes);
        return;
      case 'alive':
        place.pressure = message.pressure;
        place.connections = message.connections;
        if (place.cause === message.cause) return;
        place.cause = message.cause;
        this.#share();
        return;
      case 'trials':
        this.#options.evidence.add(message.counts, sourceOf(place));
        return;
      case 'leaving':
        place.listening = false;
        place.fault = message.fault;
    }
  }

  #gone(place: Place, how: string): void {
    const pid = place.hand?.pid;
    Object.assign(place, vacant());
    this.#options.totals.forget(place.number);
    this.#options.evidence.leave(sourceOf(place));
    this.#look();
    this.#share();
    switch (this.#phase) {
      case 'starting':
        this.#failed(new Error(place.fault ?? `Worker ${place.number} ended before it could serve: ${how}.`));
        this.kill();
        return;
      case 'serving':
        this.#replace(place, pid, how);
        return;
      case 'leaving':
        if (this.#empty) this.#emptied();
    }
  }

  #replace(place: Place, pid: number | undefined, how: string): void {
    const { clock, log } = this.#options;
    place.deaths = deathsInARow(place.deaths, clock.monotonic() - place.since);
    const delay = restartDelay(place.deaths);
    log.warn(
      { worker: place.number, pid, how, fault: place.fault, delay },
      'a worker ended and will be replaced',
    );
    place.restart = setTimeout(() => this.#fill(place), delay);
  }
}

function addUp(sums: Map<string, number>, more: Readonly<Record<string, number>>): void {
  for (const [name, count] of Object.entries(more)) sums.set(name, (sums.get(name) ?? 0) + count);
}

/** By what name the evidence knows who fills a place. */
function sourceOf({ number }: Place): string {
  return `worker ${number}`;
}
