import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { parseAddress } from '../../../src/model/address.ts';
import { readCases } from './case.ts';
import { Lane } from './lane.ts';
import { Origin } from './origin.ts';

/**
 * Holds any proxy on a loopback address against the cases:
 * `node dist/test/wire/conformance/run.js --proxy 127.0.0.1:8080 --origin-port 9000 [--only REGEX] [--json FILE]`.
 * The proxy must pass every path and host on to `127.0.0.1:ORIGIN-PORT`. With `--json` everything that was
 * seen, byte for byte, is written to a file.
 */
const { values: options } = parseArgs({
  options: {
    proxy: { type: 'string', default: '127.0.0.1:8080' },
    'origin-port': { type: 'string', default: '9000' },
    only: { type: 'string', default: '' },
    json: { type: 'string' },
  },
});
const proxy = parseAddress(options.proxy);
if (typeof proxy === 'string' || !('host' in proxy) || !proxy.host.startsWith('127.'))
  throw new Error(
    `--proxy must be a loopback address and a port, as in 127.0.0.1:8080; it is ${options.proxy}`,
  );

const origin = new Origin();
await origin.listen(Number(options['origin-port']));
const lane = new Lane(proxy, origin);
const results: (Awaited<ReturnType<Lane['run']>> & { readonly id: string })[] = [];
for (const c of readCases().filter(({ id }) => new RegExp(options.only).test(id))) {
  const outcome = await lane.run(c);
  const { verdict, status, grade, severity, failed } = outcome;
  const why = outcome.seen.forwarded.fault ?? '';
  console.log(
    [grade.padEnd(9), c.id.padEnd(32), status ?? '', verdict, severity ?? '', ...failed, why].join(' '),
  );
  results.push({ id: c.id, ...outcome });
}
const count = (grade: string) => results.filter((result) => result.grade === grade).length;
console.log(
  `${count('pass')} pass, ${count('tolerated')} tolerated, ${count('fail')} fail of ${results.length}`,
);
if (options.json) writeFileSync(options.json, JSON.stringify(results, null, 1));
await origin.close();
