import { writeSync } from 'node:fs';
import { silent } from '../../src/base/log.ts';
import { fileStore } from '../../src/store/file.ts';
import { sampleEntry, sampleService } from '../contract/store.ts';

/**
 * Changes the store in the directory it is told, without end, and prints every revision that was acknowledged.
 * To be killed; run by kill.test.ts.
 */
const store = await fileStore(process.argv[2]!, silent);
let { revision } = await store.read();
for (;;) {
  const salt = `${revision + 1}`;
  // Enough for a write to take a while, and every part of it tells to which revision it belongs.
  const services = Object.fromEntries(Array.from({ length: 200 }, (_, n) => [`s${n}`, sampleService(salt)]));
  const state = await store.replace(revision, { services }, sampleEntry('web', salt));
  revision = state!.revision;
  writeSync(1, `${revision}\n`);
}
