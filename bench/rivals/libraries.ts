import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { root } from '../machine.ts';
import type { Rival } from './rival.ts';

/** Where `npm run bench:install` puts the libraries: apart, so that the proxy never depends on them. */
export const home = new URL('bench/.rivals/', root);

/** A proxy library from npm, served by `serve.ts` in one Node process without a split. */
function library(name: string): Rival {
  return {
    name,
    splits: false,
    install: 'npm run bench:install',
    version() {
      try {
        const text = readFileSync(new URL(`node_modules/${name}/package.json`, home), 'utf8');
        return (JSON.parse(text) as { version: string }).version;
      } catch {
        return undefined;
      }
    },
    async prepare({ port, origins }) {
      const script = fileURLToPath(new URL('./serve.js', import.meta.url));
      return [process.execPath, script, name, String(port), `http://127.0.0.1:${origins.stable}`];
    },
  };
}

export const libraries = ['http-proxy', 'httpxy', '@fastify/http-proxy', 'fast-proxy'].map(library);
