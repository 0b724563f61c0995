import { ascii, text } from '../http/bytes.ts';
import { callFailed, GRPC_STATUS, statusIn } from '../http/grpc.ts';
import { dropNominated, type Head } from '../http/head.ts';
import {
  DATE,
  STRICT_TRANSPORT_SECURITY,
  X_REQUEST_ID,
  X_SPILLWAY_EVENT,
  X_SPILLWAY_VERSION,
} from '../http/names.ts';
import { requestLines, responseLines } from '../http/rewrite.ts';
import type { TrialArm } from '../metrics/trial.ts';
import { FAULTS, type Fault } from '../model/fault.ts';
import { type RoutedService, type RoutedVersion, resolveService } from '../routing/table.ts';
import type { End } from '../upstream/asker.ts';
import { askedIn, hashKey, NOTHING } from './accesslog.ts';
import { faultAnswer } from './answer.ts';
import { Attempts, type Patron } from './attempts.ts';
import type { Context } from './context.ts';
import { grpcAnswer } from './grpc.ts';
import { Host } from './host.ts';
import { type FoundKey, findKey } from './key.ts';
import type { Lane } from './lane.ts';
import type { Pace } from './pace.ts';
import { forwardedOn } from './provenance.ts';
import type { Requester } from './requester.ts';
import type { Traffic } from './traffic.ts';
import { type Ends, Tunnel } from './tunnel.ts';

const CONTENT_TYPE = ascii('content-type');
const IDEMPOTENCY_KEY = ascii('idempotency-key');

/** An answer that has taken longer than this is a stream like any other, ms. */
const LONG = 10_000;

/**
 * One request and its response, from first byte to record. A requester has one for as long as it has a
 * request; then it is lent to the next.
 *
 * `begin` is the whole way of a request: match host and path to a service, find the key, choose the version,
 * say what its endpoints are asked. How one is got to answer is the story of its attempts; what comes of them
 * is told through the Patron methods, what the client does through the others, and every way out leads through
 * `#record`, exactly once.
 */
export class Exchange implements Patron, Ends {
  /** Whose request it is. */
  client!: Requester;
  readonly #context: Context;
  readonly #attempts: Attempts;

  #active = false;
  #service: RoutedService<Lane> | undefined;
  #setCookie = '';
  #status = 0;
  /** A gRPC call whose status says that the endpoint failed; its answer is 200 all the same. */
  #callFailed = false;
  #requestId = '';
  #why: string | undefined;
  #keyHash: number | undefined;
  #asked = NOTHING;
  #startedAt = 0;
  #latency = -1;
  /** Who counts it for a trial, as what unit, and the conversions it may come to be, a bit each. */
  #trial: TrialArm | undefined;
  #ticket = 0;
  #occasions = 0;
  #bytesIn = 0;
  #bytesOut = 0;
  /** When a tunnel or an event stream was opened, monotonic ms; negative if it is neither. */
  #openedAt = -1;
  /** What it has become, if the endpoint agreed to another protocol. */
  #tunnel: Tunnel | undefined;

  readonly #host = new Host();

  constructor(context: Context) {
    this.#context = context;
    this.#attempts = new Attempts(context, this);
  }

  // ---- the way of a request

