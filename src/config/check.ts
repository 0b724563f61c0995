import type { Config } from '../model/settings.ts';
import { ConfigError, formatPath } from './fault.ts';
import { absoluteFiles, fileFindings } from './files.ts';
import type { Finding } from './finding.ts';
import { ruleFindings } from './rules.ts';
import { schemaFindings } from './schema.ts';
import { type Environment, resolveSecrets } from './secrets.ts';
import { soundPart } from './sound.ts';
import { readSource } from './source.ts';

/**
 * The config that a YAML or JSON text holds; `file` is the name its faults are reported under. Secrets written
 * as `env:NAME` are taken from `environment`. Given the `directory` that relative paths start at, certificates and
 * keys are looked at too. Throws ConfigError with every fault that was found.
 */
export function checkConfig(
  text: string,
  file: string,
  environment: Environment = process.env,
  directory?: string,
): Config {
  const source = readSource(text);
  if (source.faults.length > 0)
    throw new ConfigError(
      file,
      source.faults.map((fault) => ({ ...fault, path: '' })),
    );

  const misshapen = schemaFindings(source.value);
  const sound = soundPart(source.value);
  const secrets = resolveSecrets(sound.services ?? {}, environment);
  const broken = ruleFindings(sound).filter((finding) => !hollow(finding, misshapen));
  const findings = [...misshapen, ...broken, ...secrets.findings];
  if (findings.length === 0) {
    const config = { ...(sound as Config), services: secrets.services };
    if (directory === undefined) return config;
    const whole = absoluteFiles(config, directory);
    findings.push(...fileFindings(whole));
    if (findings.length === 0) return whole;
  }

  throw new ConfigError(
    file,
    findings
      .map(({ path, says }) => ({ ...source.locate(path), path: formatPath(path), says }))
      .sort((a, b) => a.line - b.line || a.column - b.column),
  );
}

/**
 * Whether a rule compares what a service names with versions or weights that were left out for their shape:
 * "there is no such version" would be said of one that the file has.
 */
function hollow({ path }: Finding, misshapen: readonly Finding[]): boolean {
  const [root, service, part] = path;
  const naming = part === 'weights' || part === 'rescue' || path.at(-1) === 'fallback';
  return (
    root === 'services' &&
    naming &&
    misshapen.some(
      ({ path: [, name, of] }) =>
        name === service && (of === 'versions' || (of === 'weights' && of === part)),
    )
  );
}
