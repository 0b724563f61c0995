import { parseArgs } from 'node:util';
import { checkAnswersTo, checkRequests } from './differential/check.ts';
import { type Fuzzing, fuzz } from './differential/fuzz.ts';
import { quote } from './differential/message.ts';
import { requestSeeds, responseSeeds } from './differential/seeds.ts';
import { AnswerSockets, RequestSockets } from './differential/sockets.ts';

/**
 * Holds the codec against llhttp on many mutated inputs, and the whole proxy, over sockets, on some:
 * `node dist/test/wire/differential.js --inputs 200000 --sockets 5000 --seed 1`. Exits with 1 at a difference.
 */
const { values: options } = parseArgs({
  options: {
    inputs: { type: 'string', default: '200000' },
    sockets: { type: 'string', default: '5000' },
    seed: { type: 'string', default: '1' },
  },
});
const seed = Number(options.seed);
const inputs = Number(options.inputs);
const sockets = Number(options.sockets);
const requests = requestSeeds();
const answers = responseSeeds();
const requestSockets = await RequestSockets.open();
const answerSockets = await AnswerSockets.open();
type Run = Pick<Fuzzing, 'seeds' | 'inputs' | 'check'>;

const codec: Record<string, Run> = {
  requests: { seeds: requests, inputs: Math.ceil(inputs / 2), check: checkRequests },
  'answers to GET': { seeds: answers, inputs: Math.ceil(inputs * 0.4), check: checkAnswersTo('GET') },
  'answers to HEAD': { seeds: answers, inputs: Math.ceil(inputs * 0.1), check: checkAnswersTo('HEAD') },
};
const proxy: Record<string, Run> = {
  'requests over sockets': {
    seeds: requests,
    inputs: Math.ceil(sockets / 2),
    check: (packets) => requestSockets.check(packets),
  },
  'answers over sockets': {
    seeds: answers,
    inputs: Math.ceil(sockets / 2),
    check: (packets) => answerSockets.check(packets),
  },
};
for (const [name, run] of Object.entries(codec)) await report(name, { ...run, seed, abreast: 100 });
for (const [name, run] of Object.entries(proxy)) await report(name, { ...run, seed, abreast: 1 });
await Promise.all([requestSockets.close(), answerSockets.close()]);

async function report(name: string, fuzzing: Fuzzing): Promise<void> {
  const began = performance.now();
  const done = await fuzz(fuzzing);
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  console.log(`${name}: ${done.inputs} inputs in ${seconds} s, ${done.passed} passed on in whole or part`);
  if (!done.failure) return;
  console.log(`seed ${seed}: ${done.failure.wrong}\n${quote(done.failure.packets)}`);
  process.exitCode = 1;
}
