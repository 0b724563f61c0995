import type { State } from './state.ts';

/**
 * Nothing yet. Its revision is 0; the first accepted change makes it 1. It has a file of its own so that a
 * worker, which needs no schemas, need not load them: they take longer than all the rest of its start.
 */
export const EMPTY: State = Object.freeze({ revision: 0, services: {} });
