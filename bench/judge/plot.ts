/** A curve of shares that only rises: at each of these times one more of `runs` was rolled back. */
export interface Curve {
  readonly name: string;
  readonly times: readonly number[];
  readonly runs: number;
}

export interface Panel {
  readonly title: string;
  readonly curves: readonly Curve[];
  /** Seconds at the right edge; the left one is 1 s, and the axis logarithmic. */
  readonly end: number;
}

const WIDTH = 560;
const HEIGHT = 300;
const LEFT = 50;
const TOP = 40;
const COLOURS = ['#0a7d4b', '#c1121f', '#e07a1f', '#5b5bd6', '#0f8fb3', '#8a5a2b', '#666666'] as const;
const TICKS: readonly (readonly [seconds: number, text: string])[] = [
  [1, '1 s'],
  [10, '10 s'],
  [60, '1 min'],
  [600, '10 min'],
  [3600, '1 h'],
];

/** Panels below each other, as an SVG document. */
export function svg(panels: readonly Panel[]): string {
  const height = panels.length * (HEIGHT + TOP + 40);
  const drawn = panels.map(
    (each, i) => `<g transform="translate(0 ${i * (HEIGHT + TOP + 40)})">${panel(each)}</g>`,
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${LEFT + WIDTH + 180}" height="${height}" font-family="sans-serif" font-size="12">`,
    '<rect width="100%" height="100%" fill="white"/>',
    ...drawn,
    '</svg>\n',
  ].join('\n');
}

function panel({ title, curves, end }: Panel): string {
  const x = (seconds: number): number => LEFT + (WIDTH * Math.log(Math.max(1, seconds))) / Math.log(end);
  const y = (share: number): number => TOP + HEIGHT * (1 - share);
  const grid = TICKS.filter(([seconds]) => seconds <= end).map(
    ([seconds, text]) =>
      `<path d="M${x(seconds)} ${y(0)}V${y(1)}" stroke="#ddd"/><text x="${x(seconds)}" y="${y(0) + 16}" text-anchor="middle">${text}</text>`,
  );
  const shares = [0, 0.25, 0.5, 0.75, 1].map(
    (share) =>
      `<path d="M${LEFT} ${y(share)}H${LEFT + WIDTH}" stroke="#ddd"/><text x="${LEFT - 6}" y="${y(share) + 4}" text-anchor="end">${share * 100} %</text>`,
  );
  const lines = curves.map(({ name, times, runs }, i) => {
    const colour = COLOURS[i % COLOURS.length]!;
    const steps = [...times]
      .sort((a, b) => a - b)
      .map((time, k) => `H${x(time).toFixed(1)}V${y((k + 1) / runs).toFixed(1)}`);
    const key = `<path d="M${LEFT + WIDTH + 12} ${TOP + 14 + 18 * i}h18" stroke="${colour}" stroke-width="3"/><text x="${LEFT + WIDTH + 36}" y="${TOP + 18 + 18 * i}">${name}</text>`;
    return `<path d="M${LEFT} ${y(0)}${steps.join('')}H${LEFT + WIDTH}" fill="none" stroke="${colour}" stroke-width="${i === 0 ? 3 : 1.5}"/>${key}`;
  });
  return [`<text x="${LEFT}" y="24" font-size="14">${title}</text>`, ...grid, ...shares, ...lines].join('\n');
}
