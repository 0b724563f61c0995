import { spawnSync } from 'node:child_process';
import type { TestContext } from 'node:test';

/** Tools that tests use as they are, and Debian's package of each. */
const PACKAGES = {
  curl: 'curl',
  'docker-compose': 'docker-compose',
  h2load: 'nghttp2-client',
  haproxy: 'haproxy',
  openssl: 'openssl',
  prometheus: 'prometheus',
  promtool: 'prometheus',
  'redis-server': 'redis-server',
} as const;

export type Tool = keyof typeof PACKAGES;

/**
 * Sees to it that these tools are there. Installs what is missing if this is root; skips the test, and says why,
 * where that fails; throws where nobody may install anything, so that the lack of a tool does not pass for success.
 */
export function need(t: TestContext, ...tools: readonly Tool[]): boolean {
  const packages = [...new Set(tools.filter((tool) => !installed(tool)).map((tool) => PACKAGES[tool]))];
  if (packages.length === 0) return true;
  if (process.getuid?.() !== 0)
    throw new Error(`install them with "apt-get install ${packages.join(' ')}", or run the tests as root`);
  for (const args of [
    ['update', '-qq'],
    ['install', '-qq', '-y', '--no-install-recommends', ...packages],
  ]) {
    const { status, error, stderr } = spawnSync('apt-get', ['-o', 'DPkg::Lock::Timeout=300', ...args], {
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
      encoding: 'utf8',
    });
    if (status !== 0) {
      const why = error?.message ?? stderr.trim().split('\n').at(-1);
      t.skip(`${packages.join(', ')} cannot be installed: apt-get ${args[0]}: ${why}`);
      return false;
    }
  }
  const missing = tools.filter((tool) => !installed(tool));
  if (missing.length > 0) throw new Error(`${missing.join(', ')} still missing, although installed`);
  return true;
}

function installed(tool: Tool): boolean {
  return spawnSync('which', [tool]).status === 0;
}
