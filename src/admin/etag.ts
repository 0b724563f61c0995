/** The revision as an entity tag: two answers that show the same revision show the same truth. */
export function etagOf(revision: number): string {
  return `"${revision}"`;
}
