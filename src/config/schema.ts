import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import { type Config, ConfigSchema } from '../model/settings.ts';
import type { Finding } from './finding.ts';
import { suggest } from './suggest.ts';

const ajv = new Ajv({
  allErrors: true,
  verbose: true,
  // It would take longer than what it makes ever runs.
  code: { optimize: false },
  formats: { 'date-time': /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/i },
});

/** Strategies and policies have large schemas, and a file that names none should not wait for them. */
const LARGE = ['strategies', 'policies'] as const;
const without = Object.fromEntries(LARGE.map((key) => [key, true]));
const validatePlain = ajv.compile<Config>({
  ...ConfigSchema,
  properties: { ...ConfigSchema.properties, ...without },
});

function validatorFor(document: unknown): ValidateFunction<Config> {
  const named = typeof document === 'object' && document !== null && LARGE.some((key) => key in document);
  return named ? ajv.compile<Config>(ConfigSchema) : validatePlain;
}

/** The JSON schema of a config file, for editors; `config/schema.json` holds it. */
export function configSchema(): object {
  return { $schema: 'http://json-schema.org/draft-07/schema#', title: 'Spillway', ...ConfigSchema };
}

/** The parts of a JSON schema that a sentence is made of. */
interface Rule {
  readonly type?: string;
  readonly const?: unknown;
  readonly anyOf?: readonly Rule[];
  readonly minimum?: number;
  readonly exclusiveMinimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Rule>>;
}

/** Everything in which a document departs from the schema; empty means that it is a Config. */
export function schemaFindings(document: unknown): Finding[] {
  // The same schema is compiled once, as Ajv remembers it.
  const validate = validatorFor(document);
  if (validate(document)) return [];
  const errors = validate.errors ?? [];
  // A choice reports each of its alternatives as well. Where it is plain which one was meant, only what is said
  // of that one helps; else one sentence about the choice says it all.
  const choices = errors
    .filter((error) => error.keyword === 'anyOf')
    .map((error) => ({ error, at: `${error.schemaPath}/`, meant: meantBy(error) }));
  return errors
    .filter((error) =>
      choices.every(({ error: choice, at, meant }) => {
        if (error === choice) return meant === undefined;
        const inside =
          error.schemaPath.startsWith(at) && `${error.instancePath}/`.startsWith(`${choice.instancePath}/`);
        return !inside || (meant !== undefined && error.schemaPath.startsWith(`${at}${meant}/`));
      }),
    )
    .map(findingOf);
}

/** What tells the alternatives of a choice apart. */
const TELLING = ['type', 'kind'] as const;

/** Which alternative of a choice a value was meant to be: the one it names, or the only one of its kind. */
function meantBy({ parentSchema, data }: ErrorObject): number | undefined {
  const alternatives = (parentSchema as Rule).anyOf ?? [];
  const type = Array.isArray(data) ? 'array' : typeof data;
  const alike = alternatives.flatMap((each, index) => (each.type === type ? [index] : []));
  if (alike.length < 2) return type === 'object' && data !== null ? alike[0] : undefined;
  const key = tellingOf(parentSchema as Rule);
  const found = alternatives.findIndex(
    ({ properties }) =>
      key !== undefined && properties?.[key]?.const === (data as Record<string, unknown>)[key],
  );
  return found < 0 ? undefined : found;
}

/** The property by which alternatives name themselves, if they do. */
function tellingOf({ anyOf = [] }: Rule): string | undefined {
  return TELLING.find((key) => anyOf.some(({ properties }) => properties?.[key]?.const !== undefined));
}

function findingOf(error: ErrorObject): Finding {
  const path = error.instancePath
    .split('/')
    .slice(1)
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'))
    .map((step) => (/^\d+$/.test(step) ? Number(step) : step));
  const rule = error.parentSchema as Rule;
  switch (error.keyword) {
    case 'additionalProperties': {
      const key = String(error.params['additionalProperty']);
      return { path: [...path, key], says: unknownKey(key, rule.properties) };
    }
    case 'anyOf': {
      const key = tellingOf(rule);
      if (key === undefined || typeof error.data !== 'object' || error.data === null) break;
      const said = (error.data as Record<string, unknown>)[key];
      const known = (rule.anyOf ?? []).flatMap(({ properties }) => properties?.[key]?.const ?? []);
      return {
        path: [...path, key],
        says: `${said === undefined ? 'this is missing' : `${shown(path, said)} will not do`}; it takes ${known.join(', ')}`,
      };
    }
    case 'required': {
      const key = String(error.params['missingProperty']);
      const wanted = rule.properties?.[key];
      return { path: [...path, key], says: `this is missing; ${wanted ? expectation(wanted) : 'add it'}` };
    }
    case 'minItems':
    case 'minProperties':
      return { path, says: `there is none; at least ${error.params['limit']} is needed` };
  }
  return { path, says: `${shown(path, error.data)} will not do; ${expectation(rule)}` };
}

function unknownKey(key: string, properties: Rule['properties']): string {
  if (properties === undefined)
    return `"${key}" is not a name; a name has letters, digits, dots, dashes and underscores, begins and ends with a letter or digit, and has 64 characters at most`;
  const known = Object.keys(properties);
  const near = suggest(key, known);
  return `there is no key "${key}"; ${near ? `did you mean "${near}"?` : `the keys here are ${known.join(', ')}`}`;
}

/** What would be right. */
function expectation(rule: Rule): string {
  return `it takes ${kind(rule)}${rule.description ? `: ${rule.description}` : ''}`;
}

const KINDS: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  integer: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a map',
};

function kind(rule: Rule): string {
  if (rule.anyOf !== undefined) return rule.anyOf.map(kind).join(' or ');
  if (rule.const !== undefined) return JSON.stringify(rule.const);
  return `${KINDS[rule.type ?? ''] ?? 'something else'}${range(rule)}${form(rule)}`;
}

/** What a text has to be like. */
function form({ minLength = 0, maxLength, pattern }: Rule): string {
  const least = minLength === 0 ? '' : ` of ${minLength} or more characters`;
  const size = maxLength === undefined ? least : ` of ${minLength} to ${maxLength} characters`;
  return pattern === undefined ? size : `${size} that matches ${pattern}`;
}

function range({ minimum, exclusiveMinimum, maximum }: Rule): string {
  const from = minimum ?? exclusiveMinimum;
  const lower = exclusiveMinimum === undefined ? 'from' : 'above';
  if (from === undefined) return maximum === undefined ? '' : ` up to ${maximum}`;
  return maximum === undefined ? ` ${lower} ${from} up` : ` ${lower} ${from} to ${maximum}`;
}

/** What may hold secrets, at whatever level. */
const SECRETIVE: ReadonlySet<string | number> = new Set([
  'override',
  'tokens',
  'notify',
  'links',
  'strategies',
]);

/** The value, if it is short and cannot be a secret, not even one that stands a level too high. */
function shown(path: Finding['path'], value: unknown): string {
  if (path.some((part) => SECRETIVE.has(part))) return 'this value';
  if (value === null) return 'nothing';
  if (typeof value === 'object') return Array.isArray(value) ? 'a list' : 'a map';
  const text = JSON.stringify(value) ?? String(value);
  return text.length <= 60 ? text : `${text.slice(0, 57)}…`;
}
