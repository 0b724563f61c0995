import {
  ACK,
  block,
  DATA,
  END_HEADERS,
  END_STREAM,
  type Fields,
  type Frame,
  Framed,
  frame,
  GOAWAY,
  HEADERS,
  NO_ERROR,
  PING,
  PROTOCOL_ERROR,
  RST_STREAM,
  request,
  SETTINGS,
  statusOf,
  uint32,
} from '../frames.ts';

/** What RFC 9113 demands of a server, or RFC 7541 where it says so: a client does something, and this comes of it. */
export interface Rule {
  readonly section: string;
  readonly name: string;
  /** What the client says, and what it waits for before it goes on. */
  readonly script: readonly (Buffer | Event)[];
  readonly outcome: Event;
  /** Nothing has been said before: the script has to begin with a preface. */
  readonly bare?: boolean;
  /** Why we do not keep it, and what comes of it with us. */
  readonly broken?: { readonly because: string; readonly instead: Event };
}

/** Something that the other side does. */
export interface Event {
  readonly is: string;
  /** Whether it is this frame. False: it will not be any more. */
  readonly fits: (frame: Frame) => boolean | undefined;
  /** Leaving is as good. */
  readonly orLeaves?: boolean;
}

/** How many streams a client is to be offered. */
export const STREAMS = 5;

// ---- what a client says

export const GET = block(request());

export function get(stream = 1, over: Fields = [], without: readonly string[] = []): Buffer {
  return frame(HEADERS, END_HEADERS | END_STREAM, stream, block(request(over, without)));
}

/** The head of a request whose body is still to come. */
export function post(stream = 1, over: Fields = []): Buffer {
  return frame(HEADERS, END_HEADERS, stream, block(request([[':method', 'POST'], ...over])));
}

export function setting(id: number, value: number): Buffer {
  return frame(SETTINGS, 0, 0, Buffer.concat([Buffer.from([id >> 8, id & 0xff]), uint32(value)]));
}

export const INITIAL_WINDOW_SIZE = 4;

/** From now on nothing of a body may be sent to us. */
export const NO_WINDOW = setting(INITIAL_WINDOW_SIZE, 0);

/** What a stream depends on and how much it weighs (RFC 9113 §5.3.2). */
export function priority(on: number, weight = 15, exclusive = false): Buffer {
  return Buffer.concat([uint32(on + (exclusive ? 0x8000_0000 : 0)), Buffer.from([weight])]);
}

const HERE = Buffer.from('are you?');
export const PRESENT = frame(PING, 0, 0, HERE);

// ---- what comes of it

/** The code in a frame that ends something. */
function codeOf({ type, payload }: Frame): number | undefined {
  if (type === GOAWAY) return payload.readUInt32BE(4);
  return type === RST_STREAM ? payload.readUInt32BE() : undefined;
}

/** Whether it ends something that should go on. */
function fails(frame: Frame): boolean {
  return (codeOf(frame) ?? NO_ERROR) !== NO_ERROR;
}

/** The connection ends, because of one of these errors. */
export function breaks(...codes: readonly number[]): Event {
  return {
    is: `the end of the connection by error ${codes.join(' or ')}`,
    fits: (frame) => (frame.type === GOAWAY ? codes.includes(codeOf(frame)!) : undefined),
    orLeaves: true,
  };
}

/** The stream ends because of one of these errors, or the connection does. */
export function resets(...codes: readonly number[]): Event {
  return {
    is: `the end of the stream by error ${codes.join(' or ')}`,
    fits: (frame) => {
      const code = codeOf(frame);
      return code === undefined ? undefined : codes.includes(code);
    },
    orLeaves: true,
  };
}

/** It is told why, and nothing else will do: that its stream ends, if one is named, or that the connection does. */
export function tells(code: number, stream = 0): Event {
  return {
    is: `a frame that tells of error ${code}`,
    fits: (frame) =>
      frame.type === GOAWAY || (frame.type === RST_STREAM && frame.stream === stream)
        ? codeOf(frame) === code
        : undefined,
  };
}

/** One thing or the other. */
export function either(one: Event, other: Event): Event {
  return {
    is: `${one.is}, or ${other.is}`,
    fits: (frame) => {
      const fits = [one.fits(frame), other.fits(frame)];
      if (fits.includes(true)) return true;
      return fits.includes(undefined) ? undefined : false;
    },
    orLeaves: one.orLeaves === true || other.orLeaves === true,
  };
}

/** The request is answered, as one that is sound. */
export function answers(stream = 1): Event {
  return {
    is: `an answer on stream ${stream}`,
    fits: (frame) => {
      if (fails(frame)) return false;
      if (frame.type !== HEADERS || frame.stream !== stream) return undefined;
      return ['200', '404'].includes(statusOf(frame.payload));
    },
  };
}

/** The request is refused: by a reset, or by an answer that says whose fault it is. */
export function refuses(): Event {
  const reset = resets(PROTOCOL_ERROR);
  return {
    ...reset,
    is: `a refusal, or ${reset.is}`,
    fits: (frame) => (frame.type === HEADERS ? statusOf(frame.payload) === '400' : reset.fits(frame)),
  };
}

/** An answer is complete. */
export function ends(stream = 1): Event {
  return {
    is: `the end of the answer on stream ${stream}`,
    fits: (frame) => {
      if (fails(frame)) return false;
      const last = (frame.type === DATA || frame.type === HEADERS) && (frame.flags & END_STREAM) !== 0;
      return last && frame.stream === stream ? true : undefined;
    },
  };
}

/** So much of a body, no more and no less. */
export function sends(length: number): Event {
  return {
    is: `${length} bytes of the body`,
    fits: ({ type, payload }) => (type === DATA ? payload.length === length : undefined),
  };
}

/** All is well: a ping is answered. */
export function goesOn(): Event {
  return {
    is: 'the answer to a ping',
    fits: (frame) => {
      if (fails(frame)) return false;
      return frame.type === PING && (frame.flags & ACK) !== 0 ? frame.payload.equals(HERE) : undefined;
    },
  };
}

export function introducesItself(): Event {
  return { is: 'settings', fits: ({ type, flags }) => type === SETTINGS && (flags & ACK) === 0 };
}

export function agrees(): Event {
  return {
    is: 'settings acknowledged',
    fits: ({ type, flags }) => (type === SETTINGS ? (flags & ACK) !== 0 : undefined),
  };
}

/** Whatever it says before. */
export function leaves(): Event {
  return { is: 'the end of the connection', fits: () => undefined, orLeaves: true };
}

// ---- how it is found out

/** Plays a rule to the server at an address. What came of it is as it should be, or there is an error. */
export async function play(rule: Rule, address: string, ca?: string): Promise<void> {
  const client = await (rule.bare ? Framed.connect(address, ca) : Framed.open(address, '', true, ca));
  try {
    if (!rule.bare) {
      await happens(client, introducesItself());
      await happens(client, agrees());
    }
    for (const step of rule.script) {
      if ('is' in step) await happens(client, step);
      else client.say(step);
    }
    await happens(client, rule.broken?.instead ?? rule.outcome);
  } finally {
    client.socket.destroy();
  }
}

async function happens(client: Framed, event: Event): Promise<void> {
  for (;;) {
    const heard = await client.next(event.is);
    if (heard === undefined) {
      if (event.orLeaves) return;
      throw new Error(`it left instead of ${event.is}`);
    }
    const fits = event.fits(heard);
    if (fits) return;
    if (fits === false)
      throw new Error(`instead of ${event.is}: ${heard.type} ${heard.payload.toString('hex')}`);
  }
}
