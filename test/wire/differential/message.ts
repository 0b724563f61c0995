/** A message as somebody read it, in a form that two readings can be compared by. One character is one byte. */
export interface Message {
  /** Method and target of a request; status of a response. */
  readonly line: string;
  /** Names and values in turn, as they came. */
  readonly fields: readonly string[];
  readonly body: string;
  readonly trailers: readonly string[];
  /** It came to its end. */
  readonly whole: boolean;
}

/** A stream as somebody read it. */
export interface Reading {
  /** Interim answers come as messages of their own. */
  readonly messages: readonly Message[];
  /** Why it was read no further, if it was refused. */
  readonly refused: string | undefined;
}

/** Anything as JSON in which every byte can be seen. */
export function quote(what: unknown): string {
  return JSON.stringify(what).replace(
    /[\x7f-\xff]/g,
    (byte) => `\\u${byte.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
