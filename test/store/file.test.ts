import assert from 'node:assert/strict';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { type Log, silent } from '../../src/base/log.ts';
import { fileStore } from '../../src/store/file.ts';
import { type Store, StoreUnavailable } from '../../src/store/store.ts';
import { sampleEntry, sampleService, sampleState, storeContract } from '../contract/store.ts';
import { temporaryDirectory } from './directory.ts';

storeContract('file', () => fileStore(temporaryDirectory(), silent));

async function withStore<T>(directory: string, use: (store: Store) => Promise<T>, log = silent): Promise<T> {
  const store = await fileStore(directory, log);
  try {
    return await use(store);
  } finally {
    await store.close();
  }
}

/** Writes revisions 1 to `count`. */
function written(directory: string, count: number): Promise<void> {
  return withStore(directory, async (store) => {
    for (let revision = 0; revision < count; revision++)
      assert.ok(await store.replace(revision, sampleState(`salt ${revision + 1}`), sampleEntry('web')));
  });
}

function revisions(store: Store): Promise<number[]> {
  return store.audit({ limit: 1000 }).then((entries) => entries.map(({ revision }) => revision));
}

describe('a file store that is opened again', () => {
  test('holds what was written, and its audit log', async () => {
    const directory = temporaryDirectory();
    await written(directory, 3);
    await withStore(directory, async (store) => {
      assert.deepEqual(await store.read(), { revision: 3, ...sampleState('salt 3') });
      assert.deepEqual(await revisions(store), [3, 2, 1]);
      assert.equal((await store.replace(3, sampleState('d'), sampleEntry('web')))?.revision, 4);
    });
  });

  test('makes its directory, for nobody else to read', async () => {
    const directory = join(temporaryDirectory(), 'deep', 'down');
    await written(directory, 1);
    assert.equal(statSync(directory).mode & 0o077, 0);
    assert.equal(statSync(join(directory, 'state.json')).mode & 0o077, 0);
    assert.equal(statSync(join(directory, 'audit.jsonl')).mode & 0o077, 0);
  });

  test('adds the audit entry that a crash kept from the log', async () => {
    const directory = temporaryDirectory();
    await written(directory, 3);
    const path = join(directory, 'audit.jsonl');
    const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
    writeFileSync(path, `${lines.slice(0, 2).join('\n')}\n`);
    await withStore(directory, async (store) => assert.deepEqual(await revisions(store), [3, 2, 1]));
    assert.equal(readFileSync(path, 'utf8').trimEnd().split('\n').length, 3);
  });

  test('cuts a torn last line of the log', async () => {
    const directory = temporaryDirectory();
    await written(directory, 2);
    const path = join(directory, 'audit.jsonl');
    const text = readFileSync(path, 'utf8');
    writeFileSync(path, text.slice(0, -20));
    await withStore(directory, async (store) => assert.deepEqual(await revisions(store), [2, 1]));
    assert.equal(readFileSync(path, 'utf8'), text);
  });

  test('reads a log of many blocks backwards, with lines longer than a block', async () => {
    const directory = temporaryDirectory();
    await withStore(directory, async (store) => {
      for (let revision = 0; revision < 40; revision++)
        await store.replace(
          revision,
          sampleState('a'),
          sampleEntry('web', 'é'.repeat(revision % 4 === 0 ? 50_000 : 1_000)),
        );
    });
    await withStore(directory, async (store) => {
      const entries = await store.audit({ limit: 100 });
      assert.deepEqual(
        entries.map(({ revision }) => revision),
        Array.from({ length: 40 }, (_, n) => 40 - n),
      );
      assert.equal(entries.at(-1)?.reason?.length, 50_000);
    });
  });

  test('never gives out a revision again when an older state file was put back', async () => {
    const directory = temporaryDirectory();
    const path = join(directory, 'state.json');
    await written(directory, 2);
    const backup = readFileSync(path);
    await withStore(directory, (store) => store.replace(2, sampleState('later'), sampleEntry('web')));
    writeFileSync(path, backup);
    const warnings: string[] = [];
    const log: Log = { ...silent, warn: (_, message) => void warnings.push(message) };
    await withStore(
      directory,
      async (store) => {
        assert.deepEqual(await store.read(), { revision: 3, ...sampleState('salt 2') });
        assert.deepEqual(await revisions(store), [3, 2, 1]);
        assert.equal((await store.replace(3, sampleState('on'), sampleEntry('web')))?.revision, 4);
      },
      log,
    );
    assert.match(warnings[0]!, /state\.json is older than the audit log/);
  });
});

