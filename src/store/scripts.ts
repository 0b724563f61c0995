import { createHash } from 'node:crypto';

/** A program that Redis runs from beginning to end with nobody in between. */
export interface Script {
  readonly lua: string;
  readonly sha: string;
}

function script(lua: string): Script {
  return { lua, sha: createHash('sha1').update(lua).digest('hex') };
}

/** Entries of the audit log that are kept. */
const AUDITED = 10_000;

/** What the truth is now: its revision, its stamp, and the rest unless it is the one already known. */
export const READ = script(`
local has = redis.call('HMGET', KEYS[1], 'revision', 'stamp')
if not has[1] then return {'0', ''} end
if has[2] == ARGV[1] then return has end
return redis.call('HMGET', KEYS[1], 'revision', 'stamp', 'state', 'entry')
`);

/**
 * Compare-and-set. What is fenced is so whatever the revision; a truth that is being restored takes nothing
 * before everybody had time to bring the newest.
 */
export const REPLACE = script(`
if ARGV[5] ~= '' and redis.call('GET', KEYS[3]) ~= ARGV[5] then return 'fenced' end
if redis.call('EXISTS', KEYS[4]) == 1 then return 'restoring' end
local now = tonumber(redis.call('HGET', KEYS[1], 'revision') or '0')
if now ~= tonumber(ARGV[1]) then return 'stale' end
local revision = string.format('%d', now + 1)
redis.call('HSET', KEYS[1], 'revision', revision, 'stamp', ARGV[2], 'state', ARGV[3], 'entry', ARGV[4])
redis.call('LPUSH', KEYS[2], ARGV[4])
redis.call('LTRIM', KEYS[2], 0, ${AUDITED - 1})
redis.call('PUBLISH', ARGV[6], revision)
return 'written'
`);

/**
 * Brings a truth that is newer than what Redis holds: it has lost some. For a while after, others may bring one
 * that is newer still, and nothing else is taken. Where the same revision means two things, what Redis holds
 * gets the next, so that everybody takes it over.
 */
export const RESTORE = script(`
local now = tonumber(redis.call('HGET', KEYS[1], 'revision') or '0')
local mine = tonumber(ARGV[1])
if now > mine then return 'older' end
if now == mine then
  if redis.call('HGET', KEYS[1], 'stamp') == ARGV[2] then return 'same' end
  redis.call('HSET', KEYS[1], 'revision', string.format('%d', now + 1), 'stamp', ARGV[7])
  redis.call('PUBLISH', ARGV[5], string.format('%d', now + 1))
  return 'parted'
end
redis.call('SET', KEYS[3], '1', 'PX', ARGV[6])
redis.call('HSET', KEYS[1], 'revision', ARGV[1], 'stamp', ARGV[2], 'state', ARGV[3], 'entry', ARGV[4])
if ARGV[4] ~= '' then redis.call('LPUSH', KEYS[2], ARGV[4]) end
redis.call('PUBLISH', ARGV[5], ARGV[1])
return 'restored'
`);

/**
 * A sign of life, and all that is to be known in return. Whoever led last may go on as long as nobody else has
 * led since; anybody else begins a term of its own, which fences all terms before. The token of a term that
 * would be new stays the same until it is heard that it has begun, so that an answer that is lost costs nothing.
 */
export const BEAT = script(`
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local me, mine, fresh, wants, card = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local lease, silent = ARGV[6], tonumber(ARGV[7])
redis.call('HSET', KEYS[4], me, string.format('%d ', now) .. card)
local holder = redis.call('GET', KEYS[2])
local term = redis.call('GET', KEYS[3])
if wants == '1' then
  if not holder then
    if term ~= mine and term ~= fresh then
      term = fresh
      redis.call('SET', KEYS[3], term)
    end
    holder = term
    redis.call('SET', KEYS[2], term, 'PX', lease)
  elseif holder == mine or holder == fresh then
    redis.call('PEXPIRE', KEYS[2], lease)
  end
elseif holder and (holder == mine or holder == fresh) then
  redis.call('DEL', KEYS[2])
  holder = false
end
local cards = redis.call('HGETALL', KEYS[4])
local living = {}
for i = 1, #cards, 2 do
  local seen = tonumber(string.match(cards[i + 1], '^%d+'))
  if now - seen > silent then
    redis.call('HDEL', KEYS[4], cards[i])
  else
    table.insert(living, cards[i])
    table.insert(living, cards[i + 1])
  end
end
local truth = redis.call('HMGET', KEYS[1], 'revision', 'stamp')
return {string.format('%d', now), truth[1] or '0', truth[2] or '', holder or '', living}
`);

/** Takes leave: a lease that is held and the card are given back at once. */
export const LEAVE = script(`
if redis.call('GET', KEYS[1]) == ARGV[2] then redis.call('DEL', KEYS[1]) end
redis.call('HDEL', KEYS[2], ARGV[1])
return 1
`);

/** Leaves what is of use for a while only: the last so many, and nothing when no more comes for so many ms. */
export const POST = script(`
redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[2], '*', 'w', ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
`);
