import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { checkConfig } from '../src/config/check.ts';
import { type Config, ConfigSchema } from '../src/model/settings.ts';
import { quickstart } from '../src/process/quickstart.ts';
import { CLI } from './process/command.ts';
import { freeEndpoints } from './process/site.ts';
import { atEnd } from './support/end.ts';
import { need } from './support/need.ts';

const README = readFileSync('README.md', 'utf8');

/** The fenced blocks of a language, in the reader's order. */
function blocks(language: string): string[] {
  return [...README.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, 'gms'))].map(
    (block) => block[1]!,
  );
}

/** Runs a block as a reader would paste it, and gives back what it prints. */
function paste(script: string, cwd?: string): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile('bash', ['-euo', 'pipefail', '-c', script], { cwd, timeout: 120_000 }, (error, out, err) =>
      error ? reject(new Error(`${script}\n${out}${err}`)) : resolve(out),
    );
  });
}

test('every command of the README does what it says, in the order of the README', {
  timeout: 600_000,
}, async (t) => {
  if (!need(t, 'curl')) return;
  const directory = await mkdtemp(join(tmpdir(), 'spillway-readme-'));
  atEnd(t, () => rm(directory, { recursive: true, force: true }));
  const [proxy, admin, stable, canary] = (await freeEndpoints(4)) as [string, string, string, string];
  const here = (text: string) =>
    text
      .replaceAll('127.0.0.1:8080', proxy)
      .replaceAll('127.0.0.1:8081', admin)
      .replaceAll('127.0.0.1:9001', stable)
      .replaceAll('127.0.0.1:9002', canary);
  const path = join(directory, 'quickstart.yaml');
  await writeFile(path, here(readFileSync('config/quickstart.yaml', 'utf8')));
  const { running, guide } = await quickstart(path);
  atEnd(t, () => running.stop());
  assert.ok(guide.includes(`http://${proxy}`));

  for (const [, name, text] of README.matchAll(/^```yaml (\S+)\n(.*?)^```$/gms))
    await writeFile(join(directory, name!), text!);
  const said: string[] = [];
  for (const block of blocks('sh')) {
    const script = here(block).replaceAll(
      'npx spillway',
      `SPILLWAY_ADMIN=http://${admin} ${process.execPath} ${CLI}`,
    );
    said.push(await paste(script, directory));
  }
  assert.match(said[0]!, /hello from stable/, 'the split');
  assert.match(said[1]!, /"stable":50,"canary":50/, 'the shift');
  assert.match(said[2]!, /"to":"stable".*"live":true/, 'the rollback');
  assert.match(said.join(''), /canary +5 %/, 'weights and status');
  assert.match(
    said.at(-1)!,
    /spillway_requests_total\{service="demo",version="stable",code="200"\}/,
    'metrics',
  );
  assert.match(said.at(-1)!, /"action":"rollback"/, 'the audit log');
});

/** What the examples take from the environment. */
const ENVIRONMENT = {
  SPILLWAY_OVERRIDE_SECRET: 'a secret of some length',
  SLACK_URL: 'https://hooks.example.com/spillway',
  AUDIT_SECRET: 'another secret of some length',
};

test('every config of the README is sound', () => {
  const whole = blocks('yaml').find((block) => block.startsWith('listen:'))!;
  checkConfig(whole, 'README.md');
  const config = parse(whole) as Config;
  for (const block of blocks('yaml').filter((each) => each !== whole)) {
    // Part of a file, or of a service: put where it belongs.
    const part = parse(block) as object;
    const ofFile = Object.keys(part).every((key) => Object.hasOwn(ConfigSchema.properties, key));
    const { checkout } = config.services;
    const file = ofFile
      ? { ...config, ...part }
      : { ...config, services: { checkout: { ...checkout, ...part } } };
    checkConfig(JSON.stringify(file), 'README.md', ENVIRONMENT);
  }
});

test('the README tells of every verb of the command line', async () => {
  const help = await paste(`${process.execPath} ${CLI} --help`);
  const verbs = [...help.matchAll(/^ {2}([a-z]+) {2,}/gm)].map((verb) => verb[1]!);
  assert.ok(verbs.length >= 7);
  assert.deepEqual(
    verbs.filter((verb) => !README.includes(`spillway ${verb}`)),
    [],
  );
});
