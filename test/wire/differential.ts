import { parseArgs } from 'node:util';
import { checkAnswersTo, checkRequests } from './differential/check.ts';
import { fuzz } from './differential/fuzz.ts';
import { requestSeeds, responseSeeds } from './differential/seeds.ts';

/**
 * Holds the codec against llhttp on many mutated inputs, half of them requests and half of them answers:
 * `node dist/test/wire/differential.js --inputs 200000 --seed 1`. Exits with 1 at the first difference.
 */
const { values: options } = parseArgs({
  options: { inputs: { type: 'string', default: '200000' }, seed: { type: 'string', default: '1' } },
});
const seed = Number(options.seed);
const answers = responseSeeds();
const runs = [
  { name: 'requests', share: 0.5, seeds: requestSeeds(), check: checkRequests },
  { name: 'answers to GET', share: 0.4, seeds: answers, check: checkAnswersTo('GET') },
  { name: 'answers to HEAD', share: 0.1, seeds: answers, check: checkAnswersTo('HEAD') },
];
for (const { name, share, ...run } of runs) {
  const inputs = Math.ceil(Number(options.inputs) * share);
  const began = performance.now();
  const { failure, ...done } = await fuzz({ ...run, inputs, seed, abreast: 100 });
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  console.log(`${name}: ${done.inputs} inputs in ${seconds} s, ${done.passed} passed on in whole or part`);
  if (failure) {
    console.log(`seed ${seed}: ${failure.wrong}\n${JSON.stringify(failure.packets)}`);
    process.exitCode = 1;
  }
}
