import { STATUS_CODES } from 'node:http';
import type { FastifyError } from 'fastify';
import { Refusal } from '../control/commands.ts';
import type { ProblemBody } from '../model/api.ts';
import { StoreUnavailable } from '../store/store.ts';
import { etagOf } from './etag.ts';

interface ProblemMore {
  /** Last part of the type; left out, the status says it all. */
  readonly kind?: string;
  readonly faults?: ProblemBody['faults'];
  readonly headers?: Readonly<Record<string, string>>;
}

/** An answer that is an error, as RFC 9457 wants it. */
export class Problem extends Error {
  override readonly name = 'Problem';
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly #more: ProblemMore;

  /** `detail` says what is wrong and what would be right; the client reads it. */
  constructor(status: number, detail: string, more: ProblemMore = {}) {
    super(detail);
    this.status = status;
    this.headers = more.headers ?? {};
    this.#more = more;
  }

  body(instance: string): ProblemBody {
    const { kind, faults } = this.#more;
    return {
      type: kind === undefined ? 'about:blank' : `urn:spillway:problem:${kind}`,
      title: STATUS_CODES[this.status] ?? 'Error',
      status: this.status,
      detail: this.message,
      instance,
      ...(faults !== undefined && { faults }),
    };
  }
}

const STATUS: Readonly<Record<Refusal['why'], number>> = {
  'unknown-service': 404,
  'unknown-version': 404,
  'unknown-rollout': 404,
  'unknown-build': 404,
  forbidden: 403,
  conflict: 409,
  stale: 412,
  invalid: 422,
  unavailable: 503,
};

/** The answer to whatever was thrown. What is not foreseen is ours to read in the log, not the client's. */
export function problemOf(thrown: unknown): Problem {
  if (thrown instanceof Problem) return thrown;
  if (thrown instanceof Refusal)
    return new Problem(STATUS[thrown.why], thrown.message, {
      kind: thrown.why,
      headers: thrown.revision === undefined ? {} : { etag: etagOf(thrown.revision) },
    });
  if (thrown instanceof StoreUnavailable)
    return new Problem(503, 'The store cannot be written or read; nothing has changed. Try again.', {
      kind: 'unavailable',
    });
  const { statusCode, message, code, validation, validationContext } = thrown as Partial<FastifyError>;
  if (validation !== undefined)
    return new Problem(400, 'The request is not as the API describes it at /openapi.json.', {
      kind: 'malformed',
      faults: validation.slice(0, MOST_FAULTS).map(({ instancePath, message, params }) => ({
        path: `${validationContext}${instancePath}`,
        message: `${message}${named(params)}`,
      })),
    });
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500)
    return new Problem(statusCode, CURES[code ?? ''] ?? message ?? '');
  return new Problem(500, 'Something unforeseen went wrong; the log of Spillway tells more.');
}

/** What a fault is about, where its message leaves that out: a key that is not known, or the value there may be. */
function named(params: Readonly<Record<string, unknown>>): string {
  const it = params['additionalProperty'] ?? params['allowedValue'];
  return it === undefined ? '' : `: ${JSON.stringify(it)}`;
}

/** So that a garbage body is not answered with a greater one. */
const MOST_FAULTS = 20;

export const JSON_ONLY = 'The body must be JSON, sent as content-type: application/json.';

/** Fastify's own refusals, with what would be right. */
const CURES: Readonly<Record<string, string>> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: JSON_ONLY,
  FST_ERR_CTP_BODY_TOO_LARGE: 'The body is larger than the 64 KiB that are allowed here.',
};
