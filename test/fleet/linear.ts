/** One operation as its caller saw it. Times are of one clock. */
export interface Operation<Input, Output> {
  readonly input: Input;
  /** Undefined: nothing was heard of it, so it may have happened at any later time, or never. */
  readonly output: Output | undefined;
  readonly invoked: number;
  /** Infinity if nothing was heard of it. */
  readonly returned: number;
}

/** What a thing does if operations come one after another. */
export interface Model<State, Input, Output> {
  readonly initial: State;
  /** The state after the operation; undefined if it cannot have had this output. An undefined output is any. */
  step(state: State, input: Input, output: Output | undefined): State | undefined;
  /** Equal for equal states. */
  name(state: State): string;
}

/** An operation begins or ends here. A list in the order of time, from which operations are lifted out. */
interface Entry {
  readonly operation: number;
  /** The end of the operation, if this is its beginning. */
  end: Entry | undefined;
  before: Entry | undefined;
  after: Entry | undefined;
}

/**
 * Whether there is an order of the operations, one at a time, in which every one has the output it had and none
 * comes before one that had ended when it began (Herlihy and Wing 1990). By the search of Wing and Gong (1993)
 * with the memory of Lowe (2017): of two ways that lead to the same operations done and the same state, one
 * need not be gone again.
 */
export function linearizable<State, Input, Output>(
  history: readonly Operation<Input, Output>[],
  model: Model<State, Input, Output>,
): boolean {
  const head: Entry = { operation: -1, end: undefined, before: undefined, after: undefined };
  thread(head, history);
  // What nothing was heard of need never have happened, so only these must be found a place.
  let awaited = history.filter(({ output }) => output !== undefined).length;
  const done = new Array<boolean>(history.length).fill(false);
  const been = new Set<string>();
  const trail: { readonly entry: Entry; readonly state: State }[] = [];
  let state = model.initial;
  let entry = head.after;
  while (awaited > 0) {
    const begins = entry?.end !== undefined;
    if (entry !== undefined && begins) {
      const { input, output } = history[entry.operation]!;
      const next = model.step(state, input, output);
      if (next !== undefined) {
        done[entry.operation] = true;
        const place = `${done.map(Number).join('')} ${model.name(next)}`;
        if (!been.has(place)) {
          been.add(place);
          trail.push({ entry, state });
          state = next;
          lift(entry);
          if (output !== undefined) awaited--;
          entry = head.after;
          continue;
        }
        done[entry.operation] = false;
      }
      entry = entry.after;
      continue;
    }
    // Something has ended and no way was found to let it happen before: the last choice was wrong.
    const last = trail.pop();
    if (last === undefined) return false;
    state = last.state;
    done[last.entry.operation] = false;
    if (history[last.entry.operation]!.output !== undefined) awaited++;
    restore(last.entry);
    entry = last.entry.after;
  }
  return true;
}

/** Hangs the beginnings and ends of all operations behind `head`, in the order of time; at one time beginnings first. */
function thread(head: Entry, history: readonly Operation<unknown, unknown>[]): void {
  const entries = history.flatMap(({ invoked, returned }, operation) => {
    const end: Entry = { operation, end: undefined, before: undefined, after: undefined };
    return [
      { at: invoked, begins: 0, entry: { ...end, end } as Entry },
      { at: returned, begins: 1, entry: end },
    ];
  });
  entries.sort((a, b) => (a.at === b.at ? a.begins - b.begins : a.at - b.at));
  let last = head;
  for (const { entry } of entries) {
    last.after = entry;
    entry.before = last;
    last = entry;
  }
}

/** Takes the beginning of an operation, and its end, out of the list. */
function lift(begin: Entry): void {
  for (const entry of [begin, begin.end!]) {
    entry.before!.after = entry.after;
    if (entry.after !== undefined) entry.after.before = entry.before;
  }
}

/** Puts back what was lifted last. */
function restore(begin: Entry): void {
  for (const entry of [begin.end!, begin]) {
    entry.before!.after = entry;
    if (entry.after !== undefined) entry.after.before = entry;
  }
}

/** What is asked of a register that is changed by compare-and-set. */
export type Asked = { readonly read: true } | { readonly from: number; readonly to: number };
/** What it said: the value read, or whether the value was replaced. */
export type Said = number | boolean;

/** A register as a store has it: a value, read, and replaced only by whoever knows it. */
export function register(initial: number): Model<number, Asked, Said> {
  return {
    initial,
    name: String,
    step(state, asked, said) {
      if ('read' in asked) return said === undefined || said === state ? state : undefined;
      const replaces = asked.from === state;
      if (said !== undefined && said !== replaces) return undefined;
      return replaces ? asked.to : state;
    },
  };
}
