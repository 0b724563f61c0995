/**
 * The versions that held all the traffic of a service, oldest first: the trail a rollback walks back. No
 * version follows itself, so one step back always leads to another version.
 */
export type Wholes = readonly string[];

/** Steps back that are remembered. */
const LONGEST = 20;

/** The trail after a version has come to hold all the traffic. */
export function withWhole(wholes: Wholes, version: string): Wholes {
  return wholes.at(-1) === version ? wholes : [...wholes, version].slice(-LONGEST);
}

/** The trail when only these versions are left. The very same one if it names no other. */
export function keptWholes(wholes: Wholes, versions: Readonly<Record<string, unknown>>): Wholes {
  if (wholes.every((version) => Object.hasOwn(versions, version))) return wholes;
  return wholes
    .filter((version) => Object.hasOwn(versions, version))
    .filter((version, index, kept) => version !== kept[index - 1]);
}
