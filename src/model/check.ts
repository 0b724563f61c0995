import { Compile } from 'typebox/compile';
import { type State, StateSchema } from './state.ts';

const schema = Compile(StateSchema);

/**
 * The state that a document read from outside is, or a sentence that says where it is none. Only the shape is
 * looked at: whether weights add up was checked when they were set.
 */
export function readState(document: unknown): State | string {
  if (schema.Check(document)) return document;
  const first = schema.Errors(document)[0];
  return `${first?.instancePath || 'the document'} ${first?.message ?? 'is not a state'}`;
}
