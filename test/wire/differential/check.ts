import { agreement } from '../conformance/agreement.ts';
import { readRequests as requestsSeenBy, readResponses as responsesSeenBy } from '../conformance/messages.ts';
import { knowsMethod, readRequests, readResponse } from './llhttp.ts';
import type { Message, Reading } from './message.ts';
import { type Passage, passRequests, passResponse } from './passing.ts';

/** What came of one input: passed on or not, and what is wrong with that, if anything. */
export interface Finding {
  readonly passed: boolean;
  readonly wrong: string | undefined;
}

/**
 * Whatever the codec passes on of a stream of requests, llhttp reads as the same messages and no more; so do
 * all lax readers; and where llhttp accepts the stream itself, it sees the same in it.
 */
export async function checkRequests(packets: readonly string[]): Promise<Finding> {
  const passage = passRequests(packets);
  const passed = passage.messages.length > 0;
  const split = wholeDiffers(passage, passRequests([packets.join('')]));
  if (split !== undefined || !passed) return { passed, wrong: split };
  const [behind, before] = await Promise.all([readRequests(passage.bytes), readRequests(packets.join(''))]);
  const known = passage.messages.every(knowsMethod);
  const { strict, disagreements } = agreement((reader) => requestsSeenBy(passage.bytes, reader));
  const wrong =
    (known ? differs(passage, behind, 'llhttp behind') : undefined) ??
    (known ? disputes(passage, before) : undefined) ??
    (strict.why && `a strict reader refuses what is passed on: ${strict.why}`) ??
    (disagreements[0] && `${disagreements[0].reader} sees ${disagreements[0].saw}`);
  return { passed, wrong };
}

/** The same for what an origin answers, and a client built on llhttp. */
export async function checkResponse(packets: readonly string[], method: string): Promise<Finding> {
  const passage = passResponse(packets, method);
  const passed = passage.messages.length > 0;
  const split = wholeDiffers(passage, passResponse([packets.join('')], method));
  if (split !== undefined || !passed) return { passed, wrong: split };
  const [behind, before] = await Promise.all([
    readResponse(passage.bytes, method),
    readResponse(packets.join(''), method),
  ]);
  const { strict, disagreements } = agreement(
    (reader) => responsesSeenBy(passage.bytes, [method], reader, true),
    // Only servers, with their CGI variables, take an underscore for a dash.
    ['underscore-is-dash'],
  );
  const wrong =
    differs(passage, behind, 'llhttp behind') ??
    disputes(passage, before) ??
    (strict.why && `a strict reader refuses what is passed on: ${strict.why}`) ??
    (disagreements[0] && `${disagreements[0].reader} sees ${disagreements[0].saw}`);
  return { passed, wrong };
}

/** However the stream was cut into packets, it must come to the same, but for how much of a broken body came. */
function wholeDiffers(cut: Passage, whole: Passage): string | undefined {
  const settled = ({ messages }: Passage) =>
    messages.map((message) => (message.whole ? message : { ...message, body: '' }));
  if (cut.refused === whole.refused && same(settled(cut), settled(whole))) return undefined;
  return `cut into packets it is ${show(cut)}, in one ${show(whole)}`;
}

function differs(passage: Passage, seen: Reading, who: string): string | undefined {
  const last = passage.messages.at(-1)!;
  const unfinished = !last.whole || /^1\d\d$/.test(last.line);
  if (same(passage.messages, seen.messages) && (seen.refused === undefined || unfinished)) return undefined;
  return `passed on as ${show(passage)}, ${who} sees ${show(seen)}`;
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
  return JSON.stringify({ messages, refused });
}
