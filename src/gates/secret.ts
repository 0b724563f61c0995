import { NoAnswer } from './fault.ts';
import type { Environment } from './world.ts';

/** As many characters as the schema asks of a key that is written out. */
const SHORTEST_KEY = 16;

/**
 * What a setting stands for: `env:NAME` is that variable, anything else itself. Resolved at each use and kept
 * nowhere, so that neither the truth nor a log ever holds it. Throws NoAnswer when the variable is not set.
 */
export function resolveSecret(setting: string, environment: Environment): string {
  const variable = /^env:([A-Za-z_][A-Za-z0-9_]*)$/.exec(setting)?.[1];
  if (variable === undefined) return setting;
  const value = environment[variable];
  if (value === undefined || value === '')
    throw new NoAnswer(`the environment variable ${variable} is not set where Spillway runs`, false);
  return value;
}

/** The same for the key of an HMAC, which must not be short enough to guess. */
export function resolveKey(setting: string, environment: Environment): string {
  const key = resolveSecret(setting, environment);
  if (key.length >= SHORTEST_KEY) return key;
  const which = setting.startsWith('env:') ? ` ${setting}` : '';
  throw new NoAnswer(`the secret${which} is too short; it takes ${SHORTEST_KEY} characters or more`, false);
}

/** Header lines with their names in lower case and every value resolved. */
export function resolveHeaders(
  headers: Readonly<Record<string, string>> | undefined,
  environment: Environment,
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers ?? {}).map(([name, value]) => [
      name.toLowerCase(),
      resolveSecret(value, environment),
    ]),
  );
}
