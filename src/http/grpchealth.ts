/**
 * The messages of grpc.health.v1 (github.com/grpc/grpc, doc/health-checking.md): one string asks, one number answers,
 * so that no schema need be compiled for them.
 */

const STATUSES = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'] as const;
export type HealthStatus = (typeof STATUSES)[number];

/** Each message follows a flag, which says that it is not compressed, and its length. */
const PREFIX = 5;
/** `string service = 1`, and `ServingStatus status = 1`. */
const SERVICE = 0x0a;
const STATUS = 0x08;

/** What asks for a service by a name of at most 127 bytes, a character a byte; '' asks for the whole server. */
export function healthRequest(service: string): string {
  const name = Buffer.from(service, 'utf8').toString('latin1');
  const message = name === '' ? '' : String.fromCharCode(SERVICE, name.length) + name;
  return `\0\0\0\0${String.fromCharCode(message.length)}${message}`;
}

/** What a body answers; undefined if it is no such answer. */
export function healthStatus(body: Buffer): HealthStatus | undefined {
  if (body.length < PREFIX || body[0] !== 0 || body.readUInt32BE(1) !== body.length - PREFIX)
    return undefined;
  // What has its first value is left out.
  if (body.length === PREFIX) return STATUSES[0];
  return body.length === PREFIX + 2 && body[PREFIX] === STATUS ? STATUSES[body[PREFIX + 1]!] : undefined;
}
