import type { TestContext } from 'node:test';
import { within } from './patience.ts';

type Task = () => unknown;

const tasks = new WeakMap<object, Task[]>();

/**
 * Done when the test is over: what was begun last is ended first, as it may need what was there before. By itself
 * the runner does it the other way round, and once one such task has failed it does none of the others, so that
 * processes stay and the file never ends. Here each is done, and none for ever.
 */
export function atEnd(t: Pick<TestContext, 'after'>, task: Task): void {
  const known = tasks.get(t);
  if (known !== undefined) {
    known.push(task);
    return;
  }
  const all = [task];
  tasks.set(t, all);
  t.after(async () => {
    const faults: unknown[] = [];
    for (const each of all.toReversed())
      await within(`the end of the test, ${each}`, (async () => each())()).catch((fault) =>
        faults.push(fault),
      );
    if (faults.length > 0) throw faults.length === 1 ? faults[0] : new AggregateError(faults);
  });
}
