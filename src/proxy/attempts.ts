import { text } from '../http/bytes.ts';
import type { Head } from '../http/head.ts';
import { FAULTS, type Fault } from '../model/fault.ts';
import type { Asker, End } from '../upstream/asker.ts';
import type { Choice } from '../upstream/balancer.ts';
import type { Channel, Question } from '../upstream/channel.ts';
import type { Pool } from '../upstream/pool.ts';
import { type Repeats, UNREAD } from './again.ts';
import type { Budget } from './budget.ts';
import type { Context } from './context.ts';
import type { Lane } from './lane.ts';
import type { Requester } from './requester.ts';

/** A request that nobody can have read is tried on at most this many endpoints. */
const MOST_TRIES = 3;

/**
 * On whose behalf the attempts are made: the exchange. It is told what an Asker is, but only of the attempt that
 * counts, and `failed` only when there will be no other.
 */
export interface Patron extends Pick<Asker, 'interim' | 'answer' | 'more' | 'upgraded' | 'failed'> {
  /** Who must not say more than there is room for. */
  readonly client: Pick<Requester, 'introduction' | 'pause' | 'resume' | 'waitFor'>;
  /** The version chosen has failed, with this status or fault, and another one is about to be asked. */
  rescued(status: number, fault: Fault | undefined): void;
}

/**
 * The attempts at one request. They are lent with the exchange whose they are.
 *
 * `begin` makes the first: pick an endpoint, connect, or wait in a queue for a connection. What the endpoint then
 * does comes back through the Asker methods. Until an answer is passed on, whatever comes to nothing leads to
 * `#again`: another endpoint, the same version again, another version, or the end of it. An answer that is passed
 * on was the last attempt.
 */
export class Attempts implements Asker {
  /** What is asked, with what came of the body along with the head: what a further attempt would send. */
  readonly question: Question = {
    lines: '',
    chunked: false,
    payload: '',
    end: '',
    headOnly: false,
    expects: false,
    upgrade: undefined,
  };
  readonly #context: Context;
  readonly #patron: Patron;

  #service = '';
  #lane: Lane | undefined;
  #via: Lane | undefined;
  /** The client asked for the version by its name. */
  #named = false;
  /** It is safe to repeat. */
  #repeatable = true;
  #startedAt = 0;
  #sentAt = -1;
  #channel: Channel | undefined;
  #pool: Pool | undefined;
  /** Waits for a connection, which must be a new one if `#fresh`. */
  #waiting = false;
  #fresh = false;
  /** Its version was told that it cannot be sent yet. */
  #held = false;
  /** Endpoints tried, as bits, and how many. */
  #tried = 0;
  #tries = 0;
  /** Attempts after the first. */
  #retries = 0;
  /** More than `question` has been sent, so there can be no further attempt. */
  #streamed = false;
  /** An answer is being passed on. */
  #answered = false;

  constructor(context: Context, patron: Patron) {
    this.#context = context;
    this.#patron = patron;
  }

  /** Of the version chosen, on whose account it goes; undefined before. */
  get lane(): Lane | undefined {
    return this.#lane;
  }

  /** Through which it is sent: the same, or that of the version that rescues it. */
  get via(): Lane | undefined {
    return this.#via;
  }

  /** Whether it was given to another version than the one chosen. */
  get elsewhere(): boolean {
    return this.#via !== this.#lane;
  }

  /** The way to the endpoint; undefined while there is none, and once the answer is complete. */
  get channel(): Channel | undefined {
    return this.#channel;
  }

  /** That of the endpoint asked last; undefined while, or as, there is none. */
  get pool(): Pool | undefined {
    return this.#pool;
  }

  /** When as much of it as there was had been sent, monotonic ms; negative before. */
  get sentAt(): number {
    return this.#sentAt;
  }

  // ---- the first

