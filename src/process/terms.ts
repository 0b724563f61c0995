import { readFile } from 'node:fs/promises';
import type { RolloutRequest } from '../model/api.ts';
import { UsageError } from './verb.ts';

/** Strategy and policy as a file says them. The server checks what they hold. */
export async function termsIn(path: string): Promise<Pick<RolloutRequest, 'strategy' | 'policy'>> {
  const { readSource } = await import('../config/source.ts');
  const { value, faults } = readSource(await readFile(path, 'utf8'));
  const [fault] = faults;
  if (fault !== undefined) throw new UsageError(`${path}:${fault.line}:${fault.column}: ${fault.says}`);
  const known = typeof value === 'object' && value !== null && !Array.isArray(value);
  if (!known || !Object.keys(value).every((key) => key === 'strategy' || key === 'policy'))
    throw new UsageError(`${path} holds something else than strategy and policy; write each under its name.`);
  return value;
}