test('a directory that cannot be one is told with the cure', async () => {
  const file = join(temporaryDirectory(), 'file');
  writeFileSync(file, '');
  await assert.rejects(
    fileStore(join(file, 'data'), silent),
    /file\/data cannot be used: ENOTDIR.*; make it a directory this process may write to, or name another one/,
  );
});

describe('a file store that finds damage', () => {
  for (const [what, contents, says] of [
    [
      'is cut short',
      '{"format":1,"entry":{"revision":1',
      /state\.json is damaged: .*restore it from a backup/s,
    ],
    ['is empty', '', /state\.json is damaged/],
    ['is null', 'null', /its format is not 1/],
    ['is of another format', '{"format":2}', /its format is not 1/],
    [
      'holds no state',
      '{"format":1,"entry":{"revision":1},"state":{"revision":1}}',
      /required properties services/,
    ],
    [
      'holds a service that is none',
      '{"format":1,"entry":{"revision":1},"state":{"revision":1,"services":{"web":{}}}}',
      /\/services\/web/,
    ],
    ['lacks its audit entry', '{"format":1,"state":{"revision":1,"services":{}}}', /entry of revision 1/],
  ] as const) {
    test(`does not start when its state file ${what}, and says so`, async () => {
      const directory = temporaryDirectory();
      await written(directory, 1);
      writeFileSync(join(directory, 'state.json'), contents);
      await assert.rejects(fileStore(directory, silent), says);
      assert.ok(!existsSync(join(directory, 'lock')), 'the directory is free again');
    });
  }

  test('does not start empty when the state file is missing', async () => {
    const directory = temporaryDirectory();
    await written(directory, 2);
    rmSync(join(directory, 'state.json'));
    await assert.rejects(
      fileStore(directory, silent),
      /state\.json is missing, although .* revision 2; restore/,
    );
  });

  test('names the audit log when a line of it is damaged', async () => {
    const directory = temporaryDirectory();
    await written(directory, 1);
    appendFileSync(join(directory, 'audit.jsonl'), 'nonsense\n');
    await assert.rejects(fileStore(directory, silent), /audit\.jsonl is damaged at the line .*"nonsense/);
  });
});

describe('a file store whose disk fails', () => {
  test('throws StoreUnavailable and has changed nothing, and works again when the disk does', async () => {
    const directory = temporaryDirectory();
    await withStore(directory, async (store) => {
      await store.replace(0, sampleState('a'), sampleEntry('web'));
      const before = readFileSync(join(directory, 'state.json'), 'utf8');
      const seen: number[] = [];
      store.watch(({ revision }) => seen.push(revision));

      mkdirSync(join(directory, 'state.json.next'));
      await assert.rejects(store.replace(1, sampleState('b'), sampleEntry('web')), (error) => {
        assert.ok(error instanceof StoreUnavailable);
        assert.match(error.message, /state\.json cannot be written: EISDIR/);
        return true;
      });
      assert.equal((await store.read()).revision, 1);
      assert.deepEqual(await revisions(store), [1]);
      assert.equal(readFileSync(join(directory, 'state.json'), 'utf8'), before);
      assert.deepEqual(seen, []);

      rmSync(join(directory, 'state.json.next'), { recursive: true });
      assert.equal((await store.replace(1, sampleState('b'), sampleEntry('web')))?.revision, 2);
      assert.deepEqual(await revisions(store), [2, 1]);
    });
  });

  test('keeps the audit entry that the log could not take, and takes no change that would lose it', {
    skip: !existsSync('/dev/full') && 'needs /dev/full',
  }, async () => {
    const directory = temporaryDirectory();
    symlinkSync('/dev/full', join(directory, 'audit.jsonl'));
    await withStore(directory, async (store) => {
      assert.equal((await store.replace(0, sampleState('a'), sampleEntry('web')))?.revision, 1);
      assert.deepEqual(await revisions(store), [1]);
      await assert.rejects(store.replace(1, sampleState('b'), sampleEntry('web')), /ENOSPC/);
      assert.equal((await store.read()).revision, 1);
    });
    rmSync(join(directory, 'audit.jsonl'));
    await withStore(directory, async (store) => assert.deepEqual(await revisions(store), [1]));
  });
});

test('a file store writes a state of ten thousand services whole', async () => {
  const directory = temporaryDirectory();
  const services = Object.fromEntries(
    Array.from({ length: 10_000 }, (_, n) => [`service-${n}`, sampleService(`${n}`)]),
  );
  await withStore(directory, (store) => store.replace(0, { services }, sampleEntry('web')));
  await withStore(directory, async (store) => assert.deepEqual((await store.read()).services, services));
});
