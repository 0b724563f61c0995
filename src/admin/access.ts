import { createHash, timingSafeEqual } from 'node:crypto';
import { ROLES, type Role, type Token } from '../model/settings.ts';
import { Problem } from './problem.ts';

/** Who somebody is, and what they may do. */
export interface Identity {
  readonly name: string;
  readonly role: Role;
}

/** Decides who is asking, by the bearer token sent. */
export class Access {
  readonly #tokens: readonly { readonly identity: Identity; readonly digest: Buffer }[];

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens.map(({ name, role, sha256 }) => ({
      identity: { name, role },
      digest: Buffer.from(sha256, 'hex'),
    }));
  }

  /** Without tokens whoever can connect is admin; such an API listens on loopback only. */
  get open(): boolean {
    return this.#tokens.length === 0;
  }

  /** Who sent this Authorization header. Throws a 401 for nobody known. */
  identify(authorization: string | undefined): Identity {
    if (this.open) return { name: 'anonymous', role: 'admin' };
    const sent = /^bearer +([A-Za-z0-9._~+/=-]+) *$/i.exec(authorization ?? '')?.[1];
    if (sent === undefined)
      throw unauthorized(
        'A token is needed, as in "Authorization: Bearer TOKEN".',
        'Bearer realm="spillway"',
      );
    const digest = createHash('sha256').update(sent).digest();
    let found: Identity | undefined;
    // Every token is compared, to the last byte: time must not tell which one was nearly right.
    for (const token of this.#tokens) if (timingSafeEqual(token.digest, digest)) found = token.identity;
    if (found === undefined)
      throw unauthorized('This token is not known here.', 'Bearer realm="spillway", error="invalid_token"');
    return found;
  }
}

/** Throws a 403 if somebody may not do what takes the role `needed`. */
export function allow({ name, role }: Identity, needed: Role): void {
  if (ROLES.indexOf(role) >= ROLES.indexOf(needed)) return;
  throw new Problem(403, `This takes the role ${needed}; the token "${name}" has the role ${role}.`, {
    kind: 'forbidden',
    headers: { 'www-authenticate': `Bearer realm="spillway", error="insufficient_scope", scope="${needed}"` },
  });
}

function unauthorized(detail: string, challenge: string): Problem {
  return new Problem(401, detail, { kind: 'unauthorized', headers: { 'www-authenticate': challenge } });
}
