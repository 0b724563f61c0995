import { AjvCompiler } from '@fastify/ajv-compiler';
import { SerializerSelector } from '@fastify/fast-json-stringify-compiler';

const validators = AjvCompiler();
const serializers = SerializerSelector();
type Validators = ReturnType<typeof validators>;

/**
 * What Fastify makes of schemas, made when it is first needed: there are a hundred of them, some large, and a
 * start would wait for them all, although most replicas are never asked most things.
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
  buildSerializer(...from: Parameters<typeof serializers>) {
    const build = serializers(...from);
    return (route: Parameters<typeof build>[0]) => {
      let serialize: ReturnType<typeof build> | undefined;
      return (document: unknown) => {
        serialize ??= build(route);
        return serialize(document);
      };
    };
  },
};
