import type { Quarantine } from '../model/state.ts';

/** Builds that are remembered as bad, of one service. */
const LONGEST = 50;

/** Why a build may not be tried again, with the cure; undefined if it may. */
export function refusedBuild(list: readonly Quarantine[] | undefined, build: string): string | undefined {
  const found = list?.find((each) => each.build === build);
  return (
    found &&
    `build "${build}" was rolled back by rollout ${found.rollout} on ${found.since}: ${found.says}; deploy another build, or release this one from quarantine`
  );
}

/** The list with one more build, or with what is newly said of it. */
export function quarantined(list: readonly Quarantine[] | undefined, one: Quarantine): readonly Quarantine[] {
  return [...(list ?? []).filter(({ build }) => build !== one.build), one].slice(-LONGEST);
}

/** The list without a build. The very same one if it is not in it. */
export function released(list: readonly Quarantine[], build: string): readonly Quarantine[] {
  const kept = list.filter((each) => each.build !== build);
  return kept.length === list.length ? list : kept;
}
