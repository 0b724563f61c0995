import { policyFault } from '../analysis/policy.ts';
import { judgePolicy } from '../control/policy.ts';
import { type Line, type Replayed, replay } from '../control/recording.ts';
import type { StrategyList } from '../model/api.ts';
import { readPolicy } from '../model/check.ts';
import type { DecisionRecord } from '../model/decision.ts';
import type { Policy } from '../model/policy.ts';
import type { Rollout } from '../model/rollout.ts';
import type { Catalogue } from '../rollout/catalogue.ts';
import { policyOf } from '../rollout/policies.ts';
import { isErrno } from '../store/errno.ts';
import { termsIn } from './terms.ts';
import { UsageError } from './verb.ts';

export { readLines } from '../control/recording.ts';

/** What `--json` prints. */
interface Simulation {
  readonly rollout: string;
  /** Looks that were recorded. */
  readonly looks: number;
  /** Whether the recording could not go on to the end. */
  readonly brokenOff: boolean;
  /** Decisions that the judge made: how many the replay made again, byte for byte, of how many recorded. */
  readonly verified: { readonly same: number; readonly of: number };
  /** Those that were made at other replicas, which have the recordings of them. */
  readonly elsewhere: { readonly count: number; readonly at: readonly string[] };
  readonly recorded: readonly Replayed[];
  /** Left out without another policy. */
  readonly simulated?: readonly Replayed[];
}

/** `here`: the replica of a fleet that has recorded the lines. */
export function simulated(
  rollout: string,
  lines: readonly Line[],
  decisions: readonly DecisionRecord[],
  policy: Policy | undefined,
  here?: string,
): Simulation {
  const looks = [...replay(lines)];
  const byDigest = new Map(looks.map((each) => [each.digest, each]));
  const all = decisions.filter(({ verdict, harm }) => verdict !== undefined || harm !== undefined);
  const others = all.filter(({ replica }) => replica !== undefined && replica !== here);
  const judged = all.filter((each) => !others.includes(each));
  const same = judged.filter(({ digest, verdict, result }) => {
    const again = byDigest.get(digest);
    if (again?.result !== result) return false;
    return verdict === undefined || JSON.stringify(again.verdict) === JSON.stringify(verdict);
  });
  return {
    rollout,
    looks: looks.length,
    brokenOff: lines.some(({ type }) => type === 'brokenOff'),
    verified: { same: same.length, of: judged.length },
    elsewhere: { count: others.length, at: [...new Set(others.flatMap(({ replica }) => replica ?? []))] },
    recorded: changesOf(looks),
    ...(policy && { simulated: changesOf(replay(lines, policy)) }),
  };
}

/** The looks at which the verdict was another than before, or something was done. */
function changesOf(looks: Iterable<Replayed>): Replayed[] {
  const changes: Replayed[] = [];
  let last: Replayed | undefined;
  for (const look of looks) {
    const isNew =
      last === undefined ||
      last.epoch !== look.epoch ||
      last.verdict.decision !== look.verdict.decision ||
      last.verdict.reason !== look.verdict.reason;
    if (isNew || look.result !== undefined) changes.push(look);
    last = look;
  }
  // Where it all ended is worth knowing, even if nothing came of it.
  return last === undefined || changes.at(-1) === last ? changes : [...changes, last];
}

export function told({
  rollout,
  looks,
  brokenOff,
  verified,
  elsewhere,
  recorded,
  simulated,
}: Simulation): string {
  const { same, of } = verified;
  return [
    `Rollout ${rollout}, ${looks} looks${brokenOff ? '; the recording is broken off before its end' : ''}.`,
    ...(elsewhere.count > 0
      ? [`${elsewhere.count} more decisions were made at ${elsewhere.at.join(', ')}; ask there for those.`]
      : []),
    `As it was judged; ${same} of ${of} decisions come out the same, byte for byte:`,
    ...recorded.map(line),
    ...(simulated ? ['By the other policy:', ...simulated.map(line)] : []),
    '',
  ].join('\n');
}

function line({ at, where, verdict, result }: Replayed): string {
  const done = result === undefined ? '' : ` -> ${result}`;
  return `  ${new Date(at).toISOString()}  ${where}: ${verdict.says}${done}`;
}

/** Policies that have a name where the rollout ran. */
export type Named = StrategyList['policies'];

/**
 * The policy that goes by this name there, or that the file at this path asks for, if this rollout can be judged
 * by it. Throws UsageError.
 */
export async function policyIn(asked: string, named: Named, { plan, policy: own }: Rollout): Promise<Policy> {
  const policy = named.find(({ name }) => name === asked)?.policy ?? (await filed(asked, named));
  const fault = policyFault(judgePolicy({ plan, policy }));
  if (fault !== undefined) throw new UsageError(`${asked}: ${fault}.`);
  for (const name of ['mode', 'latencyTolerance'] as const)
    if (policy[name] !== own[name])
      throw new UsageError(
        `${asked}: ${name} is ${policy[name]}, and the evidence was counted with ${own[name]}; it cannot be another.`,
      );
  return policy;
}

async function filed(path: string, named: Named): Promise<Policy> {
  const asked: unknown = (await terms(path, named)).policy;
  const request = readPolicy(typeof asked === 'string' ? { name: asked } : (asked ?? {}));
  const policy = typeof request === 'string' ? request : policyOf(request, catalogue(named));
  if (typeof policy === 'string') throw new UsageError(`${path}: ${policy}.`);
  return policy;
}

async function terms(path: string, named: Named): ReturnType<typeof termsIn> {
  try {
    return await termsIn(path);
  } catch (cause) {
    if (!isErrno(cause, 'ENOENT')) throw cause;
    const names = named.map(({ name }) => name).join(', ');
    throw new UsageError(`"${path}" is neither a file nor a policy; the policies are ${names}.`);
  }
}

/** What they are, as a file may begin with them: worked out, so that they begin with nothing themselves. */
function catalogue(named: Named): Catalogue['policies'] {
  return Object.fromEntries(
    named
      .filter(({ own }) => own)
      .map(({ name, policy: { name: _, tripwire, ...rest } }) => [
        name,
        { ...rest, tripwire: tripwire ?? (false as const) },
      ]),
  );
}
