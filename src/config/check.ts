import type { Config } from '../model/settings.ts';
import { ConfigError, formatPath } from './fault.ts';
import { absoluteFiles, fileFindings } from './files.ts';
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
  const findings = [...misshapen, ...ruleFindings(sound), ...secrets.findings];
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
