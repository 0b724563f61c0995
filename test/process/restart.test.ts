import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settingsOf } from '../../src/model/settings.ts';
import { restartNeeded } from '../../src/process/restart.ts';

const config = { listen: [{ address: '127.0.0.1:8080' }], store: 'memory:', workers: 2 };
const running = settingsOf(config, 1);

test('the same settings need no restart, nor do listeners, limits, timeouts and the log level', () => {
  assert.deepEqual(restartNeeded(running, settingsOf({ ...config }, 1)), []);
  const milder = settingsOf(
    {
      ...config,
      listen: [{ address: '127.0.0.1:9090' }],
      limits: { headers: 5 },
      timeouts: { drain: 1 },
      log: { level: 'debug' },
    },
    1,
  );
  assert.deepEqual(restartNeeded(running, milder), []);
});

test('everything that a process takes only once is named', () => {
  const wanted = settingsOf(
    {
      ...config,
      admin: { address: '127.0.0.1:9091' },
      store: 'file:./data',
      fleet: { name: 'edge' },
      workers: 3,
      accessLog: { path: 'access.log' },
    },
    1,
  );
  assert.deepEqual(restartNeeded(running, wanted), ['admin', 'store', 'fleet', 'workers', 'accessLog.path']);
});
