import { type Agreement, agreement } from '../conformance/agreement.ts';
import {
  type Request,
  type Response,
  readRequests as requestsSeenBy,
  readResponses as responsesSeenBy,
} from '../conformance/messages.ts';
import { knowsMethod, readRequests, readResponse } from './llhttp.ts';
import { type Message, quote, type Reading } from './message.ts';
import { type Passage, passRequests, passResponse } from './passing.ts';

/** What came of one input: passed on or not, and what is wrong with that, if anything. */
export interface Finding {
  readonly passed: boolean;
  readonly wrong: string | undefined;
}

/** How streams of one direction are passed on, and read by others. */
interface Direction {
  pass(packets: readonly string[]): Passage;
  llhttp(bytes: string): Promise<Reading>;
  /** What no parser minds, and a server might. */
  unsound(message: Message): string | undefined;
  /** Whether llhttp can be asked. */
  known(message: Message): boolean;
  /** What strict and lax readers make of it, but for those ignored. */
  readers(bytes: string, ignored: readonly string[]): Agreement<Request | Response>;
  /** Lax readers that need not agree with what is passed on. */
  readonly ignored: readonly string[];
}

/** Fields with an underscore are dropped, so whoever takes one for a dash sees more in the input than we pass on. */
const UNDERSCORE = ['underscore-is-dash'];

const REQUESTS: Direction = {
  pass: (packets) => passRequests(packets),
  llhttp: readRequests,
  known: knowsMethod,
  unsound: hostFault,
  readers: (bytes, ignored) => agreement((reader) => requestsSeenBy(bytes, reader), ignored),
  ignored: [],
};

function answersTo(method: string): Direction {
  return {
    pass: (packets) => passResponse(packets, method),
    llhttp: (bytes) => readResponse(bytes, method),
    known: () => true,
    unsound: () => undefined,
    readers: (bytes, ignored) =>
      agreement((reader) => responsesSeenBy(bytes, [method], reader, true), ignored),
    // Only servers, with their CGI variables, take an underscore for a dash.
    ignored: UNDERSCORE,
  };
}

/**
 * Whatever the codec passes on of a stream of requests, llhttp reads as the same messages and no more, and so
 * do all other readers. What is accepted had one reading to begin with.
 */
export function checkRequests(packets: readonly string[]): Promise<Finding> {
  return check(packets, REQUESTS);
}

/** The same for what an origin answers to a request with this method. */
export function checkAnswersTo(method: string): (packets: readonly string[]) => Promise<Finding> {
  const direction = answersTo(method);
  return (packets) => check(packets, direction);
}

async function check(packets: readonly string[], direction: Direction): Promise<Finding> {
  const input = packets.join('');
  const passage = direction.pass(packets);
  const passed = passage.messages.length > 0;
  const split = wholeDiffers(passage, direction.pass([input]));
  if (split !== undefined || !passed) return { passed, wrong: split };
  const wrong =
    (passage.messages.every(direction.known) ? await llhttpDiffers(passage, input, direction) : undefined) ??
    passage.messages.map(direction.unsound).find((each) => each !== undefined) ??
    readersDiffer('what is passed on', passage, direction.readers(passage.bytes, direction.ignored)) ??
    (passage.complete
      ? readersDiffer('what is accepted', passage, direction.readers(input, UNDERSCORE))
      : undefined);
  return { passed, wrong };
}

async function llhttpDiffers(
  passage: Passage,
  input: string,
  { llhttp }: Direction,
): Promise<string | undefined> {
  const [behind, before] = await Promise.all([llhttp(passage.bytes), llhttp(input)]);
  return differs(passage, behind) ?? disputes(passage, before);
}

function readersDiffer(
  what: string,
  { messages }: Passage,
  { strict, disagreements }: Agreement<Request | Response>,
): string | undefined {
  if (strict.why) return `a strict reader refuses ${what}: ${strict.why}`;
  const whole = messages.filter((message) => message.whole).length;
  if (strict.messages.length !== whole) return `${what} is ${strict.messages.length} messages, not ${whole}`;
  return disagreements[0] && `${what} is to ${disagreements[0].reader}: ${disagreements[0].saw}`;
}

/**
 * However the stream was cut into packets, it must come to the same, but for how much of a broken body came,
 * and for a last line, which may be judged once it has ended.
 */
function wholeDiffers(cut: Passage, whole: Passage): string | undefined {
  const settled = ({ messages }: Passage) =>
    messages.map((message) => (message.whole ? message : { ...message, body: '' }));
  const postponed = cut.refused === undefined && !cut.complete;
  if ((cut.refused === whole.refused || postponed) && same(settled(cut), settled(whole))) return undefined;
  return `cut into packets it is ${show(cut)}, in one ${show(whole)}`;
}

function hostFault({ fields }: Message): string | undefined {
  const hosts = fields.filter((name, i) => i % 2 === 0 && name.toLowerCase() === 'host').length;
  return hosts === 1 ? undefined : `passed on with ${hosts} Host fields`;
}

/** What llhttp sees behind us. */
function differs(passage: Passage, seen: Reading): string | undefined {
  const last = passage.messages.at(-1)!;
  const unfinished = !last.whole || /^1\d\d$/.test(last.line);
  if (same(passage.messages, seen.messages) && (seen.refused === undefined || unfinished)) return undefined;
  return `passed on as ${show(passage)}, llhttp behind sees ${show(seen)}`;
}

/** What llhttp sees in front of us: as far as it accepts a message, it must be the one we see. */
function disputes(passage: Passage, seen: Reading): string | undefined {
  for (const [i, ours] of passage.messages.entries()) {
    const theirs = seen.messages[i];
    if (!ours.whole || !theirs?.whole) return undefined;
    if (theirs.body !== ours.body || word(theirs) !== word(ours))
      return `we see ${show(passage)}, llhttp in our place ${show(seen)}`;
  }
  return undefined;
}

function word(message: Message): string {
  return message.line.split(' ', 1)[0]!;
}

function same(one: readonly Message[], other: readonly Message[]): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

function show({ messages, refused }: Reading): string {
  return quote({ messages, refused });
}
