import { lookup as asSystem } from 'node:dns';
import type { LookupFunction } from 'node:net';

type Answer = Parameters<LookupFunction>[2];

/**
 * Lookups by the system for connections to names that are not resolved yet. It does few at a time, and one that no
 * server answers takes many seconds; so all who want the same name share one, and of several names each has its turn.
 * `localhost`, of which no server is asked, waits for none of them.
 */
export function sharing(find: LookupFunction): LookupFunction {
  const wanted = new Map<string, Answer[]>();
  const turns: (() => void)[] = [];
  let busy = false;
  return (host, options, answer) => {
    if (host === 'localhost') return find(host, options, answer);
    const key = JSON.stringify([host, options]);
    const others = wanted.get(key);
    if (others !== undefined) return void others.push(answer);
    const answers = [answer];
    wanted.set(key, answers);
    const begin = () => {
      busy = true;
      find(host, options, (...found) => {
        busy = false;
        wanted.delete(key);
        turns.shift()?.();
        for (const each of answers) each(...found);
      });
    };
    if (busy) turns.push(begin);
    else begin();
  };
}

/** The one of this process. */
export const lookup = sharing(asSystem);
