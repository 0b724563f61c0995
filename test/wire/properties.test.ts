import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { Client } from './client.ts';
import type { Field } from './conformance/lines.ts';
import { type Request, type Response, readResponses } from './conformance/messages.ts';
import { STRICT } from './conformance/reader.ts';
import { packetsOf, requestBytes } from './properties/bytes.ts';
import {
  type Conversation,
  conversation,
  type Exchange,
  FIELD_NAMES,
  type Pair,
  TRAILER_NAMES,
} from './properties/exchange.ts';
import { ScriptedOrigin } from './properties/scripted.ts';
import { openSpillway, type Spillway } from './spillway.ts';

/** Milliseconds after which an answer that is due counts as none. */
const PATIENCE = 60_000;
/** A failure is made smaller for as long as this; without one, a few seconds do. */
const MINUTE = 60_000;

const origin = new ScriptedOrigin();
let spillway: Spillway;

before(async () => {
  spillway = await openSpillway(`127.0.0.1:${await origin.listen()}`);
});
after(async () => {
  await spillway.close();
  origin.close();
});

test('whatever is asked and answered arrives intact, in order, however it is cut into packets', () =>
  fc.assert(
    fc.asyncProperty(conversation, async (talk) => {
      origin.begin(talk);
      const answers = await converse(talk);
      assert.equal(origin.fault, undefined);
      assert.equal(origin.requests.length, talk.exchanges.length, 'requests at the origin');
      for (const [i, exchange] of talk.exchanges.entries()) {
        requestArrived(exchange, i, origin.requests[i]!);
        answerArrived(exchange, answers.splice(0, interimOf(exchange).length + 1));
      }
      assert.deepEqual(answers, []);
    }),
    { numRuns: 200, interruptAfterTimeLimit: MINUTE },
  ));

/** Sends all requests right behind each other, and gives back all answers. */
async function converse({ exchanges, packets }: Conversation): Promise<Response[]> {
  const client = new Client(spillway.address);
  const wanted = exchanges.length + exchanges.flatMap(interimOf).length;
  const methods = exchanges.map(({ request }) => request.method);
  const closes = exchanges.at(-1)!.request.close;
  const read = () => readResponses(client.received, methods, STRICT, client.done);
  for (const packet of packetsOf(exchanges.map(requestBytes).join(''), packets)) {
    client.send(packet);
    await new Promise((resolve) => setImmediate(resolve));
  }
  const answered = await client.until(
    () => client.done || (!closes && read().messages.length >= wanted),
    PATIENCE,
  );
  client.leave();
  const reading = read();
  assert.ok(answered, `answered ${reading.messages.length} of ${wanted}`);
  assert.deepEqual([reading.state, reading.why], ['ok', undefined]);
  assert.equal(client.done, closes, 'the connection ends when it was asked to');
  return [...reading.messages];
}

/** Interim answers that are to be relayed: HTTP/1.0 does not know them. */
function interimOf({ request, answer }: Exchange): readonly number[] {
  return request.minor === 1 ? answer.interim : [];
}

function requestArrived({ request }: Exchange, index: number, seen: Request): void {
  assert.equal(`${seen.method} ${seen.target}`, `${request.method} /${index}`);
  assert.deepEqual(known(seen.fields, FIELD_NAMES), request.fields);
  assert.ok(seen.body === request.body, 'the body of the request');
  assert.deepEqual(known(seen.trailers, TRAILER_NAMES), request.trailers);
}

function answerArrived(exchange: Exchange, seen: readonly Response[]): void {
  const { request, answer } = exchange;
  const final = seen.at(-1)!;
  assert.deepEqual(
    seen.map(({ status }) => status),
    [...interimOf(exchange), answer.status],
  );
  assert.deepEqual(known(final.fields, FIELD_NAMES), answer.fields);
  assert.ok(final.body === (request.method === 'HEAD' ? '' : answer.body), 'the body of the answer');
  const relayed = request.method === 'HEAD' || request.minor === 0 ? [] : answer.trailers;
  assert.deepEqual(known(final.trailers, TRAILER_NAMES), relayed);
}

function known(fields: readonly Field[], names: readonly string[]): Pair[] {
  return fields.filter(({ name }) => names.includes(name)).map(({ name, value }) => [name, value]);
}
