import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { silent } from '../../src/base/log.ts';
import { fileStore } from '../../src/store/file.ts';
import { once } from '../support/patience.ts';
import { temporaryDirectory } from './directory.ts';

const WRITER = fileURLToPath(new URL('./writer.js', import.meta.url));
const KILLS = 64;
/** Directories killed side by side, since most of the time is spent starting processes. */
const LANES = 2;

/** Lets a process write until it is killed at some instant; returns the last revision it acknowledged, if any. */
async function killedWriter(directory: string): Promise<number | undefined> {
  const child = spawn(process.execPath, [WRITER, directory], { stdio: ['ignore', 'pipe', 'pipe'] });
  let printed = '';
  let complaint = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (printed += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (complaint += text));
  const closed = once(child, 'close');
  // Most are killed while they write, some while they open the store.
  if (Math.random() < 0.8) await Promise.race([once(child.stdout, 'data'), closed]);
  else await pause(30 + Math.random() * 60);
  await pause(Math.random() * 25);
  child.kill('SIGKILL');
  const [code, signal] = await closed;
  assert.equal(signal, 'SIGKILL', `the writer ended by itself (${code}): ${complaint}`);
  const whole = printed.slice(0, printed.lastIndexOf('\n') + 1).trimEnd();
  return whole === '' ? undefined : Number(whole.split('\n').at(-1));
}

test('kill -9 at any instant loses no acknowledged change and leaves no half-written file', async () => {
  const lanes = Array.from({ length: LANES }, async () => {
    const directory = temporaryDirectory();
    let before = 0;
    for (let kill = 0; kill < KILLS / LANES; kill++) {
      const acknowledged = (await killedWriter(directory)) ?? before;
      const store = await fileStore(directory, silent);
      const { revision, services } = await store.read();
      // The one change that was under way when the process was killed may have become true, and no other.
      assert.ok(
        revision === acknowledged || revision === acknowledged + 1,
        `acknowledged ${acknowledged}, found ${revision}`,
      );
      for (const service of Object.values(services)) assert.equal(service.split.salt, `${revision}`);
      assert.equal(Object.keys(services).length, revision === 0 ? 0 : 200);
      const entries = await store.audit({ limit: Number.MAX_SAFE_INTEGER });
      assert.equal(entries.length, revision);
      for (const [index, entry] of entries.entries()) {
        assert.equal(entry.revision, revision - index);
        assert.equal(entry.reason, `${entry.revision}`);
      }
      await store.close();
      before = revision;
    }
    return before;
  });
  for (const revision of await Promise.all(lanes)) assert.ok(revision > 0, 'nothing was ever written');
});
