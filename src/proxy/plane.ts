import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { LedgerCounts } from '../model/counts.ts';
import type { ProxySettings } from '../model/settings.ts';
import type { State } from '../model/state.ts';

/** Takes finished access-log lines; must not block. */
export interface LineSink {
  write(line: string): void;
}

export interface World {
  readonly clock: Clock;
  readonly log: Log;
  readonly accessLog: LineSink | undefined;
}

/**
 * The data plane of one process: listeners, connections, pools, ledgers, and the table in force. It knows
 * nothing of workers or of messages; `process/` runs one in every worker, or one inside the primary.
 */
export class DataPlane {
  constructor(_settings: ProxySettings, _world: World) {
    throw new Error('to be written');
  }

  /** The revision being served; 0 before the first state. */
  get revision(): number {
    return 0;
  }

  /** Compiles the state and swaps the table whole. Throws, and changes nothing, if it cannot be compiled. */
  adopt(_state: State): void {}

  /** Takes over new settings (a reload): limits, timeouts, trusted proxies. Listeners are not changed. */
  configure(_settings: ProxySettings): void {}

  /** Accepts connections there. Resolves with the address really bound (port 0 is replaced). */
  async listen(_address: string): Promise<string> {
    return '';
  }

  /**
   * Resolves when no request that was given to one of these versions of the service is still unsent, with
   * the wall-clock time (ms) of the last one sent to any of them by this process, or undefined if none was.
   */
  async settled(_service: string, _versions: readonly string[]): Promise<number | undefined> {
    return undefined;
  }

  /** What every ledger counted since the last call. */
  collect(): LedgerCounts[] {
    return [];
  }

  /** Process-wide counts since the last call that belong to no service. */
  collectUnrouted(): Readonly<Record<string, number>> {
    return {};
  }

  /** Stops accepting, closes idle connections, lets what is in flight finish for up to `ms`, then cuts. */
  async drain(_ms: number): Promise<void> {}
}
