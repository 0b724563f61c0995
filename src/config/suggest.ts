/** The known word that was most likely meant, if any is near enough to be worth a question. */
export function suggest(word: string, known: Iterable<string>): string | undefined {
  let nearest: string | undefined;
  // One slip for every three letters: `weigths` may mean `weights`, but `a` does not mean `b`.
  let best = Math.floor(word.length / 3) + 1;
  for (const candidate of known) {
    const slips = distance(word.toLowerCase(), candidate.toLowerCase());
    if (slips < best) {
      best = slips;
      nearest = candidate;
    }
  }
  return nearest;
}

/**
 * How many slips of the pen lie between two words: a letter too many, too few, wrong, or swapped with its
 * neighbour (optimal string alignment; Damerau 1964, Wagner and Fischer 1974).
 */
function distance(from: string, to: string): number {
  let before: number[] = [];
  let above = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let row = 1; row <= from.length; row++) {
    const current = [row];
    for (let column = 1; column <= to.length; column++) {
      const same = from[row - 1] === to[column - 1];
      const swapped = from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1];
      current[column] = Math.min(
        above[column]! + 1,
        current[column - 1]! + 1,
        above[column - 1]! + (same ? 0 : 1),
        swapped ? (before[column - 2] ?? 0) + 1 : Number.POSITIVE_INFINITY,
      );
    }
    before = above;
    above = current;
  }
  return above[to.length]!;
}
