import { within } from './limit.ts';
import { type Answer, readUrl, send, wayTo } from './outlet.ts';
import { resolveHeaders, resolveKey, resolveSecret } from './secret.ts';
import { signBody } from './signature.ts';
import type { World } from './world.ts';

/** Where to post, as gates, hooks and subscribers say it. */
export interface Receiver {
  /** `http:` or `https:`, or `env:NAME`, for there are services whose URL is the secret. */
  readonly url: string;
  /** Key of the signature, or `env:NAME`. Without one nothing is signed. */
  readonly secret?: string;
  /** Values may be `env:NAME`. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Seconds for one try. Default 10. */
  readonly timeout?: number;
  /** Default false. */
  readonly allowPrivate?: boolean;
}

const TIMEOUT = 10;
/** Bytes of an answer that are read: enough for a value, or to say why it was no. */
const MOST = 65_536;

/**
 * Posts JSON or a form, once; signed at this moment if there is a secret. Rejects with NoAnswer, or with the
 * signal's reason.
 */
export function post(
  receiver: Receiver,
  body: string | URLSearchParams,
  world: World,
  signal: AbortSignal,
): Promise<Answer> {
  const { environment, clock } = world;
  const isForm = body instanceof URLSearchParams;
  const text = body.toString();
  return within((receiver.timeout ?? TIMEOUT) * 1000, world, signal, async (signal) => {
    const url = readUrl(resolveSecret(receiver.url, environment));
    const headers = {
      ...resolveHeaders(receiver.headers, environment),
      'content-type': isForm ? 'application/x-www-form-urlencoded' : 'application/json',
      'user-agent': 'spillway',
      ...(receiver.secret !== undefined && {
        'x-spillway-signature': signBody(resolveKey(receiver.secret, environment), text, clock.now()),
      }),
    };
    const way = await wayTo(url, receiver.allowPrivate ?? false, world);
    const path = url.pathname + url.search;
    return await send(way, { method: 'POST', path, headers, body: text, most: MOST }, signal);
  });
}
