import { randomUUID } from 'node:crypto';
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno } from './errno.ts';

/**
 * One directory, one process. The lock is a file that holds the number of the process and, where the system
 * tells (`/proc`), when that process was born: numbers are used again, and in a container the one that was
 * killed and the one that follows it have the same.
 */
export interface Lock {
  release(): Promise<void>;
}

/** Throws an Error that names the process when a living one holds the directory. */
export async function takeLock(directory: string): Promise<Lock> {
  const path = join(directory, 'lock');
  const mine = `${process.pid} ${(await birth(process.pid)) ?? ''}`;
  const draft = `${path}.${randomUUID()}`;
  await writeFile(draft, mine, { mode: 0o600 });
  try {
    while (!(await linked(draft, path))) await evictDead(directory, path, `${draft}.dead`);
  } finally {
    await rm(draft, { force: true });
  }
  return { release: () => rm(path, { force: true }) };
}

/** A link appears whole or not at all, so nobody ever reads a lock that is half written. */
async function linked(draft: string, path: string): Promise<boolean> {
  try {
    await link(draft, path);
    return true;
  } catch (error) {
    if (isErrno(error, 'EEXIST')) return false;
    throw error;
  }
}

/** Removes the lock of a dead process. Throws if the holder lives. */
async function evictDead(directory: string, path: string, aside: string): Promise<void> {
  const holder = await contents(path);
  if (holder === undefined) return;
  const [pid, born] = holder.split(' ');
  if (await lives(Number(pid), born))
    throw new Error(
      `${directory} is in use by process ${pid}; stop that process, or give this one a directory of its own`,
    );
  try {
    await rename(path, aside);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return;
    throw error;
  }
  // Somebody else may have found the same dead holder and taken its place before the rename: put it back.
  if ((await contents(aside)) !== holder) await linked(aside, path);
  await rm(aside, { force: true });
}

async function lives(pid: number, born: string | undefined): Promise<boolean> {
  if (!Number.isInteger(pid) || pid < 1) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    // A process of somebody else may not be signalled, but is there.
    return isErrno(error, 'EPERM');
  }
  const birthday = await birth(pid);
  return birthday === undefined || born === '' || birthday === born;
}

/** When a process was born, in clock ticks since the machine started; a zombie is not alive. */
async function birth(pid: number): Promise<string | undefined> {
  const stat = await contents(`/proc/${pid}/stat`);
  // The name of the program stands in brackets and may hold anything; fields are counted after it (proc(5)).
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields?.[0] === 'Z' ? 'dead' : fields?.[19];
}

async function contents(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT') || isErrno(error, 'ESRCH')) return undefined;
    throw error;
  }
}
