import { GRPC_STATUS, statusIn } from '../http/grpc.ts';
import { healthRequest, healthStatus } from '../http/grpchealth.ts';
import type { Head } from '../http/head.ts';
import type { HealthPolicy } from '../model/health.ts';
import type { Question } from './channel.ts';

/** What one probe found. */
export interface Finding {
  readonly sound: boolean;
  /** In a few words, as the end of "because …". */
  readonly says: string;
}

/** What an endpoint is asked to find out whether it serves, and what its answer says of that. */
export interface Inquiry {
  readonly question: Question;
  /** What the head says; undefined if the rest of the answer is needed. */
  heard(buffer: Buffer, head: Head): Finding | undefined;
  /** What the whole of it says. */
  read(body: Buffer, trailers: string): Finding;
}

/** What a policy wants asked, with this as its host; undefined if a connection is enough. */
export function inquiryOf({ grpc, path, status }: HealthPolicy, host: string): Inquiry | undefined {
  if (grpc !== undefined) return byGrpc(grpc === true ? '' : grpc, host);
  return path === undefined ? undefined : atPath(path, host, `${status}`);
}

/** A question that is asked at once and whole. */
function whole(lines: string, payload: string): Question {
  return {
    lines: `${lines}user-agent: spillway\r\n`,
    chunked: payload !== '',
    payload,
    end: '',
    headOnly: false,
    expects: false,
    upgrade: undefined,
  };
}

/** GET, and the status will do. `wanted`: one, or a range. */
function atPath(path: string, host: string, wanted: string): Inquiry {
  const [least, most = least] = wanted.split('-').map(Number) as [number, number?];
  const heard = (_: Buffer, { status }: Head): Finding => {
    const sound = status >= least && status <= most;
    return { sound, says: `it answers ${status}${sound ? '' : `, which is not ${wanted}`}` };
  };
  return {
    question: whole(`GET ${path} HTTP/1.1\r\nhost: ${host}\r\n`, ''),
    heard,
    read: () => ({ sound: false, says: 'it answers nothing' }),
  };
}

/** grpc.health.v1.Health/Check of a service; '' is the server as a whole. */
function byGrpc(service: string, host: string): Inquiry {
  const lines = `POST /grpc.health.v1.Health/Check HTTP/1.1\r\nhost: ${host}\r\ncontent-type: application/grpc\r\n`;
  const failed = (status: string): Finding => ({
    sound: false,
    says: `its check ends with grpc-status ${status}${status === '12' ? ': it has no such service or method' : ''}`,
  });
  return {
    question: whole(lines, healthRequest(service)),
    heard(buffer, head) {
      if (head.status !== 200) return { sound: false, says: `it answers ${head.status}` };
      const at = head.findName(buffer, GRPC_STATUS);
      return at < 0 ? undefined : failed(head.value(buffer, at));
    },
    read(body, trailers) {
      const status = statusIn(trailers);
      if (status !== '0') return failed(status || 'left out');
      const says = healthStatus(body);
      return { sound: says === 'SERVING', says: `it says ${says ?? 'nothing that can be read'}` };
    },
  };
}
