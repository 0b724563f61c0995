import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { Config } from '../model/settings.ts';
import { checkConfig } from './check.ts';
import { ConfigError } from './fault.ts';

/** Reads and checks a config file. Throws ConfigError when it cannot be read or holds faults. */
export async function loadConfig(path: string): Promise<Config> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    const says = `this file cannot be read: ${error instanceof Error ? error.message : error}`;
    throw new ConfigError(path, [{ line: 1, column: 1, path: '', says }]);
  }
  return checkConfig(text, path, process.env, dirname(resolve(path)));
}
