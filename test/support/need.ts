import { spawnSync } from 'node:child_process';
import type { TestContext } from 'node:test';

/** Tools that tests use as they are, and Debian's package of each. */
const PACKAGES = {
  curl: 'curl',
  faketime: 'faketime',
  'docker-compose': 'docker-compose',
  h2load: 'nghttp2-client',
  haproxy: 'haproxy',
  ip: 'iproute2',
  nghttp: 'nghttp2-client',
  openssl: 'openssl',
  prometheus: 'prometheus',
  promtool: 'prometheus',
  'redis-server': 'redis-server',
} as const;

export type Tool = keyof typeof PACKAGES;

/** All of them. */
export const TOOLS = Object.keys(PACKAGES) as readonly Tool[];

/**
 * Sees to it that these tools are there. Installs what is missing if this is root; skips the test, and says why,
 * where that fails; throws where nobody may install anything, so that the lack of a tool does not pass for success.
 */
export function need(t: Pick<TestContext, 'skip'>, ...tools: readonly Tool[]): boolean {
  const fault = provide(tools);
  if (fault !== undefined) t.skip(fault);
  return fault === undefined;
}

/** The same where nothing can be skipped: throws if a tool cannot be had. */
export function insist(...tools: readonly Tool[]): void {
  const fault = provide(tools);
  if (fault !== undefined) throw new Error(fault);
}

/** Installs what is missing. Tells why that cannot be done. */
function provide(tools: readonly Tool[]): string | undefined {
  const packages = [...new Set(tools.filter((tool) => !installed(tool)).map((tool) => PACKAGES[tool]))];
  if (packages.length === 0) return undefined;
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
      return `${packages.join(', ')} cannot be installed: apt-get ${args[0]}: ${why}`;
    }
  }
  const missing = tools.filter((tool) => !installed(tool));
  if (missing.length > 0) throw new Error(`${missing.join(', ')} still missing, although installed`);
  return undefined;
}

/** Looked for once: authorities of tests are many, and a tool does not go away. */
const found = new Set<Tool>();

function installed(tool: Tool): boolean {
  if (!found.has(tool) && spawnSync('which', [tool]).status === 0) found.add(tool);
  return found.has(tool);
}
