import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { mergeStructure } from '../../src/config/merge.ts';
import { seedState } from '../../src/config/seed.ts';
import type { ServiceConfig, State } from '../../src/model/state.ts';

const NOW = Date.parse('2026-01-01T00:00:00.000Z');
const LATER = NOW + 60_000;
const saltFor = (service: string): string => `salt of ${service}`;

function config(weights: Record<string, number>, more: Partial<ServiceConfig> = {}): ServiceConfig {
  const versions = Object.fromEntries(
    Object.keys(weights).map((name) => [name, { endpoints: [`${name}.internal:80`] }]),
  );
  return { match: [{ path: '/' }], versions, weights, ...more };
}

function seeded(services: Record<string, ServiceConfig>): State {
  return { ...seedState(services, NOW, saltFor), revision: 7 };
}

function merged(state: State, services: Record<string, ServiceConfig>): State {
  const next = mergeStructure(state, services, LATER, saltFor);
  assert.ok(typeof next !== 'string', String(next));
  return next;
}

describe('a service that is seeded', () => {
  test('has the weights of the file, 0 where it says nothing, and a salt', () => {
    const versions = { stable: { endpoints: ['a:1'] }, canary: { endpoints: ['b:1'] } };
    const service: ServiceConfig = { match: [{ path: '/' }], versions, weights: { stable: 100 } };
    assert.deepEqual(seedState({ web: service }, NOW, saltFor), {
      revision: 0,
      services: {
        web: {
          match: [{ path: '/' }],
          versions: {
            stable: { endpoints: ['a:1'], owner: 'file' },
            canary: { endpoints: ['b:1'], owner: 'file' },
          },
          split: {
            weights: { stable: 100, canary: 0 },
            salt: 'salt of web',
            hashVersion: 1,
            cause: 'seed',
            since: '2026-01-01T00:00:00.000Z',
          },
          wholes: ['stable'],
        },
      },
    });
  });

  test('rolls back to the heaviest version while none has all the traffic', () => {
    const { services } = seeded({ web: config({ canary: 10, stable: 90 }) });
    assert.deepEqual(services['web']?.wholes, ['stable']);
  });

  test('may be named like something every object has', () => {
    const { services } = seeded({ constructor: config({ toString: 100 }) });
    assert.deepEqual(Object.keys(services), ['constructor']);
    assert.deepEqual(services['constructor']?.split.weights, { toString: 100 });
  });
});

describe('a file that is read again', () => {
  const files = { web: config({ stable: 90, canary: 10 }), api: config({ v1: 100 }) };

  test('gives back the same state when it says nothing new', () => {
    const state = seeded(files);
    assert.equal(merged(state, structuredClone(files)), state);
  });

  test('never moves live traffic', () => {
    const state = seeded(files);
    const next = merged(state, { ...files, web: config({ stable: 0, canary: 100 }) });
    assert.equal(next, state);
  });

  test('seeds what is new, removes what is gone, and leaves all else the same object', () => {
    const state = seeded(files);
    const next = merged(state, { api: files.api, shop: config({ v1: 100 }) });
    assert.deepEqual(Object.keys(next.services), ['api', 'shop']);
    assert.equal(next.services['api'], state.services['api']);
    assert.equal(next.services['shop']?.split.since, new Date(LATER).toISOString());
    assert.equal(next.revision, 7);
  });

  test('sets everything but the split', () => {
    const state = seeded(files);
    const web = config(
      { stable: 90, canary: 10 },
      {
        match: [{ host: 'www.example.com' }],
        key: { cookie: 'uid' },
        timeouts: { head: 1000 },
      },
    );
    const next = merged(state, { ...files, web }).services['web'];
    assert.deepEqual(next?.match, web.match);
    assert.deepEqual(next?.key, web.key);
    assert.deepEqual(next?.timeouts, web.timeouts);
    assert.equal(next?.split, state.services['web']?.split);
    assert.deepEqual(merged({ ...state, services: { web: next! } }, { web: files.web }).services, {
      web: state.services['web'],
    });
  });

  test('adds new versions with weight 0, and takes away those without weight', () => {
    const state = seeded({ web: config({ stable: 100, old: 0 }) });
    const next = merged(state, { web: config({ stable: 50, new: 50 }) }).services['web'];
    assert.deepEqual(Object.keys(next?.versions ?? {}), ['stable', 'new']);
    assert.deepEqual(next?.split.weights, { stable: 100, new: 0 });
    assert.equal(next?.split.since, state.services['web']?.split.since);
  });

  test('is refused, whole, when it drops a version that holds traffic', () => {
    const says = mergeStructure(seeded(files), { web: config({ stable: 100 }) }, LATER, saltFor);
    assert.match(String(says), /service "web": the file no longer has version "canary", which holds 10 %/);
  });

  test('leaves versions put through the API alone until it names them', () => {
    const state = seeded(files);
    const web = state.services['web']!;
    const put: State = {
      ...state,
      services: {
        ...state.services,
        web: {
          ...web,
          versions: { ...web.versions, v42: { endpoints: ['v42.api:80'], owner: 'api' } },
          split: { ...web.split, weights: { ...web.split.weights, v42: 0 } },
        },
      },
    };
    assert.equal(merged(put, files), put);
    const named = merged(put, { ...files, web: config({ stable: 90, canary: 10, v42: 0 }) });
    assert.deepEqual(named.services['web']?.versions['v42'], {
      endpoints: ['v42.internal:80'],
      owner: 'file',
    });
  });

  test('takes versions that are gone off the trail of rollbacks', () => {
    const state = seeded({ web: config({ a: 100, b: 0 }) });
    const web = { ...state.services['web']!, wholes: ['a', 'b', 'a'] };
    const next = merged({ ...state, services: { web } }, { web: config({ a: 100 }) });
    assert.deepEqual(next.services['web']?.wholes, ['a']);
  });
});

