import { spawnSync } from 'node:child_process';
import type { TestContext } from 'node:test';

/**
 * Sees to it that Debian's package prometheus, with promtool, is there. Installs it if this is root; skips
 * the test, and says why, where that fails; throws where nobody may install anything, so that the lack of it
 * does not pass for success.
 */
export function needPrometheus(t: TestContext): boolean {
  if (installed()) return true;
  if (process.getuid?.() !== 0)
    throw new Error(
      'promtool is missing: install it with "apt-get install prometheus", or run the tests as root',
    );
  const options = ['-o', 'DPkg::Lock::Timeout=300'];
  for (const args of [
    ['update', '-qq'],
    ['install', '-qq', '-y', '--no-install-recommends', 'prometheus'],
  ]) {
    const { status, error, stderr } = spawnSync('apt-get', [...options, ...args], {
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
      encoding: 'utf8',
    });
    if (status !== 0) {
      t.skip(
        `prometheus cannot be installed: apt-get ${args[0]}: ${error?.message ?? stderr.trim().split('\n').at(-1)}`,
      );
      return false;
    }
  }
  if (!installed()) throw new Error('promtool is still missing although prometheus was installed');
  return true;
}

function installed(): boolean {
  return ['promtool', 'prometheus'].every((tool) => spawnSync(tool, ['--version']).status === 0);
}
