import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { test } from 'node:test';

/** The floors of the house, lowest first. A room imports from the floors below its own, and from itself. */
const FLOORS: readonly (readonly string[])[] = [
  ['base'],
  ['model'],
  ['http', 'routing', 'analysis', 'rollout'],
  ['config', 'store', 'upstream', 'metrics', 'gates'],
  ['proxy', 'control'],
  ['admin'],
  ['process'],
  ['cli.ts'],
];
const PURE = new Set(FLOORS.slice(0, 3).flat());

/** Who knows which package. Whatever is not named here may not be imported. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  typebox: ['model'],
  ajv: ['config'],
  yaml: ['config'],
  'prom-client': ['metrics'],
  fastify: ['admin'],
  '@fastify/swagger': ['admin'],
  '@fastify/rate-limit': ['admin'],
  '@fastify/ajv-compiler': ['admin'],
  pino: ['process'],
  undici: ['process', 'gates'],
  ioredis: ['store'],
};

/** What floors 0 to 2 may take from Node: arithmetic on addresses and hashes, nothing of the world. */
const PURE_NODE = new Map([
  ['node:net', /^import (type )?\{ ?(BlockList, )?isIP ?\}/],
  ['node:http', /^import \{ ?STATUS_CODES ?\}/],
  ['node:crypto', /^import \{ ?createHmac, timingSafeEqual ?\}/],
]);
const WORLD =
  /\b(Date\.now|new Date\(\)|performance\.|Math\.random|process\.(?!stdout\b)|set(Timeout|Interval|Immediate)\b|fetch\()/;

interface Source {
  readonly path: string;
  readonly room: string;
  readonly text: string;
  readonly imports: readonly { readonly line: string; readonly from: string }[];
}

const sources = readdirSync('src', { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts'))
  .map((path): Source => {
    const text = readFileSync(join('src', path), 'utf8');
    const imports = [...text.matchAll(/^(?:import|export)\s[^;]*?\sfrom\s'([^']+)';/gm)].map((match) => ({
      line: match[0],
      from: match[1]!,
    }));
    return { path, room: path.split('/')[0]!, text, imports };
  });

function floorOf(room: string): number {
  return FLOORS.findIndex((rooms) => rooms.includes(room));
}

function target(source: Source, from: string): string {
  return relative('src', resolve('src', dirname(source.path), from));
}

test('Every file lives in a room of the house', () => {
  assert.deepEqual(
    sources.filter(({ room }) => floorOf(room) < 0).map(({ path }) => path),
    [],
  );
});

test('Imports point down', () => {
  const up = sources.flatMap((source) =>
    source.imports
      .filter(({ from }) => from.startsWith('.'))
      .map(({ from }) => target(source, from))
      .filter(
        (path) => path.split('/')[0] !== source.room && floorOf(path.split('/')[0]!) >= floorOf(source.room),
      )
      .map((path) => `${source.path} imports ${path}`),
  );
  assert.deepEqual(up, []);
});

test('Imports make no circles', () => {
  // Types are gone at run time and may refer to each other.
  const edges = new Map(
    sources.map((source) => [
      source.path,
      source.imports
        .filter(
          ({ from, line }) =>
            from.startsWith('.') &&
            !line.startsWith('import type') &&
            !/\{(\s*type [^,}]+,?)+\s*\}/.test(line),
        )
        .map(({ from }) => target(source, from)),
    ]),
  );
  const done = new Set<string>();
  const visit = (path: string, trail: readonly string[]): void => {
    assert.ok(!trail.includes(path), `a circle: ${[...trail, path].join(' → ')}`);
    if (done.has(path)) return;
    for (const next of edges.get(path) ?? []) visit(next, [...trail, path]);
    done.add(path);
  };
  for (const path of edges.keys()) visit(path, []);
});

test('Pure floors read no clock, no chance, no world', () => {
  const impure = sources
    .filter(({ room }) => PURE.has(room))
    .flatMap((source) => [
      ...source.imports
        .filter(({ from, line }) => from.startsWith('node:') && !PURE_NODE.get(from)?.test(line))
        .map(({ from }) => `${source.path} imports ${from}`),
      ...source.text
        .split('\n')
        .filter((line) => !/^\s*(\*|\/\/|\/\*)/.test(line) && WORLD.test(line))
        .map((line) => `${source.path}: ${line.trim()}`),
    ]);
  assert.deepEqual(impure, []);
});

test('Every package is known by the rooms the table says, and by no other', () => {
  const outside = sources.flatMap((source) =>
    source.imports
      .filter(({ from }) => !from.startsWith('.') && !from.startsWith('node:'))
      .map(({ from }) => ({
        source,
        name: from.startsWith('@') ? from.split('/').slice(0, 2).join('/') : from.split('/')[0]!,
      })),
  );
  const strangers = outside.filter(({ source, name }) => !PACKAGES[name]?.includes(source.room));
  assert.deepEqual(
    strangers.map(({ source, name }) => `${source.path} imports ${name}`),
    [],
  );
  const used = new Set(outside.map(({ name }) => name));
  const declared = Object.keys(
    (JSON.parse(readFileSync('package.json', 'utf8')) as { dependencies: object }).dependencies,
  );
  assert.deepEqual([...used].sort(), declared.sort(), 'dependencies of package.json and imports agree');
});

test('ARCHITECTURE.md names every room, and no room that is not', () => {
  const told = [...readFileSync('ARCHITECTURE.md', 'utf8').matchAll(/^\| \d \|(.*?)\|/gm)].flatMap((row) =>
    [...row[1]!.matchAll(/`([a-z.]+)\/?`/g)].map((name) => name[1]!),
  );
  const real = [...new Set(sources.map(({ room }) => room))];
  assert.deepEqual(told.sort(), real.sort());
});

test('README explains every fault, and no fault that is not', () => {
  const section =
    readFileSync('README.md', 'utf8')
      .split(/^## Faults$/m)[1]
      ?.split(/^## /m)[0] ?? '';
  const told = [...section.matchAll(/^\| `([a-z-]+)` \|/gm)].map((row) => row[1]!);
  const real = [...readFileSync('src/model/fault.ts', 'utf8').matchAll(/fault\(\s*'([a-z-]+)'/g)].map(
    (kind) => kind[1]!,
  );
  assert.deepEqual(told.sort(), real.sort());
});

test('Nothing is left unfinished', () => {
  const marks = sources.flatMap(({ path, text }) => (/\b(TODO|FIXME|XXX)\b/.test(text) ? [path] : []));
  assert.deepEqual(marks, []);
});

/** What waits and ends for all others. */
const PATIENT = ['end.ts', 'patience.ts', 'filerun.ts', 'redis.ts'].map((name) => join('support', name));
PATIENT.push(join('process', 'site.ts'));

test('Tests wait with a limit, and end what they began whatever becomes of the rest', () => {
  const others = readdirSync('test', { recursive: true, encoding: 'utf8' }).filter(
    (path) => path.endsWith('.ts') && !PATIENT.includes(path),
  );
  const endless = others.filter((path) =>
    /\bt\.after\(|^import .*\bonce\b.* from 'node:events'/m.test(readFileSync(join('test', path), 'utf8')),
  );
  assert.deepEqual(endless, [], 'they need `once` of support/patience.ts, and `atEnd` of support/end.ts');
});
