import type { Window } from '../model/gate.ts';

/** What a window says at a moment. */
export interface Opening {
  readonly open: boolean;
  /** Why it is shut; empty while it is open. */
  readonly says: string;
}

const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] as const;
type Day = (typeof DAYS)[number];

/**
 * Whether a window is open at `now` (ms since 1970), by the clock on the wall of its time zone. Hours that go
 * over midnight belong to the day on which they begin: `fri 22:00 to 06:00` is open on Saturday at 5.
 */
export function windowAt(
  { days, from = '00:00', to = '24:00', zone = 'UTC', freeze = [] }: Window,
  now: number,
): Opening {
  const frozen = freeze.find((time) => now >= Date.parse(time.from) && now < Date.parse(time.to));
  if (frozen !== undefined)
    return {
      open: false,
      says: `frozen until ${frozen.to}${frozen.why === undefined ? '' : `: ${frozen.why}`}`,
    };
  const { day, minute } = wallTime(now, zone);
  const [start, end] = [minuteOf(from), minuteOf(to)];
  const isDay = (each: Day): boolean => days === undefined || days.includes(each);
  const open =
    start < end
      ? isDay(day) && minute >= start && minute < end
      : (isDay(day) && minute >= start) || (isDay(dayBefore(day)) && minute < end);
  return open
    ? { open, says: '' }
    : {
        open,
        says: `open ${days === undefined ? 'every day' : days.join(', ')} from ${from} to ${to} (${zone})`,
      };
}

/** What is wrong with a window, in a sentence with the cure; undefined if nothing is. */
export function windowFault({ name, zone, from, to, freeze = [] }: Window): string | undefined {
  if (zone !== undefined && !isZone(zone))
    return `window "${name}" is in zone "${zone}", which is not known; name it as in Europe/Berlin`;
  if (from !== undefined && from === to)
    return `window "${name}" opens and shuts at ${from}; leave both out to have it open all day`;
  const back = freeze.find((time) => !(Date.parse(time.from) < Date.parse(time.to)));
  return back && `window "${name}" is frozen from ${back.from} to ${back.to}; the second must be the later`;
}

function wallTime(now: number, zone: string): { readonly day: Day; readonly minute: number } {
  const parts = new Intl.DateTimeFormat('en-GB', {
    timeZone: zone,
    weekday: 'short',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  }).formatToParts(now);
  const part = (type: string): string => parts.find((each) => each.type === type)?.value ?? '';
  return {
    day: DAYS.find((day) => day === part('weekday').toLowerCase())!,
    minute: minuteOf(`${part('hour')}:${part('minute')}`),
  };
}

function minuteOf(time: string): number {
  return Number(time.slice(0, 2)) * 60 + Number(time.slice(3));
}

function dayBefore(day: Day): Day {
  return DAYS[(DAYS.indexOf(day) + 6) % 7]!;
}

function isZone(zone: string): boolean {
  try {
    new Intl.DateTimeFormat('en-GB', { timeZone: zone });
    return true;
  } catch {
    return false;
  }
}
