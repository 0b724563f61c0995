import assert from 'node:assert/strict';
import { test } from 'node:test';
import { atEnd } from '../support/end.ts';
import { checkAnswersTo, checkRequests, type Finding } from './differential/check.ts';
import { fuzz } from './differential/fuzz.ts';
import { quote } from './differential/message.ts';
import { requestSeeds, responseSeeds } from './differential/seeds.ts';
import { AnswerSockets, RequestSockets } from './differential/sockets.ts';

/** Changed when somebody wants to look elsewhere; `differential.ts` does so at length. */
const SEED = 20_261_122;

type Check = (packets: readonly string[]) => Promise<Finding>;

async function holds(seeds: readonly string[], inputs: number, abreast: number, check: Check): Promise<void> {
  const { failure, passed } = await fuzz({ seeds, inputs, seed: SEED, abreast, check });
  if (failure) assert.fail(`seed ${SEED}: ${failure.wrong}\n${quote(failure.packets)}`);
  // A codec that refuses everything would hold, too.
  assert.ok(passed > inputs / 4, `only ${passed} of ${inputs} were passed on`);
}

test('what the codec passes on of mutated requests, llhttp and every lax reader read as the same messages', () =>
  holds(requestSeeds(), 3000, 100, checkRequests));

test('what the codec passes on of mutated answers, llhttp and every lax reader read as the same answer', () =>
  holds(responseSeeds(), 3000, 100, checkAnswersTo('GET')));

test('what the codec passes on of mutated answers to HEAD is read as an answer without a body', () =>
  holds(responseSeeds(), 500, 100, checkAnswersTo('HEAD')));

test('an origin built on llhttp sees what the codec passed on of mutated requests, and nothing else', async (t) => {
  const sockets = await RequestSockets.open();
  atEnd(t, () => sockets.close());
  await holds(requestSeeds(), 600, 1, (packets) => sockets.check(packets));
});

test('a client built on llhttp sees the same answer as the origin gave, or 502, or a cut', async (t) => {
  const sockets = await AnswerSockets.open();
  atEnd(t, () => sockets.close());
  await holds(responseSeeds(), 600, 1, (packets) => sockets.check(packets));
});
