import { createHmac, timingSafeEqual } from 'node:crypto';

/** What a link approves. */
export interface Link {
  /** Unlike that of every other link. A link may be used once, and whoever accepts it keeps the ids used up. */
  readonly id: string;
  readonly rollout: string;
  readonly gate: string;
  /** Milliseconds since 1970. */
  readonly expires: number;
}

/**
 * The text of a link, for the query of a URL: `<fields>.<HMAC-SHA-256 of them>`, both base64url.
 *
 * Chat programs fetch every link they show, to draw a preview. So the URL should lead to a page with a button,
 * and only what the button posts should approve.
 */
export function signLink(secret: string, { id, rollout, gate, expires }: Link): string {
  const fields = Buffer.from(JSON.stringify([id, rollout, gate, expires])).toString('base64url');
  return `${fields}.${signature(secret, fields).toString('base64url')}`;
}

/** The link that a text is at `now` (ms since 1970), or a sentence that says why it is none. */
export function readLink(secret: string, text: string, now: number): Link | string {
  const [fields = '', signed = '', ...rest] = text.split('.');
  const given = Buffer.from(signed, 'base64url');
  const wanted = signature(secret, fields);
  if (rest.length > 0 || given.length !== wanted.length || !timingSafeEqual(given, wanted))
    return 'this link was not made here, or is not complete; copy it whole from the notification';
  const [id, rollout, gate, expires] = JSON.parse(Buffer.from(fields, 'base64url').toString()) as [
    string,
    string,
    string,
    number,
  ];
  if (now >= expires)
    return `this link expired at ${new Date(expires).toISOString()}; approve with a token instead`;
  return { id, rollout, gate, expires };
}

/** The prefix keeps a signature that was made for anything else under the same secret from being one of these. */
function signature(secret: string, fields: string): Buffer {
  return createHmac('sha256', secret).update(`spillway approval ${fields}`).digest();
}