  /** A request has come: its head, and of its body buffer[from, to). `end` as in Asker. */
  begin(buffer: Buffer, head: Head, from: number, to: number, end: End): void {
    this.#reset(head, to - from, end);
    const service = this.#match(buffer, head);
    if ('kind' in service) return this.#refuse(service);
    this.#service = service;
    const { lane } = this.#choose(buffer, head, service);
    lane.traffic.ledger.begin();
    const repeatable =
      head.idempotent || (lane.again !== undefined && head.findName(buffer, IDEMPOTENCY_KEY) >= 0);
    this.#attempts.charge(service.name, lane, this.#why === 'override', repeatable);
    if (lane.maxBodyBytes > 0 && Math.max(head.contentLength, this.#bytesIn) > lane.maxBodyBytes)
      return this.#refuse(FAULTS.bodyTooLarge);
    this.#compose(buffer, head, lane);
    this.#attempts.question.payload = text(buffer, from, to);
    this.#attempts.begin();
  }

  #reset(head: Head, bytesIn: number, end: End): void {
    this.#active = true;
    this.#service = undefined;
    this.#setCookie = '';
    this.#status = 0;
    this.#callFailed = false;
    this.#why = undefined;
    this.#keyHash = undefined;
    this.#startedAt = this.#context.clock.monotonic();
    this.#context.deadlines.now = this.#startedAt;
    this.#attempts.reset(head, end, this.#startedAt);
    this.#latency = -1;
    this.#occasions = 0;
    this.#bytesIn = bytesIn;
    this.#bytesOut = 0;
    this.#openedAt = -1;
    this.#tunnel = undefined;
  }

  /** The service that the host and path lead to, or why there is none. */
  #match(buffer: Buffer, head: Head): RoutedService<Lane> | Fault {
    const table = this.#context.table;
    this.#requestId = this.#idOf(buffer, head);
    this.#asked = this.#context.accessLog === undefined ? NOTHING : askedIn(buffer, head);
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
    const { question } = this.#attempts;
    question.lines = out;
    question.upgrade = upgradeOf(buffer, head);
  }

