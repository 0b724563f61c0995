import { createHmac, timingSafeEqual } from 'node:crypto';
import { type AddressSet, addressSet } from '../base/cidr.ts';
import type { OverridePolicy } from '../model/state.ts';

/** Who may choose a version by naming it in a request header. */
export interface CompiledOverride {
  /**
   * The version that a header value asks for, or undefined when this client may not ask. Values are
   * `canary`, which needs an address that is believed, and `canary;sig=<hex>` or
   * `canary;exp=<unix seconds>;sig=<hex>`, which need only their signature, and not to have expired.
   * A signature that does not hold is never made good by the address.
   */
  allows(service: string, headerValue: string, clientAddress: string, nowSeconds: number): string | undefined;
}

const VALUE =
  /^(?<version>[A-Za-z0-9._-]{1,64})(?:(?:; *exp=(?<exp>\d{1,15}))?; *sig=(?<sig>[0-9A-Fa-f]{64}))?$/;

/** Undefined when the policy believes nobody. Throws RangeError on an address range that is none. */
export function compileOverride(policy: OverridePolicy | undefined): CompiledOverride | undefined {
  const believed = addressSet(policy?.addresses ?? []);
  const secret = policy?.secret;
  return secret === undefined && believed.size === 0 ? undefined : new Override(secret, believed);
}

/** The header value that asks for a version of a service until `exp`, in Unix seconds, or for ever. */
export function signOverride(secret: string, service: string, version: string, exp?: number): string {
  const until = exp?.toString();
  const sig = signature(secret, service, version, until).toString('hex');
  return until === undefined ? `${version};sig=${sig}` : `${version};exp=${until};sig=${sig}`;
}

class Override implements CompiledOverride {
  readonly #secret: string | undefined;
  readonly #believed: AddressSet;

  constructor(secret: string | undefined, believed: AddressSet) {
    this.#secret = secret;
    this.#believed = believed;
  }

  allows(
    service: string,
    headerValue: string,
    clientAddress: string,
    nowSeconds: number,
  ): string | undefined {
    const asked = VALUE.exec(headerValue)?.groups;
    const version = asked?.['version'];
    if (asked === undefined || version === undefined) return undefined;
    const { exp, sig } = asked;
    if (sig === undefined) return this.#believed.has(clientAddress) ? version : undefined;
    if (exp !== undefined && Number(exp) <= nowSeconds) return undefined;
    return this.#signed(service, version, exp, sig) ? version : undefined;
  }

  #signed(service: string, version: string, exp: string | undefined, sig: string): boolean {
    if (this.#secret === undefined) return false;
    return timingSafeEqual(signature(this.#secret, service, version, exp), Buffer.from(sig, 'hex'));
  }
}

/** Names hold no slash, so no two of these texts can be the same. */
function signature(secret: string, service: string, version: string, exp: string | undefined): Buffer {
  const text = exp === undefined ? `${service}/${version}` : `${service}/${version}/${exp}`;
  return createHmac('sha256', secret).update(text, 'utf8').digest();
}
