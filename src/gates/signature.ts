import { createHmac } from 'node:crypto';

/**
 * The value of `x-spillway-signature` for a body sent at a moment (ms since 1970): `t=<Unix seconds>,v1=<hex>`,
 * where the hex digits are the HMAC-SHA-256 of `<Unix seconds>.<body>` under the shared secret.
 *
 * A receiver computes the same over the bytes it got, compares in constant time, and refuses a t more than
 * five minutes off. The id in the body is the same for every try and every repetition of one errand, so a
 * receiver that has seen it knows that the deed is done.
 */
export function signBody(secret: string, body: string, at: number): string {
  const t = Math.floor(at / 1000);
  return `t=${t},v1=${createHmac('sha256', secret).update(`${t}.${body}`).digest('hex')}`;
}
