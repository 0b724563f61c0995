/** Where in a document something stands: keys and list positions, from the root. */
export type Path = ReadonlyArray<string | number>;

/** One thing wrong with a config file. */
export interface ConfigFault {
  /** Counted from 1, like the column. */
  readonly line: number;
  readonly column: number;
  /** As in `services.checkout.match[0].path`; empty for the file as a whole. */
  readonly path: string;
  /** What is wrong; what would be right. */
  readonly says: string;
}

/** A config file that cannot be used. The message has one line for each fault. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly file: string;
  /** In the order of the file. */
  readonly faults: readonly ConfigFault[];

  constructor(file: string, faults: readonly ConfigFault[]) {
    super(faults.map((fault) => line(file, fault)).join('\n'));
    this.file = file;
    this.faults = faults;
  }
}

function line(file: string, { line, column, path, says }: ConfigFault): string {
  return `${file}:${line}:${column}: ${path === '' ? '' : `${path}: `}${says}`;
}

/** A path as people write it. Keys that hold a dot or a space are quoted. */
export function formatPath(path: Path): string {
  return path
    .map((step) => {
      if (typeof step === 'number') return `[${step}]`;
      return /^[\w$-]+$/.test(step) ? `.${step}` : `[${JSON.stringify(step)}]`;
    })
    .join('')
    .replace(/^\./, '');
}
