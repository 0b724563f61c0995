import type { Config } from '../model/settings.ts';
import type { ServiceConfig } from '../model/state.ts';
import type { Finding } from './finding.ts';

/** As many characters as the schema asks of a secret that stands in the file itself. */
const SHORTEST = 16;

export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The services with every secret that is written as `env:NAME` taken from the environment, and what is wrong
 * with those that cannot be. No finding ever shows a secret.
 */
export function resolveSecrets(
  services: Config['services'],
  environment: Environment,
): { readonly services: Config['services']; readonly findings: readonly Finding[] } {
  const findings: Finding[] = [];
  const resolved = Object.entries(services).map(([name, service]): [string, ServiceConfig] => {
    const variable = /^env:(.*)$/.exec(service.override?.secret ?? '')?.[1];
    if (variable === undefined) return [name, service];
    const secret = environment[variable] ?? '';
    if (secret.length < SHORTEST) {
      const state = secret === '' ? 'not set' : 'too short';
      findings.push({
        path: ['services', name, 'override', 'secret'],
        says: `the environment variable ${variable} is ${state}; it takes ${SHORTEST} characters or more`,
      });
    }
    return [name, { ...service, override: { ...service.override, secret } }];
  });
  return { services: Object.fromEntries(resolved), findings };
}
