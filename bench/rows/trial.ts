import { Agent, get } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { freePort } from '../crew.ts';
import { mainSeconds } from '../proc.ts';
import { spillway } from '../rivals/spillway.ts';
import { loaded, SMALL } from './load.ts';
import { type Ground, type Row, type Sample, type Standing, stand } from './row.ts';

/** A rollout that stays where it is: it is judged every second, and nothing comes of it. */
const STANDING_ROLLOUT = {
  candidate: 'canary',
  strategy: { type: 'canary', steps: [{ weight: 5, atLeast: 86_400, atMost: 86_400, needs: 'nothing' }] },
  policy: { dryRun: true },
};

/** What it costs a request that its service is in a rollout: counted, and judged by the primary each second. */
export async function trial(ground: Ground): Promise<Row> {
  const admin = await freePort();
  const still = await stand(spillway('spillway-still'), ground);
  const tried = await stand(spillway('spillway-tried', { admin, canary: 0 }), ground);
  await begin(admin, 'shop');
  return {
    title: 'Small GET to a service at 5 %, by hand and in a rollout',
    columns: [
      { key: 'cpu', title: 'CPU µs/request', digits: 2 },
      { key: 'rate', title: 'requests/s', digits: 0 },
    ],
    contenders: [
      loaded('by hand', still, SMALL, ground.seconds),
      loaded('in a rollout', tried, SMALL, ground.seconds),
    ],
  };
}

const SERVICES = 100;
const SETTLING = 10_000;
/** Requests a second, all services together. */
const RATE = 1000;

/** What the primary does with so many services under judgement, at steady traffic to all of them. */
export async function judged(ground: Ground): Promise<Row> {
  const place = async (name: string) => {
    const admin = await freePort();
    const variant = { admin, canary: 0, services: SERVICES };
    return { admin, proxy: await stand(spillway(name, variant), ground) };
  };
  const [still, tried] = [await place('spillway-unjudged'), await place('spillway-judged')];
  const names = Array.from({ length: SERVICES }, (_, i) => (i === SERVICES / 2 ? 'shop' : `service-${i}`));
  for (const name of names) await begin(tried.admin, name);
  return {
    title: `The primary with ${SERVICES} services, none and all of them in a rollout, at ${RATE} requests/s`,
    columns: [{ key: 'core', title: '% of a core', digits: 2 }],
    contenders: [
      { name: '0', measure: () => atRest(still.proxy, names, ground.seconds) },
      { name: String(SERVICES), measure: () => atRest(tried.proxy, names, ground.seconds) },
    ],
  };
}

/** CPU of the primary alone over so many seconds of steady traffic from ever other users. */
async function atRest({ pid, port }: Standing, names: readonly string[], seconds: number): Promise<Sample> {
  const agent = new Agent({ keepAlive: true, maxSockets: 32 });
  let [sent, errors] = [0, 0];
  const began = performance.now();
  const timer = setInterval(() => {
    for (const due = ((performance.now() - began) / 1000) * RATE; sent < due; sent++) {
      const headers = { host: `${names[sent % names.length]}.example.com`, cookie: `uid=user-${sent}` };
      get({ host: '127.0.0.1', port, agent, headers }, (response) => {
        if (response.statusCode !== 200) errors++;
        response.resume();
      }).on('error', () => errors++);
    }
  }, 10);
  // What came before settles, compilers included.
  await pause(SETTLING);
  const before = mainSeconds(pid);
  const from = performance.now();
  await pause(1000 * seconds);
  const spent = mainSeconds(pid) - before;
  const core = (100 * spent * 1000) / (performance.now() - from);
  clearInterval(timer);
  agent.destroy();
  return { core, errors };
}

async function begin(admin: number, service: string): Promise<void> {
  const answer = await fetch(`http://127.0.0.1:${admin}/v1/services/${service}/rollouts`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(STANDING_ROLLOUT),
  });
  if (!answer.ok) throw new Error(`no rollout of ${service}: ${answer.status} ${await answer.text()}`);
}
