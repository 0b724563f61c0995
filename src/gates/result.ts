/**
 * What a gate said when it was asked. Yes and no come from answers only: whatever could not be asked, or had
 * nothing to say, is unknown, and unknown keeps the gate as it is. A service that the candidate should have
 * answered for is another matter: a smoke request without an answer has failed.
 */
export interface GateResult {
  readonly answer: 'pass' | 'fail' | 'unknown';
  /** A sentence for people. Holds no secret. */
  readonly says: string;
}

export const pass = (says: string): GateResult => ({ answer: 'pass', says });
export const fail = (says: string): GateResult => ({ answer: 'fail', says });
export const unknown = (says: string): GateResult => ({ answer: 'unknown', says });
