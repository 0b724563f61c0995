import assert from 'node:assert/strict';
import { People } from './deeds.ts';
import { Laws } from './laws.ts';
import { Net } from './line.ts';
import { SimulatedRedis } from './redis.ts';
import { Replica, type Traffic } from './replica.ts';
import { EPOCH, World } from './world.ts';

/** What may happen, by how often. */
const HAPPENINGS = {
  deed: 30,
  kill: 2,
  start: 4,
  cut: 3,
  mend: 4,
  break: 3,
  freezeRedis: 1.5,
  thawRedis: 4,
  freeze: 1.5,
  thaw: 4,
  clock: 1,
  traffic: 3,
  lose: 0.4,
} as const;

/** What came of a schedule, to see that schedules meet what they are for. */
export interface Summary {
  readonly seconds: number;
  readonly revisions: number;
  readonly deeds: number;
  readonly local: number;
  readonly takeovers: number;
  readonly losses: number;
  readonly promoted: number;
  readonly judged: number;
  /** Of all that was served, to see that the same comes of the same seed. */
  readonly trace: string;
}

/** A fleet for a minute or so, in which anything may go wrong, and which is then left alone. By its seed alone. */
export async function schedule(seed: number): Promise<Summary> {
  const world = new World(seed);
  const redis = new SimulatedRedis(() => EPOCH + world.now);
  const net = new Net(world, redis);
  const people = new People(world);
  const traffic: Traffic = { requests: 20, failing: 0 };
  const replicas: Replica[] = [];
  const laws = new Laws(world, redis, people, replicas);
  const trace: string[] = [];
  const watcher: Laws['announced'] = (replica, state) => {
    trace.push(`${Math.round(world.now)} ${replica.name} ${state.revision}`);
    laws.announced(replica, state);
  };
  const count = Math.floor(world.between(2, 6));
  for (let i = 0; i < count; i++)
    replicas.push(new Replica('abcdef'[i]!, net, traffic, { announced: watcher }));
  const pass = (ms: number) => world.pass(ms, () => laws.always());
  const living = () => replicas.filter(({ control }) => control !== undefined);
  let frozen = false;
  let losses = 0;

  const thawRedis = (): void => {
    frozen = false;
    net.thaw();
  };
  /** Redis begins with nothing, or with what it had some time ago; whoever is there gives it back the newest. */
  const lose = async (back: () => void): Promise<void> => {
    if (frozen) thawRedis();
    net.slow = 0;
    net.break();
    back();
    losses++;
    laws.lost = world.now;
    const holders = replicas.filter(({ able }) => able);
    const newest = holders.reduce((most, { known }) => Math.max(most, known?.state.revision ?? 0), 0);
    const kept = holders.flatMap(({ known }) => (known?.state.revision === newest ? [known.stamp] : []));
    await pass(4_000);
    laws.lost = world.now;
    net.slow = SLOW;
    let found = redis.newest;
    while (found !== undefined && !kept.includes(found.stamp)) found = found.from;
    assert.ok(newest === 0 || found !== undefined, `revision ${newest} was known to replicas, and is lost`);
  };
  let goBack = redis.copy();

  const happen = async (): Promise<void> => {
    const replica = world.pick(replicas);
    const { host, cable } = replica;
    switch (world.draw(HAPPENINGS)) {
      case 'deed': {
        const deed = people.ask(world.pick(living().length > 0 ? living() : replicas));
        // An answer that is lost.
        if (world.chance(0.1)) world.at(world.now + world.between(0, 8), () => net.break());
        if (world.chance(0.1)) people.ask(world.pick(replicas), deed.type);
        return;
      }
      case 'kill':
        return replica.kill();
      case 'start':
        if (!host.alive) replica.start();
        return;
      case 'cut':
        cable.cut = true;
        return;
      case 'mend':
        return cable.mend();
      case 'break':
        return net.break();
      case 'freezeRedis':
        frozen = true;
        return net.freeze();
      case 'thawRedis':
        return thawRedis();
      case 'freeze':
        return host.freeze();
      case 'thaw':
        return host.thaw();
      case 'clock':
        host.skew += world.pick([-3_600_000, 3_600_000, 5_000]);
        return;
      case 'traffic':
        traffic.requests = world.pick([0, 20, 40]);
        traffic.failing = world.pick([0, 0, 0.01, 0.6]);
        return;
      case 'lose':
        return lose(world.chance(0.5) ? () => redis.empty() : goBack);
    }
  };

  for (const replica of replicas) world.at(world.between(0, 500), () => replica.start());
  await pass(4_000);
  for (let left = world.between(10, 40); left > 0; left--) {
    await happen();
    if (world.chance(0.05)) goBack = redis.copy();
    await pass(world.chance(0.3) ? world.between(500, 6_000) : world.between(0, 300));
  }
  // Once more in the thick of it, so that there is a last word.
  const last = living();
  if (world.chance(0.5) && last.length > 0) {
    people.ask(world.pick(last), 'rollback');
    await pass(world.between(0, 3_000));
  }

  thawRedis();
  net.loss = 0;
  net.slow = 0;
  traffic.requests = 0;
  for (const replica of replicas) {
    replica.host.thaw();
    replica.cable.mend();
    if (!replica.host.alive) replica.start();
  }
  // Until nothing has happened for a while: what is owed is tried again within five seconds.
  for (let still = 0, before = ''; still < 3 && world.now < 600_000; ) {
    await pass(4_000);
    const now = `${redis.newest?.stamp} ${replicas.map(({ control }) => control?.state().revision).join()}`;
    still = now === before ? still + 1 : 0;
    before = now;
  }
  laws.finally();
  const entries = [...redis.accepted.values()].flatMap(({ entry }) => entry?.transitions ?? []);
  return {
    seconds: world.now / 1000,
    revisions: redis.accepted.size,
    deeds: people.deeds.length,
    local: people.deeds.filter(({ heard }) => heard === 'local').length,
    takeovers: laws.takeovers,
    losses,
    promoted: entries.filter(({ to }) => to === 'promoted').length,
    judged: entries.filter(({ to, by }) => to === 'rolled back' && by === undefined).length,
    trace: trace.join('\n'),
  };
}

/** The share of messages that take long. */
const SLOW = 0.02;