  /** Another request, come at `now`: nothing of the last one is left. */
  reset(head: Head, end: End, now: number): void {
    const { question } = this;
    question.chunked = head.chunked;
    question.end = end;
    question.headOnly = head.isHead;
    question.expects = head.expectContinue && end === undefined;
    question.upgrade = undefined;
    this.#lane = undefined;
    this.#via = undefined;
    this.#startedAt = now;
    this.#sentAt = -1;
    this.#tried = 0;
    this.#tries = 0;
    this.#retries = 0;
    this.#streamed = false;
    this.#answered = false;
  }

  /** It goes on the account of this version of the service, which the client asked for by name if `named`. */
  charge(service: string, lane: Lane, named: boolean, repeatable: boolean): void {
    this.#service = service;
    this.#lane = lane;
    this.#via = lane;
    this.#named = named;
    this.#repeatable = repeatable;
    lane.again?.budgets.count(this.#startedAt);
  }

  /** The question is complete. */
  begin(): void {
    const { traffic, mostInFlight } = this.#lane!;
    if (traffic.inFlight > mostInFlight) this.#stop(FAULTS.full);
    else this.#send();
  }

  /** To an endpoint that was not tried yet. */
  #send(): void {
    this.#sendTo(this.#tries < MOST_TRIES ? this.#via!.balancer.pick(this.#tried) : undefined);
  }

