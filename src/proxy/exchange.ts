import { ascii, text } from '../http/bytes.ts';
import { dropNominated, type Head } from '../http/head.ts';
import {
  STRICT_TRANSPORT_SECURITY,
  X_REQUEST_ID,
  X_SPILLWAY_EVENT,
  X_SPILLWAY_VERSION,
} from '../http/names.ts';
import { requestLines, responseLines } from '../http/rewrite.ts';
import type { TrialArm } from '../metrics/trial.ts';
import { FAULTS, type Fault } from '../model/fault.ts';
import { type RoutedService, type RoutedVersion, resolveService } from '../routing/table.ts';
import type { Asker, End } from '../upstream/asker.ts';
import type { Channel, Question } from '../upstream/channel.ts';
import type { Pool } from '../upstream/pool.ts';
import { hashKey } from './accesslog.ts';
import { type Repeats, UNREAD } from './again.ts';
import { faultAnswer } from './answer.ts';
import type { Context } from './context.ts';
import { callFailed, grpcAnswer, statusIn } from './grpc.ts';
import { Host } from './host.ts';
import { type FoundKey, findKey } from './key.ts';
import type { Lane } from './lane.ts';
import { forwardedOn } from './provenance.ts';
import type { Requester } from './requester.ts';
import type { Traffic } from './traffic.ts';
import { WebSocketTap } from './websocket.ts';

const GRPC_STATUS = ascii('grpc-status');
const CONTENT_TYPE = ascii('content-type');
const IDEMPOTENCY_KEY = ascii('idempotency-key');

/** A request that nobody can have read is tried on at most this many endpoints. */
const MOST_TRIES = 3;

/** An answer that has taken longer than this is a stream like any other, ms. */
const LONG = 10_000;
/** Both sides of a WebSocket have so long to say their last, ms. */
const CLOSING = 5000;

/**
 * One request and its response, from first byte to record. A requester has one for as long as it has a
 * request; then it is lent to the next.
 *
 * `begin` is the whole way of a request: match host and path to a service, find the key, choose the version,
 * pick an endpoint, send. What the endpoint then does comes back through the Asker methods, what the client
 * does through the others, and every way out leads through `#record`, exactly once.
 */
export class Exchange implements Asker {
  /** Whose request it is. */
  client!: Requester;
  readonly #context: Context;

