import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CIPHER } from '../keypair.ts';
import { output } from '../machine.ts';
import type { Rival } from './rival.ts';

/** A whole configuration around an `http` block: one worker in the foreground, with all its files in its folder. */
export function nginxConfig(http: string): string {
  // Started by root, nginx would give its worker a user who cannot read that folder.
  return `${process.getuid?.() === 0 ? 'user root; ' : ''}daemon off; worker_processes 1; pid nginx.pid; error_log stderr crit;
events { worker_connections 16384; }
http {
  access_log off; keepalive_requests 1000000000; client_max_body_size 0;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
${http}
}
`;
}

export const nginx: Rival = {
  name: 'nginx',
  splits: true,
  install: 'apt-get install nginx-light',
  version: () => /nginx\/(\S+)/.exec(output('nginx', '-v') ?? '')?.[1],
  async prepare({ port, origins, directory, http2, tls }) {
    const file = join(directory, 'nginx.conf');
    const ways = `${tls ? ' ssl' : ''}${http2 ? ' http2' : ''}`;
    const secure = tls
      ? `ssl_certificate ${tls.cert}; ssl_certificate_key ${tls.key}; ssl_protocols TLSv1.2 TLSv1.3; ssl_conf_command Ciphersuites ${CIPHER};`
      : '';
    await writeFile(
      file,
      nginxConfig(`  upstream stable { server 127.0.0.1:${origins.stable}; keepalive 256; keepalive_requests 1000000000; }
  upstream canary { server 127.0.0.1:${origins.canary}; keepalive 256; keepalive_requests 1000000000; }
  map $cookie_uid $key { "" $request_id; default $cookie_uid; }
  split_clients $key $version { 5% canary; * stable; }
  server {
    listen 127.0.0.1:${port}${ways} backlog=4096; ${secure}
    location / {
      proxy_pass http://$version; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header Host $host; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Request-Id $request_id;
      add_header X-Served-By $version;
    }
  }`),
    );
    return ['nginx', '-p', directory, '-e', 'stderr', '-c', file];
  },
};
