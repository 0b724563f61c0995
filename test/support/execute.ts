import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** No command that a test runs takes this long, ms. */
const LIMIT = 120_000;

/** What a command says, run to its end. Rejects if it fails, with its exit code, or if it does not end. */
export async function execute(command: string, ...args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(command, args, { timeout: LIMIT, killSignal: 'SIGKILL' });
  return stdout;
}
