import type { Log } from '../base/log.ts';
import { own } from '../base/own.ts';
import type { Circumstances } from '../gates/circumstances.ts';
import { awaitGate } from '../gates/gate.ts';
import type { ApprovalLinks, Offer } from '../gates/links.ts';
import { noticeOf, subscribersOf } from '../gates/notice.ts';
import type { Notifier } from '../gates/notifier.ts';
import { decommission } from '../gates/webhook.ts';
import type { World } from '../gates/world.ts';
import type { RolloutEvent } from '../model/event.ts';
import type { Subscriber } from '../model/notification.ts';
import type { Errand, Rollout } from '../model/rollout.ts';
import type { State } from '../model/state.ts';
import { gateOf } from '../rollout/doors.ts';
import { isEnded } from '../rollout/move.ts';

export interface ErrandsParts {
  state(): State;
  readonly world: World;
  readonly notifier: Pick<Notifier, 'tell' | 'close'>;
  readonly links: Pick<ApprovalLinks, 'offers'>;
  /** Who is told of every rollout, besides those that a plan names. */
  subscribers(): readonly Subscriber[];
  readonly log: Log;
}

/** An errand that runs, or has been run and is not reported yet. */
interface Run {
  readonly rollout: string;
  readonly stop: AbortController;
  readonly over: Promise<void>;
  /** What a gate that stays shut has said, and its name. */
  heard?: readonly [gate: string, says: string];
  /** What there is to say of it, until it stands in the rollout no more. */
  report?: RolloutEvent;
}

/**
 * What rollouts want done in the world: gates asked, people told, hooks called. It runs outside the loop and
 * comes back as events. An errand stands in the truth until it is reported, so one that a crash has cut short is
 * run again, under the same id.
 */
export class Errands {
  readonly #parts: ErrandsParts;
  readonly #runs = new Map<string, Run>();

  constructor(parts: ErrandsParts) {
    this.#parts = parts;
  }

  /** Starts the errands that are new, and gives up those that nobody wants any more. */
  attend(): void {
    const { rollouts = {} } = this.#parts.state();
    const wanted = new Set<string>();
    for (const rollout of Object.values(rollouts)) {
      for (const errand of rollout.errands) {
        wanted.add(errand.id);
        if (!this.#runs.has(errand.id)) this.#start(rollout, errand);
      }
    }
    for (const [id, { stop }] of this.#runs) {
      if (wanted.has(id)) continue;
      stop.abort();
      this.#runs.delete(id);
    }
  }

  /** What has come of a rollout's errands. Said again until it has been taken in. */
  reports(rollout: string): readonly RolloutEvent[] {
    return [...this.#runs.values()].flatMap((run) =>
      run.rollout === rollout && run.report !== undefined ? [run.report] : [],
    );
  }

  /** Why gates that are being asked stay shut, by name. */
  heard(rollout: string): Readonly<Record<string, string>> {
    return Object.fromEntries(
      [...this.#runs.values()].flatMap((run) =>
        run.rollout === rollout && run.heard !== undefined ? [run.heard] : [],
      ),
    );
  }

  /** Gives up what runs, for another to run it again. */
  rest(): void {
    for (const { stop } of this.#runs.values()) stop.abort();
    this.#runs.clear();
  }

  /** Gives up what runs, for good. */
  async close(): Promise<void> {
    const runs = [...this.#runs.values()];
    this.#parts.notifier.close();
    for (const { stop } of runs) stop.abort();
    await Promise.all(runs.map(({ over }) => over));
  }

  #start({ id: rollout }: Rollout, errand: Errand): void {
    const stop = new AbortController();
    const over = this.#run(rollout, errand, stop.signal).then(
      (report) => {
        const run = this.#runs.get(errand.id);
        if (run !== undefined && report !== undefined && !stop.signal.aborted) run.report = report;
      },
      (err) => {
        if (stop.signal.aborted) return;
        this.#parts.log.error({ err, rollout, errand: errand.id }, 'an errand failed; it is run again');
        this.#runs.delete(errand.id);
      },
    );
    this.#runs.set(errand.id, { rollout, stop, over });
  }

  async #run(id: string, errand: Errand, signal: AbortSignal): Promise<RolloutEvent | undefined> {
    const { world, notifier, subscribers, log } = this.#parts;
    const circumstances = () => this.#circumstances(id, errand.id);
    const done: RolloutEvent = { type: 'done', errand: errand.id };
    const { rollout } = circumstances();
    switch (errand.type) {
      case 'notify': {
        const told = [...subscribersOf(rollout.plan), ...subscribers()];
        // What is lost has been logged and counted; only what was cut short is to be told again.
        const delivery = await notifier.tell(noticeOf(errand, rollout, this.#offers(rollout, errand)), told);
        return delivery === 'interrupted' ? undefined : done;
      }
      case 'decommission': {
        const hook = rollout.plan.decommission;
        if (hook === undefined) return done;
        const { answer, says } = await decommission(hook, errand.version, circumstances(), world, signal);
        const fields = { rollout: id, version: errand.version, says };
        if (answer === 'pass') log.info(fields, 'the decommission hook has been called');
        else log.error(fields, 'the decommission hook did not take the call');
        return done;
      }
      case 'gate': {
        const gate = gateOf(rollout.plan, errand.gate);
        if (gate === undefined) return done;
        const { answer, says } = await awaitGate(gate, circumstances, world, signal, (heard) => {
          const run = this.#runs.get(errand.id);
          if (run !== undefined) run.heard = [gate.name, heard.says];
          log.info({ rollout: id, gate: gate.name, says: heard.says }, 'a gate stays shut');
        });
        // At the end an answer changes nothing any more.
        return isEnded(circumstances().rollout.phase)
          ? done
          : { type: 'gate', errand: errand.id, pass: answer === 'pass', says };
      }
    }
  }

  /** Links to approve by. News goes out without them rather than not at all. */
  #offers(rollout: Rollout, { id, news, at }: Extract<Errand, { type: 'notify' }>): readonly Offer[] {
    if (news !== 'approval') return [];
    try {
      return this.#parts.links.offers(rollout, id, Date.parse(at));
    } catch (err) {
      this.#parts.log.error({ err, rollout: rollout.id }, 'no link to approve by can be made');
      return [];
    }
  }

  /** The circumstances of this moment. Throws when there is no such rollout or service any more. */
  #circumstances(id: string, errand: string): Circumstances {
    const state = this.#parts.state();
    const rollout = own(state.rollouts ?? {}, id);
    const service = rollout && own(state.services, rollout.service);
    if (rollout === undefined || service === undefined) throw new Error(`rollout ${id} is gone`);
    return { errand, rollout, service };
  }
}
