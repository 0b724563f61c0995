import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { output } from '../machine.ts';
import type { Rival } from './rival.ts';

/** Caddy hashes a header to choose a version, but knows no weights with it: its halves are equal. */
export const caddy: Rival = {
  name: 'caddy',
  splits: true,
  install: 'apt-get install caddy',
  version: () => output('caddy', 'version')?.split(' ', 1)[0],
  async prepare({ port, origins, directory }) {
    const file = join(directory, 'Caddyfile');
    await writeFile(
      file,
      `{
  admin off
  auto_https off
  storage file_system ${directory}
}
http://:${port} {
  bind 127.0.0.1
  header X-Served-By {http.reverse_proxy.upstream.hostport}
  reverse_proxy 127.0.0.1:${origins.stable} 127.0.0.1:${origins.canary} {
    lb_policy header Cookie
    header_up X-Request-Id {http.request.uuid}
    transport http {
      keepalive_idle_conns_per_host 256
    }
  }
}
`,
    );
    return ['caddy', 'run', '--config', file, '--adapter', 'caddyfile'];
  },
};
