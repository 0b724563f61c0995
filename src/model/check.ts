import { Compile } from 'typebox/compile';
import { type PolicyRequest, PolicyRequestSchema } from './policy.ts';
import { type State, StateSchema } from './state.ts';

const state = Compile(StateSchema);

/**
 * The state that a document read from outside is, or a sentence that says where it is none. Only the shape is
 * looked at: whether weights add up was checked when they were set.
 */
export function readState(document: unknown): State | string {
  return state.Check(document) ? document : faultOf(state.Errors(document), 'a state');
}

/** The same of a policy that is asked for. */
export function readPolicy(document: unknown): PolicyRequest | string {
  const policy = Compile(PolicyRequestSchema);
  return policy.Check(document) ? document : faultOf(policy.Errors(document), 'a policy');
}

function faultOf(
  [first]: readonly { readonly instancePath: string; readonly message: string }[],
  what: string,
): string {
  return `${first?.instancePath || 'the document'} ${first?.message ?? `is not ${what}`}`;
}
