import type { Log } from '../base/log.ts';
import { reasonOf } from '../base/reason.ts';
import type { Subscriber } from '../model/notification.ts';
import { retryAfter, retryDelay } from './backoff.ts';
import { NoAnswer } from './fault.ts';
import { bodyOf, type Notice } from './notice.ts';
import { isYes } from './outlet.ts';
import { post } from './post.ts';
import type { World } from './world.ts';

/** What became of a notice. `interrupted`: Spillway is being stopped; whoever goes on should tell it again. */
export type Delivery = 'delivered' | 'lost' | 'interrupted';

/** Tries before a notice is given up: half a minute of pauses, and for a rollback almost twenty. */
const TRIES = 6;
const TRIES_OF_ROLLBACK = 12;
/** Notices of one rollout that may wait for one subscriber. */
const MOST = 100;
/** Below 500, what a receiver says that may be willing in a moment. */
const AGAIN: ReadonlySet<number> = new Set([408, 425, 429]);

/** Why a try has failed, whether another may do better, and how long the receiver wants to be left alone, ms. */
interface Setback {
  readonly why: string;
  readonly again: boolean;
  readonly asked: number;
}

interface Parcel {
  readonly subscriber: Subscriber;
  readonly notice: Notice;
  readonly settle: (delivery: Delivery) => void;
}

/**
 * Tells subscribers what becomes of rollouts. Nobody waits for it: notices queue, one queue for each
 * subscriber and rollout, and are sent one after the other, so that what happened first is heard first and a
 * dead receiver holds up nobody else's news. What is lost is logged and counted, a rollback as an error.
 */
export class Notifier {
  /** Since it was made; a notice counts once for each subscriber. */
  readonly counts = { delivered: 0, lost: 0, lostRollbacks: 0 };
  readonly #world: World;
  readonly #log: Log;
  readonly #lanes = new Map<string, Parcel[]>();
  readonly #stopping = new AbortController();

  constructor(world: World, log: Log) {
    this.#world = world;
    this.#log = log;
  }

  /**
   * Queues a notice for those of the subscribers who want such news. Resolves, and never rejects, when it is
   * known what became of it: with the worst that became of any. It need not be waited for.
   */
  async tell(notice: Notice, subscribers: readonly Subscriber[]): Promise<Delivery> {
    const deliveries = await Promise.all(
      subscribers
        .filter(({ news }) => news?.includes(notice.news) ?? true)
        .map((subscriber) => this.#queue(subscriber, notice)),
    );
    return WORST_FIRST.find((delivery) => deliveries.includes(delivery)) ?? 'delivered';
  }

  /** Gives up what is under way. What waits is told to be interrupted. */
  close(): void {
    this.#stopping.abort();
  }

  #queue(subscriber: Subscriber, notice: Notice): Promise<Delivery> {
    return new Promise((settle) => {
      const key = JSON.stringify([subscriber.name, notice.rollout]);
      const parcel = { subscriber, notice, settle };
      const lane = this.#lanes.get(key);
      if (lane === undefined) void this.#send(key, [parcel]);
      else this.#append(lane, parcel);
    });
  }

  #append(lane: Parcel[], parcel: Parcel): void {
    lane.push(parcel);
    if (lane.length <= MOST) return;
    // The first is being sent. A rollback is the last thing to be pushed out.
    const sacrifice = Math.max(
      1,
      lane.findIndex(({ notice }, i) => i > 0 && !isRollback(notice)),
    );
    for (const pushedOut of lane.splice(sacrifice, 1))
      pushedOut.settle(this.#lose(pushedOut, `more than ${MOST} notices were waiting`));
  }

  /** Sends what is in a lane until it is empty. */
  async #send(key: string, lane: Parcel[]): Promise<void> {
    this.#lanes.set(key, lane);
    for (; lane[0] !== undefined; lane.shift()) lane[0].settle(await this.#deliver(lane[0], lane));
    this.#lanes.delete(key);
  }

  async #deliver(parcel: Parcel, lane: readonly Parcel[]): Promise<Delivery> {
    const { subscriber, notice } = parcel;
    const { signal } = this.#stopping;
    const body = bodyOf(notice, subscriber.as);
    for (let tries = 1; ; tries++) {
      const setback = await this.#try(subscriber, body, signal);
      if (setback === undefined) {
        this.counts.delivered++;
        return 'delivered';
      }
      if (signal.aborted) return 'interrupted';
      const hopeless = !setback.again && !isRollback(notice);
      if (hopeless || tries >= patience(notice, lane)) return this.#lose(parcel, setback.why);
      // What ends a pause before its time is the signal, and then so does the next try.
      await this.#world.pause(retryDelay(tries, setback.asked), signal).catch(() => {});
    }
  }

  async #try(subscriber: Subscriber, body: string, signal: AbortSignal): Promise<Setback | undefined> {
    try {
      const answer = await post(subscriber, body, this.#world, signal);
      if (isYes(answer)) return undefined;
      return {
        why: `it answered ${answer.status}`,
        again: answer.status >= 500 || AGAIN.has(answer.status),
        asked: retryAfter(answer.headers['retry-after'], this.#world.clock.now()),
      };
    } catch (error) {
      return { why: reasonOf(error), again: error instanceof NoAnswer && error.again, asked: 0 };
    }
  }

  #lose({ subscriber, notice }: Parcel, why: string): Delivery {
    this.counts.lost++;
    const fields = { subscriber: subscriber.name, why, ...notice, links: undefined };
    if (isRollback(notice)) {
      this.counts.lostRollbacks++;
      this.#log.error(fields, 'a subscriber could not be told of a rollback');
    } else this.#log.warn(fields, 'a subscriber could not be told what became of a rollout');
    return 'lost';
  }
}

const WORST_FIRST: readonly Delivery[] = ['interrupted', 'lost'];

function isRollback({ news }: Notice): boolean {
  return news === 'rolledBack';
}

/** How often a notice is tried. What a rollback is waiting behind is not tried again. */
function patience(notice: Notice, [, ...waiting]: readonly Parcel[]): number {
  if (isRollback(notice)) return TRIES_OF_ROLLBACK;
  return waiting.some((parcel) => isRollback(parcel.notice)) ? 1 : TRIES;
}
