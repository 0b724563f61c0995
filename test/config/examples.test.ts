import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { ConfigError } from '../../src/config/fault.ts';
import { loadConfig } from '../../src/config/load.ts';
import { configSchema } from '../../src/config/schema.ts';

for (const name of readdirSync('config').filter((file) => /\.ya?ml$/.test(file))) {
  // Beside the examples stand files for other programs, such as Prometheus.
  if (!readFileSync(`config/${name}`, 'utf8').includes('$schema=./schema.json')) continue;
  test(`the example ${name} is sound`, async () => {
    assert.ok(Object.keys((await loadConfig(`config/${name}`)).services).length > 0);
  });
}

test('the quickstart keeps nothing on the disk and splits one service in two', async () => {
  const config = await loadConfig('config/quickstart.yaml');
  assert.equal(config.store, 'memory:');
  assert.deepEqual(config.listen, [{ address: '127.0.0.1:8080' }]);
  assert.deepEqual(config.services['demo']?.weights, { stable: 90, canary: 10 });
});

test('config/schema.json is the schema that configs are checked by', () => {
  assert.deepEqual(
    JSON.parse(readFileSync('config/schema.json', 'utf8')),
    JSON.parse(JSON.stringify(configSchema())),
    'write it anew: npx spillway schema > config/schema.json && npx biome check --write config/schema.json',
  );
});

test('a file that cannot be read is a ConfigError that says so', async () => {
  await assert.rejects(loadConfig('config/none.yaml'), (error) => {
    assert.ok(error instanceof ConfigError);
    assert.match(error.message, /^config\/none\.yaml:1:1: this file cannot be read: ENOENT/);
    return true;
  });
});
