import type { Clock } from '../base/clock.ts';
import { reasonOf } from '../base/reason.ts';
import { EMPTY } from '../model/empty.ts';
import type { State } from '../model/state.ts';
import type { Speeches } from '../model/tls.ts';
import { DataPlane } from '../proxy/plane.ts';
import { listenFault } from './fault.ts';
import { loadMeter } from './load.ts';
import { LogFile, type Logger } from './logger.ts';
import { applyState, type Down, type Up } from './messages.ts';

/** How often counts go up, in milliseconds. */
const PERIOD = 200;

/**
 * One data plane at the lower end of the line: does what the primary says, and tells what it saw. It does
 * not know whether the line is a pipe to another process or a call within this one.
 */
export class Worker {
  readonly #tell: (message: Up) => void;
  readonly #clock: Clock;
  readonly #log: Logger;
  #plane: DataPlane | undefined;
  #accessLog: LogFile | undefined;
  /** What was last told, even if it could not be adopted: the next patch builds on it. */
  #state: State = EMPTY;
  #timer: NodeJS.Timeout | undefined;
  #speeches: Speeches = {};
  #drainLimit = 0;
  #left: Promise<void> | undefined;

  constructor(tell: (message: Up) => void, clock: Clock, log: Logger) {
    this.#tell = tell;
    this.#clock = clock;
    this.#log = log;
  }

  /** `handle`: the socket that comes with `listen`. */
  hear(message: Down, handle?: object): void {
    switch (message.type) {
      case 'start':
        this.#start(message);
        return;
      case 'listen':
        // Who leaves would cut off whatever it accepted now.
        if (this.#left === undefined) void this.#listen(message.listener.address, handle);
        return;
      case 'unlisten':
        this.#plane?.unlisten(message.address);
        return;
      case 'patch':
        this.#state = applyState(this.#state, message.patch);
        this.#adopt();
        return;
      case 'stand':
        this.#plane?.stand(message.standings);
        return;
      case 'configure':
        this.#log.setLevel(message.logLevel);
        this.#drainLimit = message.settings.timeouts.drain;
        this.#plane?.configure(message.settings);
        this.#speak(message.speeches);
        return;
      case 'settle':
        void this.#settle(message);
        return;
      case 'reopen':
        this.#accessLog?.reopen();
        return;
      case 'drain':
        void this.leave(message.ms);
    }
  }

  /** Sends up what was counted since the last time. */
  report(): void {
    const counts = this.#plane?.collect() ?? [];
    const unrouted = this.#plane?.collectUnrouted() ?? {};
    const handshakes = this.#plane?.collectHandshakes() ?? {};
    const shed = this.#plane?.collectShed() ?? {};
    const trials = this.#plane?.collectTrials() ?? [];
    this.#tellOutcomes();
    if (trials.length > 0) this.#tell({ type: 'trials', counts: trials });
    const sums = [unrouted, handshakes, shed];
    if (counts.length === 0 && sums.every((each) => Object.keys(each).length === 0)) return;
    this.#tell({ type: 'counts', counts, unrouted, handshakes, shed });
  }

  #tellOutcomes(): void {
    const outcomes = this.#plane?.collectOutcomes() ?? [];
    if (outcomes.length > 0) this.#tell({ type: 'outcomes', outcomes });
  }

  /**
   * Drains for up to `ms` milliseconds, by default as long as the settings say; then come the last counts and
   * the last word.
   */
  leave(ms: number = this.#drainLimit, fault?: string): Promise<void> {
    this.#left ??= this.#leave(ms, fault);
    return this.#left;
  }

  #start({ settings, speeches, logLevel, state, standings }: Extract<Down, { type: 'start' }>): void {
    this.#log.setLevel(logLevel);
    this.#drainLimit = settings.timeouts.drain;
    this.#speeches = speeches;
    try {
      const path = settings.accessLog?.path;
      if (path !== undefined) this.#accessLog = new LogFile(path, this.#log);
      const plane = new DataPlane(settings, {
        clock: this.#clock,
        log: this.#log,
        accessLog: this.#accessLog,
        alarm: () => this.#tellOutcomes(),
        load: loadMeter(),
      });
      plane.stand(standings);
      plane.adopt(state);
      this.#state = state;
      this.#plane = plane;
      this.#timer = setInterval(() => {
        this.report();
        const { pressure, cause } = plane.overload;
        this.#tell({ type: 'alive', pressure, cause, connections: plane.connections });
      }, PERIOD);
      this.#timer.unref();
      this.#tell({ type: 'adopted', revision: plane.revision });
    } catch (fault) {
      void this.leave(0, reasonOf(fault));
    }
  }

  async #listen(address: string, handle: object | undefined): Promise<void> {
    try {
      const bound = await this.#plane?.listen(address, handle, this.#speeches[address]);
      if (bound !== undefined) this.#tell({ type: 'listening', address: bound });
    } catch (fault) {
      const cure = listenFault(fault, address, 'give another address under listen in the config file');
      void this.leave(0, cure.message);
    }
  }

  #speak(speeches: Speeches): void {
    this.#speeches = speeches;
    try {
      this.#plane?.speak(speeches);
    } catch (err) {
      this.#log.error({ err }, 'what is to be spoken at a listener cannot be; it stays as it was');
    }
  }

  #adopt(): void {
    const plane = this.#plane;
    if (plane === undefined) return;
    try {
      plane.adopt(this.#state);
      this.#tell({ type: 'adopted', revision: plane.revision });
    } catch (err) {
      this.#log.error(
        { err, revision: this.#state.revision, serving: plane.revision },
        'a state cannot be compiled; the one before stays in force',
      );
    }
  }

  async #settle({ ask, service, versions }: Extract<Down, { type: 'settle' }>): Promise<void> {
    const plane = this.#plane;
    if (plane === undefined) return;
    const { revision } = plane;
    const lastRequestAt = service === undefined ? undefined : await plane.settled(service, versions);
    this.#tell({ type: 'settled', ask, revision, lastRequestAt });
  }

  async #leave(ms: number, fault: string | undefined): Promise<void> {
    await this.#plane?.drain(ms);
    clearInterval(this.#timer);
    this.report();
    await this.#accessLog?.close();
    this.#tell({ type: 'leaving', fault });
  }
}
