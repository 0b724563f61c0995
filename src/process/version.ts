import { readFileSync } from 'node:fs';

/** The root of the installed package, seen from where this file is built to: dist/src/process. */
export const ROOT = new URL('../../../', import.meta.url);

/** The version of this Spillway. */
export const { version } = JSON.parse(readFileSync(new URL('package.json', ROOT), 'utf8')) as {
  readonly version: string;
};
