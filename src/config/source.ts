import { isAlias, isMap, isNode, isScalar, isSeq, LineCounter, parseDocument } from 'yaml';
import type { Path } from './fault.ts';

/** A line and column, counted from 1. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** A YAML or JSON text (JSON is YAML), read, with the place of everything in it. */
export interface Source {
  /** Undefined if there are `faults`. */
  readonly value: unknown;
  /** What keeps the text from being YAML at all. */
  readonly faults: ReadonlyArray<Position & { readonly says: string }>;
  /** Where the key at a path stands, or the item of a list. Of what is missing: the key it should be under. */
  locate(path: Path): Position;
}

/** Aliases may repeat a node this often in all; more is an attempt to fill the memory. */
const MOST_ALIASES = 1000;

export function readSource(text: string): Source {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const at = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  const faults = [...document.errors, ...document.warnings].map((error) => ({
    ...at(error.pos[0]),
    says: error.message,
  }));

  let value: unknown;
  if (faults.length === 0) {
    try {
      value = document.toJS({ maxAliasCount: MOST_ALIASES });
    } catch (error) {
      faults.push({ line: 1, column: 1, says: error instanceof Error ? error.message : String(error) });
    }
  }

  return {
    value,
    faults,
    locate(path) {
      let node: unknown = document.contents;
      let spot = startOf(node) ?? 0;
      for (const step of path) {
        if (isAlias(node)) node = node.resolve(document);
        const pair = isMap(node)
          ? node.items.find(({ key }) => isScalar(key) && String(key.value) === `${step}`)
          : undefined;
        node = isSeq(node) ? node.items[Number(step)] : pair?.value;
        spot = startOf(pair?.key) ?? startOf(node) ?? spot;
      }
      return at(spot);
    },
  };
}

function startOf(node: unknown): number | undefined {
  return isNode(node) ? node.range?.[0] : undefined;
}
