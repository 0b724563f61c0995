/** Milliseconds of a duration such as `500ms` or `2s`; undefined if the text is none. */
export function parseDuration(text: string): number | undefined {
  const [, number, unit] = /^(\d{1,5})(ms|s)$/.exec(text) ?? [];
  return number === undefined ? undefined : Number(number) * (unit === 's' ? 1000 : 1);
}
