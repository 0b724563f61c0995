import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Crew, freePort } from './crew.ts';
import { LOAD_CORE } from './machine.ts';
import { objects } from './objects.ts';
import { nginx, nginxConfig } from './rivals/nginx.ts';
import type { Origins } from './rivals/rival.ts';

/**
 * Starts the two versions on the load core: nginx with static answers where it is installed, since an origin
 * should cost as little as can be, and a small Node server for the echoes of the check; Node alone otherwise.
 */
export async function startOrigins(crew: Crew, directory: string): Promise<Origins> {
  const stable = await startNode(crew, 'stable');
  const canary = await startNode(crew, 'canary');
  if (nginx.version() === undefined) return { stable, canary };
  const echoes = { stable, canary };
  const origins = { stable: await freePort(), canary: await freePort() };
  const servers = await Promise.all(
    (['stable', 'canary'] as const).map(async (version) => {
      const files = join(directory, version);
      await mkdir(join(files, 'objects'), { recursive: true });
      for (const [path, object] of objects(version)) {
        if (path !== '/') await writeFile(join(files, path), object.body);
      }
      return `
  server {
    listen 127.0.0.1:${origins[version]} backlog=4096;
    add_header x-origin ${version};
    location / { return 200 '${objects(version).get('/')!.body}'; }
    location /objects/ { default_type application/octet-stream; root ${files}; }
    location /echo { proxy_pass http://127.0.0.1:${echoes[version]}; proxy_http_version 1.1; proxy_hide_header x-origin; }
  }`;
    }),
  );
  const prefix = join(directory, 'origins');
  await mkdir(prefix);
  await writeFile(
    join(prefix, 'nginx.conf'),
    nginxConfig(
      `  sendfile on; open_file_cache max=16; keepalive_timeout 600; default_type application/json;${servers.join('')}`,
    ),
  );
  await crew.start({
    name: 'origins',
    command: ['nginx', '-p', prefix, '-e', 'stderr', '-c', 'nginx.conf'],
    core: LOAD_CORE,
    port: origins.canary,
  });
  return origins;
}

async function startNode(crew: Crew, version: string): Promise<number> {
  const port = await freePort();
  const script = fileURLToPath(new URL('./origin.js', import.meta.url));
  const command = [process.execPath, script, version, String(port)] as const;
  await crew.start({ name: `${version} origin`, command, core: LOAD_CORE, port });
  return port;
}
