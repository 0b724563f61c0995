import type { EjectionPolicy, EndpointView, Outcomes, Seat } from '../model/health.ts';
import { type Checked, checked, UNCHECKED } from './checked.ts';
import { ejectionTime, remembered, type Seen } from './ejection.ts';
import type { Finding } from './inquiry.ts';

interface Ejected {
  readonly until: number;
  /** Sound probes in a row that end it before. */
  readonly enough: number;
  /** Those there have been. */
  readonly sound: number;
  readonly says: string;
}

/** One address of a version's endpoint, and all that is known of how it does. Times are monotonic ms. */
export class Member {
  readonly endpoint: string;
  /** Left out: where the endpoint says. */
  readonly address: string | undefined;
  readonly probes = { sound: 0, failed: 0 };
  ejections = 0;
  used = true;
  /** When it came, or came back, into use beside others; undefined if it was there from the beginning. */
  back: number | undefined;
  /** What came of requests in this interval. */
  window: Seen = NOTHING;
  #checked: Checked = UNCHECKED;
  #finding: Finding | undefined;
  #ejected: Ejected | undefined;
  /** Ejections that still count, and since when there was none. */
  #inARow = 0;
  #quietSince = 0;

  constructor({ endpoint, address }: Pick<Outcomes, 'endpoint'> & { readonly address?: string | undefined }) {
    this.endpoint = endpoint;
    this.address = address;
  }

  get name(): string {
    return this.address ?? this.endpoint;
  }

  /** Whether probes say that it does not serve. */
  get down(): boolean {
    return this.#checked.up === false;
  }

  get ejected(): boolean {
    return this.#ejected !== undefined;
  }

  /** Why it is not used, if it is not. */
  get out(): Seat['out'] {
    return this.used ? false : this.down ? 'down' : 'ejected';
  }

  get state(): EndpointView['state'] {
    if (this.down) return 'down';
    if (this.ejected) return 'ejected';
    return this.#checked.up === undefined ? 'unknown' : 'up';
  }

  get says(): string {
    if (!this.down && this.#ejected !== undefined) return this.#ejected.says;
    if (this.#finding !== undefined) return this.#finding.says;
    return this.ejections === 0 ? 'it was not probed' : 'its time alone is over';
  }

  found(finding: Finding, now: number, terms: { readonly rise: number; readonly fall: number }): void {
    this.probes[finding.sound ? 'sound' : 'failed']++;
    this.#checked = checked(this.#checked, finding.sound, terms);
    // One that does not change the state does not explain it either.
    if (this.#checked.up === finding.sound) this.#finding = finding;
    if (this.#ejected === undefined) return;
    const sound = finding.sound ? this.#ejected.sound + 1 : 0;
    if (sound >= this.#ejected.enough) this.#release(now);
    else this.#ejected = { ...this.#ejected, sound };
  }

  /** Nobody probes it any more: nothing is known of it. */
  unprobed(): void {
    this.#checked = UNCHECKED;
    this.#finding = undefined;
  }

  noted({ requests, errors }: Seen): void {
    this.window = {
      requests: this.window.requests + requests,
      errors: this.window.errors + errors,
    };
  }

  /** `probes`: so many in a row that find it sound end the first ejection early; undefined if none do. */
  eject(says: string, now: number, policy: EjectionPolicy, probes: number | undefined): void {
    this.#inARow = remembered(this.#inARow, now - this.#quietSince, policy) + 1;
    const time = ejectionTime(this.#inARow, policy);
    // If probes do not see what is wrong, they are to bring it back less and less often.
    const enough = probes === undefined ? Number.POSITIVE_INFINITY : probes * 2 ** (this.#inARow - 1);
    const until = `it is left alone for ${time / 1000} s`;
    const before = probes === undefined ? '' : `, or until ${enough} probes in a row find it sound`;
    this.#ejected = { until: now + time, enough, sound: 0, says: `${says}; ${until}${before}` };
    this.window = NOTHING;
    this.ejections++;
  }

  /** Lets it come back when its time is over. */
  release(now: number): void {
    if (this.#ejected !== undefined && now >= this.#ejected.until) this.#release(now);
  }

  use(used: boolean, now: number): void {
    if (used && !this.used) this.back = now;
    this.used = used;
  }

  #release(now: number): void {
    this.#ejected = undefined;
    this.#quietSince = now;
  }
}

export const NOTHING: Seen = { requests: 0, errors: 0 };
