import type { TestContext } from 'node:test';
import { Origin } from './origin.ts';
import type { Peer } from './peer.ts';
import { get, Site } from './site.ts';

/** A site with one endpoint that has just been asked by a client, and has yet to answer. */
export async function asked(
  t: TestContext,
  fields = '',
): Promise<{ readonly site: Site; readonly client: Peer; readonly peer: Peer }> {
  const origin = await Origin.open(t);
  const site = await Site.open(t, { app: { versions: { v: [origin.address] } } });
  const client = await site.connect();
  client.say(get(fields));
  const peer = await origin.next();
  await peer.message();
  return { site, client, peer };
}
