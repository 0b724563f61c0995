/**
 * What every room may say to the operator: a message and fields that a machine can read. pino has this shape;
 * only `process/` knows that it is pino.
 */
export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** Says nothing. For tests and tools. */
export const silent: Log = { debug() {}, info() {}, warn() {}, error() {} };