  #idOf(buffer: Buffer, head: Head): string {
    if (this.client.trusted && head.has(X_REQUEST_ID)) {
      const given = head.value(buffer, head.find(X_REQUEST_ID));
      if (given.length > 0 && given.length <= 200) return given;
    }
    return this.#context.mint.requestId();
  }

  // ---- what comes of the attempts

  interim(buffer: Buffer, head: Head): void {
    if (this.#status === 0) this.client.interim(responseLines(buffer, head));
  }

  answer(buffer: Buffer, head: Head, from: number, to: number, end: End): void {
    // One that comes before the request was sent to its end says nothing of how fast the endpoint is.
    const now = this.#context.clock.monotonic();
    if (this.client.requestRead) this.#latency = now - this.#attempts.sentAt;
    this.#status = head.status;
    if (this.#occasions !== 0) this.#convert(buffer, head);
    if (this.client.grpc) {
      const status = head.findName(buffer, GRPC_STATUS);
      if (status >= 0) this.#callFailed = callFailed(head.value(buffer, status));
    }
    let lines = responseLines(buffer, head);
    if (this.client.hsts !== '' && !head.has(STRICT_TRANSPORT_SECURITY)) lines += this.client.hsts;
    if (!head.has(DATE)) lines += this.#context.date.line;
    if (end === undefined && head.contentLength < 0 && isEventStream(buffer, head)) this.#open(now);
    const { headOnly, upgrade } = this.#attempts.question;
    const bare = headOnly || head.status === 204 || head.status === 304;
    if (head.contentLength >= 0 && head.status !== 204) lines += `content-length: ${head.contentLength}\r\n`;
    const room = this.client.answer(
      lines + this.#versionLines(),
      bare || head.contentLength >= 0,
      // After an answer instead of an upgrade nobody knows what protocol comes next.
      upgrade !== undefined,
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
    if (this.#tunnel === undefined) this.#relayed(this.client.more(buffer, from, to, end), to - from, end);
    else if (end === undefined) this.#tunnel.down(buffer, from, to);
    else this.#tunnelOver();
  }

  upgraded(buffer: Buffer, head: Head, from: number, to: number): void {
    const now = this.#context.clock.monotonic();
    this.#latency = now - this.#attempts.sentAt;
    this.#status = 101;
    this.#open(now);
    const protocol = head.value(buffer, head.upgrade);
    this.#tunnel = new Tunnel(this, protocol, buffer, from, to);
    const lines = responseLines(buffer, head) + this.#versionLines();
    const room = this.client.upgraded(lines, protocol, buffer, from, to);
    this.#relayed(room, to - from, undefined);
  }

  /** A tunnel or an event stream begins. */
  #open(now: number): void {
    this.#openedAt = now;
    this.#attempts.via!.traffic.ledger.streamBegins();
  }

  toClient(buffer: Buffer, from: number, to: number): void {
    this.#relayed(this.client.more(buffer, from, to, undefined), to - from, undefined);
  }

  toEndpoint(buffer: Buffer, from: number, to: number): void {
    if (this.#attempts.channel?.write(buffer, from, to, undefined) === false) this.client.pause();
  }

  /** A tunnel ends when somebody leaves it, or its version; there is nothing wrong with that. */
  #tunnelOver(): void {
    this.#record(101, this.#left);
    this.client.finish();
  }

  /** So many bytes were passed on. `now`: the time, if it has just been looked up. */
  #relayed(room: boolean, bytes: number, end: End, now?: number): void {
    this.#bytesOut += bytes;
    if (end !== undefined) {
      if (end !== '' && this.client.grpc) this.#callFailed = callFailed(statusIn(end));
      this.#attempts.complete();
      this.#record(this.#status, undefined, now);
      this.client.done();
    } else if (!room) {
      this.#attempts.channel?.pause();
    }
  }

  failed(fault: Fault): void {
    if (this.leaving) this.#tunnelOver();
    else this.#give(fault);
  }

  rescued(status: number, fault: Fault | undefined): void {
    if (this.#trial !== undefined) this.#testify(this.#trial, status, true, fault);
    this.#occasions = 0;
  }

  // ---- what the client does

  /** How fast the client has to be. */
  get pace(): Pace {
    return this.#attempts.lane?.pace ?? this.#context.rules.pace;
  }

  /** More of the request's body. */
  body(buffer: Buffer, from: number, to: number, end: End): void {
    this.#bytesIn += to - from;
    const { lane, channel } = this.#attempts;
    if (lane === undefined) return;
    // While there is no channel the client is paused. A body with a hole in it must never be passed on.
    if (channel === undefined) return this.abort(FAULTS.badRequest);
    if (lane.maxBodyBytes > 0 && this.#bytesIn > lane.maxBodyBytes) return this.abort(FAULTS.bodyTooLarge);
    this.#attempts.write(buffer, from, to, end);
  }

  tunnelled(buffer: Buffer, from: number, to: number): void {
    this.#bytesIn += to - from;
    this.#tunnel!.up(buffer, from, to);
  }

  tunnelEnded(): void {
    this.#attempts.channel?.finish();
  }

  /** What was written to the client has drained. */
  drained(): void {
    this.#attempts.channel?.resume();
  }

  /** The client let its time pass, or its turn in the queue did not come. */
  expired(): void {
    if (!this.#attempts.expired()) this.abort(FAULTS.requestTimeout);
  }

  clientGone(fault: Fault): void {
    if (!this.#active) return;
    if (this.#tunnel !== undefined) this.#record(101, this.#left);
    else this.#record(fault.status, fault);
  }

  /** Ends an exchange from this side: the request turned out unsound, too large or too slow. */
  abort(fault: Fault): void {
    if (this.#active) this.#give(fault);
  }

  /** It is `now`: a request whose answer has been waited for too long is slow, whatever comes of it. */
  wait(now: number): void {
    const { sentAt } = this.#attempts;
    if (this.#trial !== undefined && sentAt >= 0 && this.#status === 0)
      this.#ticket = this.#trial.wait(this.#ticket, now - sentAt);
  }

  // ---- when the version leaves

  /** Whether its end has been begun because its version has left. */
  get leaving(): boolean {
    return this.#tunnel?.leaving ?? false;
  }

  /** Why its end has been begun; undefined if it has not. */
  get #left(): Fault | undefined {
    if (!this.leaving) return undefined;
    return this.#context.draining ? FAULTS.draining : FAULTS.evicted;
  }

  get webSocket(): boolean {
    return this.#active && this.#tunnel?.isWebSocket === true;
  }

  /** The version that it is a stream of; undefined if it is none, or was asked for by name or as a rescue. */
  streamOf(now: number): Traffic | undefined {
    const { elsewhere, via } = this.#attempts;
    if (!this.#active || this.#status === 0 || this.#why === 'override' || elsewhere) return undefined;
    return this.#openedAt >= 0 || now - this.#startedAt >= LONG ? via?.traffic : undefined;
  }

  /** Ends a stream: a WebSocket by close frames both ways, and soon for good; all else at once, so that it shows. */
  evict(now: number): void {
    if (this.#tunnel === undefined) {
      this.#record(this.#status, FAULTS.evicted);
      this.client.cut();
    } else if (this.#tunnel.leave(now)) {
      this.#tunnelOver();
    }
  }

  // ---- the end

  /** Gives up: says so if no answer has begun; breaks the answer off, visibly, if one has. */
  #give(fault: Fault): void {
    if (this.#status === 0) return this.#refuse(fault);
    this.#record(this.#status, fault);
    this.client.cut();
  }

  #refuse(fault: Fault): void {
    const { question, via } = this.#attempts;
    const version = via?.version;
    const { lines, body } = this.client.grpc
      ? grpcAnswer(fault)
      : faultAnswer(fault, {
          ...(this.#service && { service: this.#service.name }),
          ...(version !== undefined && this.#context.rules.settings.exposeVersion && { version }),
          requestId: this.#requestId,
        });
    const extra = this.client.hsts + (via === undefined ? '' : this.#versionLines());
    const content = question.headOnly ? '' : body;
    this.#bytesOut = content.length;
    this.client.reply(lines + extra, content, question.upgrade !== undefined);
    this.#record(fault.status, fault);
    this.client.done();
  }

  /** Our own lines of an answer. */
  #versionLines(): string {
    const told = this.#context.rules.settings.exposeVersion
      ? this.#attempts.via!.line + this.#setCookie
      : this.#setCookie;
    return this.#attempts.elsewhere ? `${told}x-spillway-rescued: 1\r\n` : told;
  }

  /** Every exchange is recorded exactly once, under the version chosen, however it ends. */
  #record(status: number, fault: Fault | undefined, now = this.#context.clock.monotonic()): void {
    this.#active = false;
    const { pool } = this.#attempts;
    this.#attempts.release();
    const duration = now - this.#startedAt;
    const { lane, via, elsewhere } = this.#attempts;
    if (lane === undefined) {
      this.#context.countUnrouted(status);
    } else {
      const { ledger } = via!.traffic;
      if (fault !== undefined) ledger.fault(fault);
      const failed =
        elsewhere || (fault === undefined ? status >= 500 || this.#callFailed : fault.side === 'upstream');
      const latency = elsewhere ? -1 : this.#latency;
      lane.traffic.ledger.record(status, failed, latency, duration, this.#bytesIn, this.#bytesOut);
      if (this.#openedAt >= 0) ledger.streamEnds(now - this.#openedAt);
      if (this.#trial !== undefined) this.#testify(this.#trial, status, failed, fault);
    }
    const log = this.#context.accessLog;
    if (log === undefined || !(log.due() || fault !== undefined)) return;
    log.write({
      requestId: this.#requestId,
      service: this.#service?.name,
      version: lane?.version,
      rescuedBy: elsewhere ? via?.version : undefined,
      endpoint: pool?.name,
      why: this.#why,
      client: log.clients ? this.client.address : undefined,
      asked: this.#asked,
      status,
      latency: this.#latency,
      duration,
      bytesIn: this.#bytesIn,
      bytesOut: this.#bytesOut,
      fault: fault?.kind,
      keyHash: this.#keyHash,
    });
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