describe('a file that is read again during a rollout', () => {
  const file = { web: config({ stable: 100, canary: 0 }) };
  const trial = { rollout: 'r1', epoch: 3, baseline: 'stable', candidate: 'canary', sticky: true };
  const quarantine = [
    { build: 'b7', rollout: 'r0', since: '2026-01-01T00:00:00.000Z', says: 'It was worse.' },
  ];

  function under(): State {
    const { services, ...rest } = seeded(file);
    return { ...rest, services: { web: { ...services['web']!, trial, quarantine } } };
  }

  test('keeps its trial, and quarantines', () => {
    const changed = { web: { ...config({ stable: 100, canary: 0 }), maxBodyBytes: 9 } };
    const { web } = merged(under(), changed).services;
    assert.deepEqual([web?.maxBodyBytes, web?.trial, web?.quarantine], [9, trial, quarantine]);
    const state = under();
    assert.equal(merged(state, structuredClone(file)), state);
  });

  test('may not drop a version that is in it, though it holds no traffic', () => {
    assert.match(
      String(mergeStructure(under(), { web: config({ stable: 100 }) }, LATER, saltFor)),
      /no longer has version "canary", which is in rollout r1; abort the rollout first/,
    );
  });

  test('keeps what a version says it requires', () => {
    const versions = { stable: { endpoints: ['a:1'], requires: { schema: '>=12' } } };
    const { web } = seeded({ web: { ...config({ stable: 100 }), versions } }).services;
    assert.deepEqual(web?.versions['stable']?.requires, { schema: '>=12' });
  });
});

describe('the database schema', () => {
  const owned = (schema: string, more: Partial<ServiceConfig> = {}) =>
    config({ v1: 100 }, { schema, ...more });

  test('that the file names follows the file', () => {
    const state = seeded({ web: owned('12') });
    assert.deepEqual(state.services['web']?.schema, { version: '12', owner: 'file' });
    const { services } = merged(state, { web: owned('13') });
    assert.deepEqual(services['web']?.schema, { version: '13', owner: 'file' });
    assert.equal(merged(state, { web: config({ v1: 100 }) }).services['web']?.schema, undefined);
  });

  test('that the API was told stays, as long as the file names none', () => {
    const state = seeded({ web: config({ v1: 100 }) });
    const schema = { version: '14', owner: 'api' } as const;
    const told: State = { ...state, services: { web: { ...state.services['web']!, schema } } };
    assert.equal(merged(told, { web: config({ v1: 100 }) }), told);
    assert.equal(merged(told, { web: owned('15') }).services['web']?.schema?.owner, 'file');
  });

  test('is refused when a version that is needed cannot live with it', () => {
    const versions = { v1: { endpoints: ['a:1'], requires: { schema: '<13' } } };
    const state = seeded({ web: owned('12', { versions }) });
    assert.match(
      String(mergeStructure(state, { web: owned('13', { versions }) }, LATER, saltFor)),
      /^service "web": version "v1" requires schema <13, which 13 is not/,
    );
  });
});
