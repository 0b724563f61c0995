import { createServer } from 'node:http';
import { objects } from './objects.ts';

/**
 * One version of the service behind every rival, as a process of its own. With nginx at hand it only echoes
 * bodies, for the check; without, it answers everything. Arguments: name of the version, port.
 */
const [version, port] = process.argv.slice(2) as [string, string];
const served = objects(version);

createServer({ keepAliveTimeout: 600_000 }, (request, response) => {
  const path = request.url!.split('?', 1)[0]!;
  response.setHeader('x-origin', version);
  if (path === '/echo') {
    response.setHeader('content-type', 'application/octet-stream');
    request.pipe(response);
    return;
  }
  // An answer that leaves before its request has arrived would cost the connection.
  request.resume().once('end', () => {
    const object = served.get(path) ?? served.get('/')!;
    response.setHeader('content-type', object.type).setHeader('content-length', object.body.length);
    response.end(object.body);
  });
}).listen(Number(port), '127.0.0.1', 4096);
