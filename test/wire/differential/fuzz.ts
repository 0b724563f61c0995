import type { Finding } from './check.ts';
import { cut, mutate } from './mutation.ts';
import { Random } from './random.ts';

export interface Fuzzing {
  readonly seeds: readonly string[];
  readonly inputs: number;
  /** The same seed makes the same inputs. */
  readonly seed: number;
  /** Inputs that are checked at a time. */
  readonly abreast: number;
  check(packets: readonly string[]): Promise<Finding>;
}

export interface Fuzzed {
  readonly inputs: number;
  /** Inputs of which something was passed on. */
  readonly passed: number;
  /** The first input that failed, made as small as it fails still. */
  readonly failure: { readonly packets: readonly string[]; readonly wrong: string } | undefined;
}

/** Milliseconds spent at most on making a failing input smaller: one that hangs takes its time every time. */
const SHRINKING = 30_000;

/** Checks mutations of the seeds until one fails or all are done. */
export async function fuzz({ seeds, inputs, seed, abreast, check }: Fuzzing): Promise<Fuzzed> {
  const random = new Random(seed);
  let passed = 0;
  for (let done = 0; done < inputs; done += abreast) {
    const batch = Array.from({ length: Math.min(abreast, inputs - done) }, () =>
      cut(mutate(random.pick(seeds), random), random),
    );
    const findings = await Promise.all(batch.map((packets) => check(packets)));
    passed += findings.filter((finding) => finding.passed).length;
    const failed = findings.findIndex(({ wrong }) => wrong !== undefined);
    if (failed >= 0) {
      const packets = await shrink(
        batch[failed]!,
        async (smaller) => (await check(smaller)).wrong !== undefined,
      );
      const { wrong } = await check(packets);
      return {
        inputs: done + failed + 1,
        passed,
        failure: { packets, wrong: wrong ?? findings[failed]!.wrong! },
      };
    }
  }
  return { inputs, passed, failure: undefined };
}

/**
 * The smallest input found that still fails: first without the cuts, then without ever shorter stretches of
 * bytes (delta debugging: Zeller and Hildebrandt 2002, without its complements).
 */
async function shrink(
  packets: readonly string[],
  fails: (packets: readonly string[]) => Promise<boolean>,
): Promise<readonly string[]> {
  const joined = [packets.join('')];
  let best = (await fails(joined)) ? joined : packets;
  const deadline = performance.now() + SHRINKING;
  for (let length = 256; length >= 1; length = Math.floor(length / 2)) {
    for (let packet = 0; packet < best.length; packet++) {
      for (let at = 0; at < best[packet]!.length && performance.now() < deadline; ) {
        const smaller = best.with(packet, best[packet]!.slice(0, at) + best[packet]!.slice(at + length));
        if (await fails(smaller)) best = smaller;
        else at += length;
      }
    }
  }
  return best.filter((packet) => packet !== '');
}
