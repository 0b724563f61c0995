import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CIPHER } from '../keypair.ts';
import { output } from '../machine.ts';
import type { Rival } from './rival.ts';

export const haproxy: Rival = {
  name: 'haproxy',
  splits: true,
  install: 'apt-get install haproxy',
  version: () => /version (\S+)/.exec(output('haproxy', '-v') ?? '')?.[1],
  async prepare({ port, origins, directory, http2, tls }) {
    const file = join(directory, 'haproxy.cfg');
    const secure = tls && ` ssl crt ${tls.both} ciphersuites ${CIPHER} alpn ${http2 ? 'h2,' : ''}http/1.1`;
    await writeFile(
      file,
      `global
  nbthread 1
  maxconn 9000
defaults
  mode http
  timeout connect 5s
  timeout client 75s
  timeout server 75s
  option forwardfor
  http-reuse always
frontend entry
  bind 127.0.0.1:${port} backlog 4096${secure ?? (http2 ? ' proto h2' : '')}
  unique-id-format %{+X}o\\ %ci:%cp_%fi:%fp_%Ts_%rt:%pid
  unique-id-header X-Request-Id
  http-request set-header X-Forwarded-Proto http${tls ? 's' : ''}
  default_backend versions
backend versions
  balance hash req.cook(uid)
  hash-type consistent sdbm avalanche
  http-response set-header X-Served-By %s
  server stable 127.0.0.1:${origins.stable} weight 95
  server canary 127.0.0.1:${origins.canary} weight 5
`,
    );
    return ['haproxy', '-db', '-f', file];
  },
};