  #active = false;
  #service: RoutedService<Lane> | undefined;
  /** Of the version chosen, on whose account it goes. */
  #lane: Lane | undefined;
  #channel: Channel | undefined;
  /** Through which it is sent: the same, or that of the version that rescues it. */
  #via: Lane | undefined;
  #pool: Pool | undefined;
  /** Waits for a connection, which must be a new one if `#fresh`. */
  #waiting = false;
  #fresh = false;
  /** What the endpoint is asked, with what came of the body along with the head: what a second try would send. */
  readonly #question: Question = {
    lines: '',
    chunked: false,
    payload: '',
    end: '',
    headOnly: false,
    expects: false,
    upgrade: undefined,
  };
  /** More than `#question` has been sent, so there can be no second try. */
  #streamed = false;
  /** It is safe to repeat: by its method, or since it has an Idempotency-Key. */
  #repeatable = true;
  #setCookie = '';
  #tried = 0;
  #tries = 0;
  /** Attempts after the first. */
  #retries = 0;
  #held = false;
  #status = 0;
  /** A gRPC call whose status says that the endpoint failed; its answer is 200 all the same. */
  #callFailed = false;
  #requestId = '';
  #why: string | undefined;
  #keyHash: number | undefined;
  #method = '';
  #path = '';
  #startedAt = 0;
  #sentAt = 0;
  #latency = -1;
  /** Who counts it for a trial, as what unit, and the conversions it may come to be, a bit each. */
  #trial: TrialArm | undefined;
  #ticket = 0;
  #occasions = 0;
  #bytesIn = 0;
  #bytesOut = 0;
  /** When a tunnel or an event stream was opened, monotonic ms; negative if it is neither. */
  #openedAt = -1;
  #webSocket: WebSocketTap | undefined;
  /** When its end was begun because its version has left, monotonic ms; negative before. */
  #leftAt = -1;

  readonly #host = new Host();

  constructor(context: Context) {
    this.#context = context;
  }

  // ---- the way of a request

  /** A request has come: its head, and of its body buffer[from, to). `end` as in Asker. */
  begin(buffer: Buffer, head: Head, from: number, to: number, end: End): void {
    this.#reset(head, to - from, end);
    const service = this.#match(buffer, head);
    if ('kind' in service) return this.#refuse(service);
    this.#service = service;
    const version = this.#choose(buffer, head, service);
    const lane = version.lane;
    this.#lane = lane;
    lane.traffic.ledger.begin();
    this.#via = lane;
    if (lane.again !== undefined) {
      lane.again.budgets.count(this.#startedAt);
      this.#repeatable ||= head.findName(buffer, IDEMPOTENCY_KEY) >= 0;
    }
    if (lane.maxBodyBytes > 0 && Math.max(head.contentLength, this.#bytesIn) > lane.maxBodyBytes)
      return this.#refuse(FAULTS.bodyTooLarge);
    this.#compose(buffer, head, lane);
    this.#question.payload = text(buffer, from, to);
    if (lane.traffic.inFlight > lane.mostInFlight) return this.#stop(FAULTS.full);
    this.#send();
  }

  #reset(head: Head, bytesIn: number, end: End): void {
    this.#active = true;
    this.#service = undefined;
    this.#lane = undefined;
    this.#via = undefined;
    this.#question.chunked = head.chunked;
    this.#question.end = end;
    this.#question.headOnly = head.isHead;
    this.#question.expects = head.expectContinue && end === undefined;
    this.#question.upgrade = undefined;
    this.#streamed = false;
    this.#setCookie = '';
    this.#tried = 0;
    this.#tries = 0;
    this.#retries = 0;
    this.#status = 0;
    this.#callFailed = false;
    this.#why = undefined;
    this.#keyHash = undefined;
    this.#startedAt = this.#context.clock.monotonic();
    this.#context.deadlines.now = this.#startedAt;
    this.#sentAt = -1;
    this.#latency = -1;
    this.#occasions = 0;
    this.#bytesIn = bytesIn;
    this.#bytesOut = 0;
    this.#openedAt = -1;
    this.#webSocket = undefined;
    this.#leftAt = -1;
    this.#repeatable = head.idempotent;
  }

  /** The service that the host and path lead to, or why there is none. */
  #match(buffer: Buffer, head: Head): RoutedService<Lane> | Fault {
    const table = this.#context.table;
    this.#requestId = this.#idOf(buffer, head);
    if (this.#context.accessLog !== undefined) {
      this.#method = text(buffer, head.start, head.methodEnd);
      this.#path = text(buffer, head.targetStart, head.targetEnd).split('?', 1)[0]!;
    }
    if (table === undefined) return FAULTS.noService;
    const routes = this.#host.routes(buffer, head, table);
    if (routes === undefined) return table.hosts && this.#host.named ? FAULTS.misdirected : FAULTS.noService;
    const service =
      routes.only ?? resolveService(routes, text(buffer, head.targetStart, head.targetEnd) || '/');
    if (service === undefined) return FAULTS.noService;
    return typeof service === 'string' ? FAULTS.badRequest : service;
  }

  /** Override, then the split by the client's key. */
  #choose(buffer: Buffer, head: Head, service: RoutedService<Lane>): RoutedVersion<Lane> {
    if (service.override !== undefined && head.has(X_SPILLWAY_VERSION)) {
      const asked = service.override.allows(
        service.name,
        head.value(buffer, head.find(X_SPILLWAY_VERSION)),
        this.client.address,
        this.#context.clock.now() / 1000,
      );
      const version = asked === undefined ? undefined : service.version(asked);
      if (version !== undefined) {
        this.#why = 'override';
        return version;
      }
    }
    const key = findKey(buffer, head, service.key, this.client, this.#context.mint);
    this.#why = key.why;
    this.#setCookie = key.setCookie;
    if (this.#context.accessLog !== undefined) this.#keyHash = hashKey(key.bytes, key.start, key.end);
    const version = service.versions[service.split.choose(key.bytes, key.start, key.end)]!;
    if (version.lane.trial !== undefined) this.#assign(version.lane.trial, buffer, head, key);
    return version;
  }

  /** Counts a choice that the split made for this key. */
  #assign(trial: TrialArm, buffer: Buffer, head: Head, key: FoundKey): void {
    this.#trial = trial;
    this.#ticket = trial.assign(key.bytes, key.start, key.end, this.#why !== 'random', this.#startedAt);
    if (trial.converts)
      this.#occasions = trial.occasions(
        text(buffer, head.start, head.methodEnd),
        text(buffer, head.targetStart, head.targetEnd),
      );
  }

  /** What the endpoint is asked: the lines kept, then ours. */
  #compose(buffer: Buffer, head: Head, lane: Lane): void {
    const { rules } = this.#context;
    const ownHost = head.absolute || head.hostStart === 0;
    if (head.nominates) dropNominated(buffer, head, this.#service!.key.header);
    const drops = ownHost ? rules.dropsWithHost : rules.drops;
    let out = requestLines(buffer, head, drops[this.client.standing]);
    if (ownHost)
      out += `host: ${head.absolute ? text(buffer, head.hostStart, head.authorityEnd) : this.client.localHost}\r\n`;
    out += this.client.trusted
      ? forwardedOn(buffer, head, this.client, this.#host.line)
      : this.client.forwarded + this.#host.line;
    out += `x-request-id: ${this.#requestId}\r\n${lane.line}`;
    if (!head.chunked && head.contentLength >= 0) out += `content-length: ${head.contentLength}\r\n`;
    this.#question.lines = out;
    this.#question.upgrade = upgradeOf(buffer, head);
  }

  #idOf(buffer: Buffer, head: Head): string {
    if (this.client.trusted && head.has(X_REQUEST_ID)) {
      const given = head.value(buffer, head.find(X_REQUEST_ID));
      if (given.length > 0 && given.length <= 200) return given;
    }
    return this.#context.mint.requestId();
  }

  /** To an endpoint that was not tried yet. */
  #send(): void {
    this.#sendTo(this.#tries < MOST_TRIES ? this.#via!.balancer.pick(this.#tried) : undefined);
  }

  #sendTo(pool: Pool | undefined): void {
    if (pool === undefined) return this.#again(FAULTS.noEndpoint);
    this.#tries++;
    this.#tried |= this.#via!.balancer.bit(pool);
    this.#pool = pool;
    pool.load++;
    this.#connect(false);
  }

  /** `fresh`: on a new connection, since a used one has just turned out stale. */
  #connect(fresh: boolean): void {
    const pool = this.#pool!;
    const { terms } = this.#via!;
    const channel = pool.take(terms.connect, fresh);
    if (channel === undefined) {
      const { mostPending, traffic } = this.#via!;
      if (traffic.pending >= mostPending || !pool.enqueue(this)) return this.#again(FAULTS.overloaded);
      this.#waiting = true;
      this.#fresh = fresh;
      this.#hold();
      // A client that has said all is still read: it may leave, and then nobody need wait.
      if (this.#question.end === undefined) this.client.pause();
      this.client.waitFor(terms.connect);
      return;
    }
    this.#channel = channel;
    channel.ask(this, terms, this.#question);
    if (channel.connected) {
      // A first try that had to wait for nothing is sent as it comes; that spares a look at the clock.
      const at = this.#tries > 1 || this.#held ? this.#context.clock.monotonic() : this.#startedAt;
      this.#unhold();
      this.#sent(at);
      this.client.resume();
    } else {
      this.#hold();
      // The socket keeps what it is given until it is connected; it should not be given more.
      if (this.#question.end === undefined) this.client.pause();
    }
  }

  #sent(at: number): void {
    this.#sentAt = at;
    const { traffic } = this.#via!;
    if (at > traffic.lastSentAt) traffic.lastSentAt = at;
  }

  // ---- what the endpoint does

  granted(): void {
    this.#waiting = false;
    this.client.waitFor(0);
    this.#connect(this.#fresh);
  }

  writable(): void {
    if (this.#held) {
      this.#unhold();
      this.#sent(this.#context.clock.monotonic());
    }
    this.client.resume();
  }

  interim(buffer: Buffer, head: Head): void {
    if (this.#status === 0) this.client.interim(responseLines(buffer, head));
  }

  answer(buffer: Buffer, head: Head, from: number, to: number, end: End): void {
    if (head.status >= 500 && this.#lane!.again !== undefined && this.#replaces(head.status, end)) return;
    // One that comes before the request was sent to its end says nothing of how fast the endpoint is.
    const now = this.#context.clock.monotonic();
    if (this.client.requestRead) this.#latency = now - this.#sentAt;
    this.#status = head.status;
    if (this.#occasions !== 0) this.#convert(buffer, head);
    if (this.client.grpc) {
      const status = head.findName(buffer, GRPC_STATUS);
      if (status >= 0) this.#callFailed = callFailed(head.value(buffer, status));
    }
    let lines = responseLines(buffer, head);
    if (this.client.hsts !== '' && !head.has(STRICT_TRANSPORT_SECURITY)) lines += this.client.hsts;
    if (end === undefined && head.contentLength < 0 && isEventStream(buffer, head)) this.#open(now);
    const bare = this.#question.headOnly || head.status === 204 || head.status === 304;
    if (head.contentLength >= 0 && head.status !== 204) lines += `content-length: ${head.contentLength}\r\n`;
    const room = this.client.answer(
      lines + this.#versionLines(),
      bare || head.contentLength >= 0,
      // After an answer instead of an upgrade nobody knows what protocol comes next.
      this.#question.upgrade !== undefined,
      buffer,
      from,
      to,
      end,
    );
    this.#relayed(room, to - from, end, now);
  }

  #convert(buffer: Buffer, head: Head): void {
    let events = '';
    for (let i = head.find(X_SPILLWAY_EVENT); i >= 0; i = head.find(X_SPILLWAY_EVENT, i + 1))
      events += `${head.value(buffer, i)},`;
    this.#trial!.convert(this.#ticket, this.#occasions, head.status, events);
  }

  more(buffer: Buffer, from: number, to: number, end: End): void {
    if (this.#status === 101) this.#tunnelMore(buffer, from, to, end);
    else {
      this.#relayed(this.client.more(buffer, from, to, end), to - from, end);
    }
  }

  upgraded(buffer: Buffer, head: Head, from: number, to: number): void {
    this.#latency = this.#context.clock.monotonic() - this.#sentAt;
    this.#status = 101;
    this.#open(this.#sentAt + this.#latency);
    const protocol = head.value(buffer, head.upgrade);
    if (protocol.toLowerCase() === 'websocket') this.#webSocket = new WebSocketTap();
    this.#webSocket?.down.pass(buffer, from, to);
    const lines = responseLines(buffer, head) + this.#versionLines();
    const room = this.client.upgraded(lines, protocol, buffer, from, to);
    this.#relayed(room, to - from, undefined);
  }

  /** A tunnel or an event stream begins. */
  #open(now: number): void {
    this.#openedAt = now;
    this.#via!.traffic.ledger.streamBegins();
  }

  #tunnelMore(buffer: Buffer, from: number, to: number, end: End): void {
    if (end !== undefined) return this.#tunnelOver();
    const until = this.#webSocket === undefined ? to : this.#webSocket.down.pass(buffer, from, to);
    this.#relayed(this.client.more(buffer, from, until, undefined), until - from, undefined);
    this.#sayClose();
  }

  /** A tunnel ends when somebody leaves it, or its version; there is nothing wrong with that. */
  #tunnelOver(): void {
    this.#record(101, this.leaving ? FAULTS.evicted : undefined);
    this.client.finish();
  }

  /** So many bytes were passed on. `now`: the time, if it has just been looked up. */
  #relayed(room: boolean, bytes: number, end: End, now?: number): void {
    this.#bytesOut += bytes;
    if (end !== undefined) {
      if (end !== '' && this.client.grpc) this.#callFailed = callFailed(statusIn(end));
      this.#channel = undefined;
      this.#record(this.#status, undefined, now);
      this.client.done();
    } else if (!room) {
      this.#channel?.pause();
    }
  }

  failed(fault: Fault): void {
    const unsent = fault.retry === 'unsent' || (fault.retry === 'stale' && this.#repeatable);
    const stale = unsent && this.#channel!.reused;
    this.#channel = undefined;
    if (this.leaving) return this.#tunnelOver();
    if (this.#status !== 0) return this.#give(fault);
    if (stale && !this.#streamed && this.#served) return this.#connect(true);
    this.#again(fault);
  }

  // ---- another attempt, before any of an answer has gone out

  /** An attempt came to nothing: another endpoint, the same version again, another version, or the end of it. */
  #again(fault: Fault): void {
    if (this.#streamed) return this.#give(fault);
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
    else this.#give(fault);
  }

  /** Whether something else than this answer, from 500 on, is what the client will get. */
  #replaces(status: number, end: End): boolean {
    if (!this.#repeatable || this.#streamed) return false;
    const { retries, rescue } = this.#via!.again!;
    const retry = retries?.afterAnswer(status) && this.#mayRetry(retries);
    const rescuer = !retry && rescue?.afterAnswer(status) ? this.#rescuer(rescue) : undefined;
    if (!retry && rescuer === undefined) return false;
    // One that has been read to its end is back in its pool.
    if (end === undefined) this.#channel!.destroy();
    this.#channel = undefined;
    if (rescuer === undefined) this.#retry();
    else this.#rescue(rescuer, status, undefined);
    return true;
  }

  #mayRetry({ budget }: Repeats): boolean {
    if (this.#retries >= this.#via!.again!.attempts || !this.#served) return false;
    return budget.spend(this.#context.clock.monotonic());
  }

  /** Whether the version still has traffic: one that was left is sent nothing more once that was confirmed. */
  get #served(): boolean {
    if (this.#why === 'override' || this.#via !== this.#lane) return true;
    const service = this.#context.table?.service(this.#service!.name);
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
    return safe && again?.rescue?.afterFault(fault) ? this.#rescuer(again.rescue) : undefined;
  }

  /** The version that the settings let rescue this request. Who asked for a version is not given another. */
  #rescuer({ budget }: Repeats): Lane | undefined {
    const lane = this.#why === 'override' ? undefined : this.#other(this.#lane!.again!.to!);
    return lane !== undefined && budget.spend(this.#context.clock.monotonic()) ? lane : undefined;
  }

  /** Another version by the table of this moment, if it can be of use and the request was not given to another before. */
  #other(version: string): Lane | undefined {
    if (this.#via !== this.#lane) return undefined;
    const lane = this.#context.table?.service(this.#service!.name)?.version(version)?.lane;
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
    if (this.#trial !== undefined) this.#testify(this.#trial, status, true, fault);
    this.#occasions = 0;
    this.#unhold();
    this.#leavePool();
    this.#via = rescuer;
    rescuer.traffic.guests++;
    traffic.guests--;
    this.#question.lines = this.#question.lines.replace(`\r\n${line}`, () => `\r\n${rescuer.line}`);
    this.#sentAt = -1;
    this.#tried = 0;
    this.#tries = 0;
    this.#retries = 0;
    this.#send();
  }

  // ---- what the client does

  /** More of the request's body. */
  body(buffer: Buffer, from: number, to: number, end: End): void {
    this.#bytesIn += to - from;
    const lane = this.#lane;
    const channel = this.#channel;
    if (lane === undefined) return;
    // While there is no channel the client is paused. A body with a hole in it must never be passed on.
    if (channel === undefined) return this.abort(FAULTS.badRequest);
    if (lane.maxBodyBytes > 0 && this.#bytesIn > lane.maxBodyBytes) return this.abort(FAULTS.bodyTooLarge);
    if (!this.#keep(lane, buffer, from, to, end)) this.#streamed = true;
    const room = channel.write(buffer, from, to, end);
    if (end !== undefined) this.#sent(this.#context.clock.monotonic());
    else if (!room) this.client.pause();
  }

  /** Keeps what came of the body for another attempt, if it may be kept whole. */
  #keep({ again }: Lane, buffer: Buffer, from: number, to: number, end: End): boolean {
    const question = this.#question;
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

  tunnelled(buffer: Buffer, from: number, to: number): void {
    this.#bytesIn += to - from;
    const until = this.#webSocket === undefined ? to : this.#webSocket.up.pass(buffer, from, to);
    if (this.#channel?.write(buffer, from, until, undefined) === false) this.client.pause();
    this.#sayClose();
  }

  tunnelEnded(): void {
    this.#channel?.finish();
  }

  /** What was written to the client has drained. */
  drained(): void {
    this.#channel?.resume();
  }

  /** The client let its time pass, or its turn in the queue did not come. */
  expired(): void {
    if (!this.#waiting) return this.abort(FAULTS.requestTimeout);
    this.#stopWaiting();
    this.#again(FAULTS.overloaded);
  }

  clientGone(fault: Fault): void {
    if (!this.#active) return;
    if (this.#status === 101) this.#record(101, this.leaving ? FAULTS.evicted : undefined);
    else this.#record(fault.status, fault);
  }

  /** Ends an exchange from this side: the request turned out unsound, too large or too slow. */
  abort(fault: Fault): void {
    if (this.#active) this.#give(fault);
  }

  /** It is `now`: a request whose answer has been waited for too long is slow, whatever comes of it. */
  wait(now: number): void {
    if (this.#trial !== undefined && this.#sentAt >= 0 && this.#status === 0)
      this.#ticket = this.#trial.wait(this.#ticket, now - this.#sentAt);
  }

  // ---- when the version leaves

  /** Whether its end has been begun because its version has left. */
  get leaving(): boolean {
    return this.#leftAt >= 0;
  }

  /** The version that it is a stream of; undefined if it is none, or was asked for by name or as a rescue. */
  streamOf(now: number): Traffic | undefined {
    if (!this.#active || this.#status === 0 || this.#why === 'override' || this.#via !== this.#lane)
      return undefined;
    return this.#openedAt >= 0 || now - this.#startedAt >= LONG ? this.#via?.traffic : undefined;
  }

  /** Ends a stream: a WebSocket by close frames both ways, and soon for good; all else at once, so that it shows. */
  evict(now: number): void {
    if (this.#status !== 101) {
      this.#record(this.#status, FAULTS.evicted);
      this.client.cut();
    } else if (this.#webSocket === undefined || (this.leaving && now - this.#leftAt >= CLOSING)) {
      this.#leftAt = now;
      this.#tunnelOver();
    } else if (!this.leaving) {
      this.#leftAt = now;
      this.#webSocket.down.close();
      this.#webSocket.up.close();
      this.#sayClose();
    }
  }

  /** Close frames go out as soon as a frame of either side has come to its end. */
  #sayClose(): void {
    if (!this.leaving) return;
    const down = this.#webSocket?.down.take();
    if (down !== undefined) this.client.more(down, 0, down.length, undefined);
    const up = this.#webSocket?.up.take();
    if (up !== undefined) this.#channel?.write(up, 0, up.length, undefined);
  }

  // ---- the end

  /** Gives up: says so if no answer has begun; breaks the answer off, visibly, if one has. */
  #give(fault: Fault): void {
    if (this.#status === 0) return this.#refuse(fault);
    this.#record(this.#status, fault);
    this.client.cut();
  }

  #refuse(fault: Fault): void {
    const version = this.#via?.version;
    const { lines, body } = this.client.grpc
      ? grpcAnswer(fault)
      : faultAnswer(fault, {
          ...(this.#service && { service: this.#service.name }),
          ...(version !== undefined && this.#context.rules.settings.exposeVersion && { version }),
          requestId: this.#requestId,
        });
    const extra = this.client.hsts + (this.#lane === undefined ? '' : this.#versionLines());
    const { headOnly, upgrade } = this.#question;
    this.client.reply(lines + extra, headOnly ? '' : body, upgrade !== undefined);
    this.#record(fault.status, fault);
    this.client.done();
  }

  /** Our own lines of an answer. */
  #versionLines(): string {
    const told = this.#context.rules.settings.exposeVersion
      ? this.#via!.line + this.#setCookie
      : this.#setCookie;
    return this.#via === this.#lane ? told : `${told}x-spillway-rescued: 1\r\n`;
  }

  #stopWaiting(): void {
    this.#waiting = false;
    this.#pool!.forget(this);
    this.client.waitFor(0);
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

  /** Every exchange is recorded exactly once, under the version chosen, however it ends. */
  #record(status: number, fault: Fault | undefined, now = this.#context.clock.monotonic()): void {
    this.#release();
    const duration = now - this.#startedAt;
    const lane = this.#lane;
    if (lane === undefined) {
      this.#context.countUnrouted(status);
    } else {
      if (fault !== undefined) this.#via!.traffic.ledger.fault(fault);
      const own = this.#via === lane;
      const failed =
        !own || (fault === undefined ? status >= 500 || this.#callFailed : fault.side === 'upstream');
      const latency = own ? this.#latency : -1;
      lane.traffic.ledger.record(status, failed, latency, duration, this.#bytesIn, this.#bytesOut);
      if (this.#openedAt >= 0) this.#via!.traffic.ledger.streamEnds(now - this.#openedAt);
      if (this.#trial !== undefined) this.#testify(this.#trial, status, failed, fault);
    }
    const log = this.#context.accessLog;
    if (log === undefined || !(log.due() || fault !== undefined)) return;
    log.write({
      requestId: this.#requestId,
      service: this.#service?.name,
      version: lane?.version,
      rescuedBy: this.#via === lane ? undefined : this.#via?.version,
      why: this.#why,
      method: this.#method,
      path: this.#path,
      status,
      latency: this.#latency,
      duration,
      bytesIn: this.#bytesIn,
      bytesOut: this.#bytesOut,
      fault: fault?.kind,
      keyHash: this.#keyHash,
    });
  }

  /** Lets go of everything: the exchange is lent on, and nothing of this request may be left in it. */
  #release(): void {
    this.#active = false;
    if (this.#waiting) this.#stopWaiting();
    // Still there if nobody is interested in its answer any more; one that is complete is back in its pool.
    this.#channel?.destroy();
    this.#channel = undefined;
    this.#unhold();
    this.#leavePool();
    if (this.#via !== this.#lane) {
      this.#via!.traffic.guests--;
      this.#lane!.traffic.guests++;
    }
    this.#question.lines = '';
    this.#question.payload = '';
  }

  /** Tells the trial how it ended. A client that left, or that we refused, speaks neither for nor against. */
  #testify(trial: TrialArm, status: number, failed: boolean, fault: Fault | undefined): void {
    const latency = this.#latency;
    if (latency >= 0) trial.wait(this.#ticket, latency);
    else this.wait(this.#context.clock.monotonic());
    this.#trial = undefined;
    if (failed || fault === undefined) trial.end(this.#ticket, status, failed, latency);
  }
}

/** Whether an answer is a stream of server-sent events. */
function isEventStream(buffer: Buffer, head: Head): boolean {
  const type = head.findName(buffer, CONTENT_TYPE);
  return type >= 0 && /^text\/event-stream\b/i.test(head.value(buffer, type));
}

/**
 * The protocols a request may switch to, or undefined. One with a body is an ordinary request; and h2c would be
 * a tunnel past everything here, HTTP inside it included.
 */
function upgradeOf(buffer: Buffer, head: Head): string | undefined {
  const asked = head.upgradeNamed && head.upgrade >= 0 && head.minor === 1;
  if (!asked || head.contentLength > 0 || head.chunked) return undefined;
  const protocols = head.value(buffer, head.upgrade);
  return /\bh2c?\b/i.test(protocols) ? undefined : protocols;
}
