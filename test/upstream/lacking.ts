import { closeSync, openSync } from 'node:fs';
import { Deadlines } from '../../src/base/deadlines.ts';
import { silent } from '../../src/base/log.ts';
import type { Fault } from '../../src/model/fault.ts';
import { HEALTH } from '../../src/model/health.ts';
import { Pool } from '../../src/upstream/pool.ts';
import { probe } from '../../src/upstream/probe.ts';
import { reachable } from '../support/peer.ts';
import { question } from './parts.ts';
import { docOf } from './world.ts';

/**
 * A process that has used up its descriptors, and then probes an endpoint and sends it a request; prints what came
 * of it. Run by a test with a low limit.
 */
const endpoint = process.argv[2]!;
const address = reachable(endpoint);
const service = docOf({ versions: { v: [endpoint] } });

function look(path?: string) {
  const policy = { ...HEALTH, ...(path !== undefined && { path }) };
  return probe({ endpoint, address, policy, version: 'v', service });
}

/** The kind of fault that a request ends with. */
function ask(pool: Pool): Promise<string> {
  const terms = { connect: 1e9, head: 1e9, body: 1e9, keepAlive: 1 };
  return new Promise((resolve, reject) => {
    const unexpected = () => reject(new Error('the request was answered'));
    pool.take(terms.connect, true)!.ask(
      {
        granted() {},
        interim() {},
        writable() {},
        answer: unexpected,
        more: unexpected,
        upgraded: unexpected,
        failed: ({ kind }: Fault) => resolve(kind),
      },
      terms,
      question({}),
    );
  });
}

/** Opens files until no more can be. */
function useUp(): number[] {
  const files: number[] = [];
  for (;;) {
    try {
      files.push(openSync('/dev/null', 'r'));
    } catch {
      return files;
    }
  }
}

const before = await look();
const pool = new Pool(
  address,
  new Deadlines(0, 0),
  { targetBytes: 16_384, headBytes: 32_768, headers: 100, bufferBytes: 131_072 },
  { connections: 1, requests: 1, pending: 0 },
  silent,
);
const files = useUp();
const lacking = [await look(), await look('/')].map((found) => found ?? 'unknown');
const fault = await ask(pool);
const { avoided } = pool;
for (const file of files) closeSync(file);
const after = await look('/');
process.stdout.write(JSON.stringify({ before, lacking, fault, avoided, after }));
