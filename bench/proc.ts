import { readdirSync, readFileSync } from 'node:fs';

/** The kernel tells CPU time to user space in hundredths of a second on every Linux (USER_HZ). */
const TICKS_PER_SECOND = 100;

/** One process as `/proc/PID/stat` tells it. */
export interface Stat {
  readonly pid: number;
  readonly parent: number;
  /** User and system time of the process and of the children it has buried, in ticks. */
  readonly ticks: number;
}

/** Reads one line of `/proc/PID/stat`. */
export function parseStat(text: string): Stat {
  // The second field is the command in brackets, which may itself hold spaces and brackets.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return {
    pid: Number.parseInt(text, 10),
    parent: Number(fields[1]),
    ticks: Number(fields[11]) + Number(fields[12]) + Number(fields[13]) + Number(fields[14]),
  };
}

/** The proportional set size in `/proc/PID/smaps_rollup`, in bytes. */
export function parsePss(text: string): number {
  return Number(/^Pss:\s+(\d+) kB/m.exec(text)?.[1]) * 1024;
}

/** A process and all below it. Empty when it is gone. */
export function tree(root: number): Stat[] {
  const all = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => read(`/proc/${pid}/stat`, parseStat) ?? []);
  const family = all.filter((each) => each.pid === root);
  // Grows while it is walked: children are appended behind their parents.
  for (const member of family) family.push(...all.filter((each) => each.parent === member.pid));
  return family;
}

/** CPU time a process and all below it have used, in seconds. */
export function cpuSeconds(root: number): number {
  return tree(root).reduce((sum, each) => sum + each.ticks, 0) / TICKS_PER_SECOND;
}

/** CPU time a process itself has used, without those below it, in seconds. */
export function mainSeconds(pid: number): number {
  return (read(`/proc/${pid}/stat`, parseStat)?.ticks ?? 0) / TICKS_PER_SECOND;
}

/**
 * Memory of a process and all below it, in bytes. Proportional set size, so that pages which a primary and
 * its workers share are counted once.
 */
export function memoryBytes(root: number): number {
  return tree(root).reduce((sum, each) => sum + (read(`/proc/${each.pid}/smaps_rollup`, parsePss) ?? 0), 0);
}

/** Undefined when the process has gone meanwhile. */
function read<T>(path: string, parse: (text: string) => T): T | undefined {
  try {
    return parse(readFileSync(path, 'latin1'));
  } catch {
    return undefined;
  }
}
