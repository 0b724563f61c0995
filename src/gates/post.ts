import { within } from './limit.ts';
import { type Answer, readUrl, send, wayTo } from './outlet.ts';
import { resolveHeaders, resolveKey, resolveSecret } from './secret.ts';
import { signBody } from './signature.ts';
import type { World } from './world.ts';

/** Where to post, as a webhook gate, a hook or a notification says it. */
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
/** Enough of an answer to say why it was no. */
const MOST = 4096;

/** Posts JSON, once, signed at this moment. Rejects with NoAnswer, or with the signal's reason. */
export function post(receiver: Receiver, json: string, world: World, signal: AbortSignal): Promise<Answer> {
  return within((receiver.timeout ?? TIMEOUT) * 1000, world, signal, async (signal) => {
    const url = readUrl(resolveSecret(receiver.url, world.environment));
    const headers = {
      ...resolveHeaders(receiver.headers, world.environment),
      'content-type': 'application/json',
      'user-agent': 'spillway',
      ...(receiver.secret !== undefined && {
        'x-spillway-signature': signBody(
          resolveKey(receiver.secret, world.environment),
          json,
          world.clock.now(),
        ),
      }),
    };
    const way = await wayTo(url, receiver.allowPrivate ?? false, world);
    const path = url.pathname + url.search;
    return await send(way, { method: 'POST', path, headers, body: json, most: MOST }, signal);
  });
}

/** Whether an answer is a yes. */
export function isYes({ status }: Answer): boolean {
  return status >= 200 && status < 300;
}
