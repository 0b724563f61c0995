import { AjvCompiler } from '@fastify/ajv-compiler';

const validators = AjvCompiler();
type Validators = ReturnType<typeof validators>;

/**
 * Validators, made of their schemas when they are first needed: there are many, some large, and a start would wait
 * for them all, although most replicas are never asked most things.
 */
export const lazily = {
  buildValidator(...from: Parameters<typeof validators>) {
    const build = validators(...from);
    return (route: Parameters<Validators>[0]) => {
      let validate: ReturnType<Validators> | undefined;
      const lazy = (document: unknown) => {
        validate ??= build(route);
        const fits = validate(document);
        lazy.errors = validate.errors;
        return fits;
      };
      lazy.errors = undefined as ReturnType<Validators>['errors'];
      // Of a validator Fastify takes what it says and its errors.
      return lazy as unknown as ReturnType<Validators>;
    };
  },
};
