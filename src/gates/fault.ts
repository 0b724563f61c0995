/**
 * There was nobody to ask, or no answer came. The message is a sentence's end: why. It holds no secret, so it
 * may be logged and shown.
 */
export class NoAnswer extends Error {
  override readonly name = 'NoAnswer';
  /** Whether the same question may find an answer in a moment, without anybody changing a setting. */
  readonly again: boolean;

  constructor(message: string, again = true, cause?: unknown) {
    super(message, { cause });
    this.again = again;
  }
}
