import type { Config } from '../model/settings.ts';
import { ConfigError, formatPath } from './fault.ts';
import { ruleFindings } from './rules.ts';
import { schemaFindings } from './schema.ts';
import { type Environment, resolveSecrets } from './secrets.ts';
import { soundPart } from './sound.ts';
import { readSource } from './source.ts';

/**
 * The config that a YAML or JSON text holds; `file` is the name its faults are reported under. Secrets written
 * as `env:NAME` are taken from `environment`. Throws ConfigError with every fault that was found.
 */
export function checkConfig(text: string, file: string, environment: Environment = process.env): Config {
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
  if (findings.length === 0) return { ...(sound as Config), services: secrets.services };

  throw new ConfigError(
    file,
    findings
      .map(({ path, says }) => ({ ...source.locate(path), path: formatPath(path), says }))
      .sort((a, b) => a.line - b.line || a.column - b.column),
  );
}
