import type { Of } from '../model/document.ts';
import type { WebhookSchema } from '../model/gate.ts';
import type { HookSchema } from '../model/plan.ts';
import { retryDelay } from './backoff.ts';
import { type Circumstances, told } from './circumstances.ts';
import { NoAnswer } from './fault.ts';
import { type Answer, hostOf, isYes } from './outlet.ts';
import { post } from './post.ts';
import { fail, type GateResult, pass, unknown } from './result.ts';
import { resolveHeaders } from './secret.ts';
import type { World } from './world.ts';

type Webhook = Of<typeof WebhookSchema>;
type Hook = Of<typeof HookSchema>;

const RETRIES = 3;
/** Characters of an answer that are repeated to people. */
const QUOTED = 200;
/** A header value of so many characters may be a secret; shorter ones are words that an answer may well say. */
const SECRET = 8;

/** Asks a webhook gate: 2xx is yes, any other status no. Rejects with the signal's reason only. */
export function askWebhook(
  gate: Webhook,
  circumstances: Circumstances,
  world: World,
  signal: AbortSignal,
): Promise<GateResult> {
  const question = { ...told(circumstances), gate: gate.name, moment: gate.moment };
  return knock(gate, question, world, signal);
}

/** Tells a hook that a version is no longer needed. A pass means that it has heard it. */
export function decommission(
  hook: Hook,
  version: string,
  circumstances: Circumstances,
  world: World,
  signal: AbortSignal,
): Promise<GateResult> {
  return knock(hook, { ...told(circumstances), moment: 'decommission', version }, world, signal);
}

/** Tries until there is an answer, as often as the hook allows. */
async function knock(hook: Hook, question: object, world: World, signal: AbortSignal): Promise<GateResult> {
  const json = JSON.stringify(question);
  const host = hostOf(hook.url);
  for (let tries = 1; ; tries++) {
    try {
      const answer = await post(hook, json, world, signal);
      if (isYes(answer)) return pass(`${host} answered ${answer.status}`);
      const secrets = Object.values(resolveHeaders(hook.headers, world.environment));
      return fail(`${host} answered ${answer.status}${quote(answer, secrets)}`);
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error;
      const last = tries > (hook.retries ?? RETRIES) || !error.again;
      if (last) return unknown(`${host} could not be asked, try ${tries}: ${error.message}`);
    }
    await world.pause(retryDelay(tries), signal);
  }
}

/** The beginning of an answer, on one line, without the header values that it may have echoed. */
function quote({ body }: Answer, secrets: readonly string[]): string {
  const line = secrets
    .filter(({ length }) => length >= SECRET)
    .reduce((text, secret) => text.replaceAll(secret, '***'), body)
    .replace(/[\s\p{Cc}]+/gu, ' ')
    .trim();
  if (line === '') return '';
  return `: ${line.length > QUOTED ? `${line.slice(0, QUOTED)}…` : line}`;
}
