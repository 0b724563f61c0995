import { own } from '../base/own.ts';
import type { TrialCounts } from '../model/evidence.ts';
import type { Service } from '../model/state.ts';
import { type TrialArm, TrialRecorder } from './trial.ts';

/** The trials of this process, one a service at most. */
export class Trials {
  /** By service. */
  #recorders = new Map<string, TrialRecorder>();
  /** Of a table that is not in force yet, and may never be. */
  #coming = new Map<string, TrialRecorder>();

  get any(): boolean {
    return this.#recorders.size > 0;
  }

  /** A table is about to be compiled. One that could not be leaves nothing behind. */
  begin(): void {
    this.#coming = new Map();
  }

  /**
   * Who counts for a version by a service's document; undefined without a trial that it is in. Weights may
   * change within an epoch; another epoch begins with nothing. `now`: monotonic ms.
   */
  arm(name: string, version: string, { trial, split }: Service, now: number): TrialArm | undefined {
    if (trial === undefined) return undefined;
    const known = [this.#recorders.get(name), this.#coming.get(name)].find(
      (each) => each?.trial.rollout === trial.rollout && each.trial.epoch === trial.epoch,
    );
    const recorder = known ?? new TrialRecorder(trial, now);
    this.#coming.set(name, recorder);
    const weight = (of: string) => own(split.weights, of) ?? 0;
    return recorder.arm(version, weight(trial.candidate), weight(trial.baseline));
  }

  /** The table that was compiled last is in force: trials that it does not have are over. */
  adopt(services: Readonly<Record<string, Service>>): void {
    const all = [...this.#recorders, ...this.#coming];
    this.#recorders = new Map(all.filter(([name]) => own(services, name)?.trial !== undefined));
  }

  /** What every trial counted since the last call. */
  collect(): TrialCounts[] {
    return Array.from(this.#recorders.values(), (recorder) => recorder.collect());
  }
}
