import type { Path } from './fault.ts';

/** Something wrong in a document, before it is known where in the file that stands. */
export interface Finding {
  /** Of what is missing: where it should be. */
  readonly path: Path;
  /** What is wrong; what would be right. */
  readonly says: string;
}
