import { type Static, type TSchema, Type } from 'typebox';

/** A document all the way down: nobody changes one, everybody makes a new one that shares what stayed. */
export type Document<T> = T extends object ? { readonly [K in keyof T]: Document<T[K]> } : T;
/** The type of the documents that a schema admits. */
export type Of<S extends TSchema> = Document<Static<S>>;

const NAME = '^[A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9])?$';

/** Whether a text can name a service or a version. */
export function isName(text: string): boolean {
  return new RegExp(NAME).test(text);
}

export const ServiceName = Type.String({
  pattern: NAME,
  description: 'Name of a service: letters, digits, dot, dash, underscore; 64 at most.',
});
export const VersionName = Type.String({
  pattern: NAME,
  description: 'Name of a version, such as stable, canary, blue or v42.',
});