  #sendTo(choice: Choice | undefined): void {
    if (choice === undefined) return this.#again(FAULTS.noEndpoint);
    this.#tries++;
    this.#tried |= choice.bit;
    this.#pool = choice.pool;
    choice.pool.load++;
    this.#connect(false);
  }

  /** `fresh`: on a new connection, since a used one has just turned out stale. */
  #connect(fresh: boolean): void {
    const { client } = this.#patron;
    const pool = this.#pool!;
    const { terms, proxyProtocol } = this.#via!;
    const introduction = proxyProtocol === undefined ? '' : client.introduction(proxyProtocol, pool);
    const channel = pool.take(terms.connect, fresh, introduction);
    if (channel === undefined) {
      const { mostPending, traffic } = this.#via!;
      const waits = (this.#held || traffic.pending < mostPending) && pool.enqueue(this, introduction);
      if (!waits) return this.#again(FAULTS.overloaded);
      this.#waiting = true;
      this.#fresh = fresh;
      this.#hold();
      // A client that has said all is still read: it may leave, and then nobody need wait.
      if (this.question.end === undefined) client.pause();
      client.waitFor(terms.connect);
      return;
    }
    this.#channel = channel;
    channel.ask(this, terms, this.question);
    if (channel.connected) {
      // A first try that had to wait for nothing is sent as it comes; that spares a look at the clock.
      const at = this.#tries > 1 || this.#held ? this.#context.clock.monotonic() : this.#startedAt;
      this.#unhold();
      this.#sent(at);
      client.resume();
    } else {
      this.#hold();
      // The socket keeps what it is given until it is connected; it should not be given more.
      if (this.question.end === undefined) client.pause();
    }
  }

  #sent(at: number): void {
    this.#sentAt = at;
    const { traffic } = this.#via!;
    if (at > traffic.lastSentAt) traffic.lastSentAt = at;
  }

  /** More of the body. There is a channel. */
  write(buffer: Buffer, from: number, to: number, end: End): void {
    if (!this.#keep(this.#lane!, buffer, from, to, end)) this.#streamed = true;
    const room = this.#channel!.write(buffer, from, to, end);
    if (end !== undefined) this.#sent(this.#context.clock.monotonic());
    else if (!room) this.#patron.client.pause();
  }

  /** Keeps what came of the body for another attempt, if it may be kept whole. */
  #keep({ again }: Lane, buffer: Buffer, from: number, to: number, end: End): boolean {
    const { question } = this;
    if (again === undefined || this.#streamed) return false;
    if (question.payload.length + to - from > again.bodyBytes) {
      question.payload = '';
      return false;
    }
    question.payload += text(buffer, from, to);
    question.end = end;
    question.expects = false;
    return true;
  }

  // ---- what the endpoint does

  granted(): void {
    this.#waiting = false;
    this.#patron.client.waitFor(0);
    this.#connect(this.#fresh);
  }

  writable(): void {
    if (this.#held) {
      this.#unhold();
      this.#sent(this.#context.clock.monotonic());
    }
    this.#patron.client.resume();
  }

  interim(buffer: Buffer, head: Head): void {
    this.#patron.interim(buffer, head);
  }

  answer(buffer: Buffer, head: Head, from: number, to: number, end: End): void {
    if (head.status >= 500 && this.#lane!.again !== undefined && this.#replaces(head.status, end)) return;
    this.#answered = true;
    this.#patron.answer(buffer, head, from, to, end);
  }

  more(buffer: Buffer, from: number, to: number, end: End): void {
    this.#patron.more(buffer, from, to, end);
  }

  upgraded(buffer: Buffer, head: Head, from: number, to: number): void {
    this.#answered = true;
    this.#patron.upgraded(buffer, head, from, to);
  }

  failed(fault: Fault): void {
    const unsent = fault.retry === 'unsent' || (fault.retry === 'stale' && this.#repeatable);
    const stale = unsent && this.#channel!.reused;
    this.#channel = undefined;
    if (this.#answered) return this.#patron.failed(fault);
    if (stale && !this.#streamed && this.#served) return this.#connect(true);
    this.#again(fault);
  }

  /** The time of whoever waits is over. False if it did not wait in a queue. */
  expired(): boolean {
    if (!this.#waiting) return false;
    this.#stopWaiting();
    this.#again(FAULTS.overloaded);
    return true;
  }

  // ---- another, before any of an answer is passed on

  /** An attempt came to nothing: another endpoint, the same version again, another version, or the end of it. */
  #again(fault: Fault): void {
    if (this.#streamed) return this.#patron.failed(fault);
    const { again, traffic } = this.#via!;
    const retries = this.#repeatable ? again?.retries : undefined;
    if (fault.retry === 'unsent') {
      traffic.ledger.fault(fault);
      this.#leavePool();
      this.#send();
    } else if (retries?.afterFault(fault) && this.#mayRetry(retries)) {
      traffic.ledger.fault(fault);
      this.#retry();
    } else {
      this.#stop(fault);
    }
  }

  /** No further attempt at this version. */
  #stop(fault: Fault): void {
    const rescuer = this.#rescuerAfter(fault);
    if (rescuer !== undefined) this.#rescue(rescuer, fault.status, fault);
    else this.#patron.failed(fault);
  }

  /** Whether something else than this answer, from 500 on, is what the client will get. */
  #replaces(status: number, end: End): boolean {
    if (!this.#repeatable || this.#streamed) return false;
    const { retries, rescue } = this.#via!.again!;
    const retry = retries?.afterAnswer(status) && this.#mayRetry(retries);
    const rescuer = !retry && rescue?.afterAnswer(status) ? this.#rescuer(rescue.budget) : undefined;
    if (!retry && rescuer === undefined) return false;
    // One that has been read to its end is back in its pool.
    if (end === undefined) this.#channel!.destroy();
    this.#channel = undefined;
    if (rescuer === undefined) this.#retry();
    else this.#rescue(rescuer, status, undefined);
    return true;
  }

  #mayRetry({ budget }: Repeats): boolean {
    const { again, traffic } = this.#via!;
    if (this.#retries >= again!.attempts || !this.#served) return false;
    const may = budget.spend(this.#context.clock.monotonic());
    if (!may) traffic.ledger.refuseRetry();
    return may;
  }

  /** Whether the version still has traffic: one that was left is sent nothing more once that was confirmed. */
  get #served(): boolean {
    if (this.#named || this.elsewhere) return true;
    const service = this.#context.table?.service(this.#service);
    return (service?.version(this.#lane!.version)?.weight ?? 0) > 0;
  }

  /** At another endpoint of this version, or at the same if there is no other. */
  #retry(): void {
    const { balancer, traffic } = this.#via!;
    this.#retries++;
    traffic.ledger.retry();
    this.#leavePool();
    this.#sendTo(balancer.pick(this.#tried) ?? balancer.pick(0));
  }

  #rescuerAfter(fault: Fault): Lane | undefined {
    const { again, fallback } = this.#lane!;
    if (fault === FAULTS.noEndpoint && fallback !== undefined) {
      const lane = this.#other(fallback);
      if (lane !== undefined) return lane;
    }
    const safe = this.#repeatable || UNREAD.has(fault);
    if (!safe || !again?.rescue?.afterFault(fault)) return undefined;
    // What nobody could be given is asked for once only: that doubles no outage, and costs nothing.
    return this.#rescuer(fault === FAULTS.noEndpoint ? undefined : again.rescue.budget);
  }

  /** The version that the settings let rescue this request. Who asked for a version is not given another. */
  #rescuer(budget: Budget | undefined): Lane | undefined {
    const { again, traffic } = this.#lane!;
    const lane = this.#named ? undefined : this.#other(again!.to!);
    if (lane === undefined || budget === undefined) return lane;
    if (budget.spend(this.#context.clock.monotonic())) return lane;
    traffic.ledger.refuseRescue();
    return undefined;
  }

  /** Another version by the table of this moment, if it can be of use and the request was not given to another before. */
  #other(version: string): Lane | undefined {
    if (this.elsewhere) return undefined;
    const lane = this.#context.table?.service(this.#service)?.version(version)?.lane;
    if (lane === undefined || lane.version === this.#lane!.version || lane.balancer.empty) return undefined;
    return lane.traffic.inFlight < lane.mostInFlight ? lane : undefined;
  }

  /**
   * Gives the request to another version, at once and for good. That there was a failure is held against the
   * version chosen, whoever answers in its place, or a dead candidate would look healthy.
   */
  #rescue(rescuer: Lane, status: number, fault: Fault | undefined): void {
    const { line, traffic } = this.#lane!;
    traffic.ledger.rescue();
    if (fault !== undefined) traffic.ledger.fault(fault);
    this.#patron.rescued(status, fault);
    this.#unhold();
    this.#leavePool();
    this.#via = rescuer;
    rescuer.traffic.guests++;
    traffic.guests--;
    this.question.lines = this.question.lines.replace(`\r\n${line}`, () => `\r\n${rescuer.line}`);
    this.#sentAt = -1;
    this.#tried = 0;
    this.#tries = 0;
    this.#retries = 0;
    this.#send();
  }

  // ---- the end

  /** The answer has come to its end: what it came through is back in its pool, and may be somebody else's by now. */
  complete(): void {
    this.#channel = undefined;
  }

  /** Lets go of everything: there is nothing more to be done for the request. */
  release(): void {
    if (this.#waiting) this.#stopWaiting();
    // Still there if nobody is interested in its answer any more.
    this.#channel?.destroy();
    this.#channel = undefined;
    this.#unhold();
    this.#leavePool();
    if (this.elsewhere) {
      this.#via!.traffic.guests--;
      this.#lane!.traffic.guests++;
    }
    this.question.lines = '';
    this.question.payload = '';
  }

  #stopWaiting(): void {
    this.#waiting = false;
    this.#pool!.forget(this);
    this.#patron.client.waitFor(0);
  }

  #leavePool(): void {
    if (this.#pool !== undefined) this.#pool.load--;
    this.#pool = undefined;
  }

  #hold(): void {
    if (this.#held) return;
    this.#held = true;
    this.#via!.traffic.hold();
  }

  #unhold(): void {
    if (!this.#held) return;
    this.#held = false;
    this.#via!.traffic.unhold();
  }
}
