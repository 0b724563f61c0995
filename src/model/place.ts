/** Where Redis is, as a URL says it. */
export interface Place {
  readonly kind: 'one' | 'sentinel' | 'cluster';
  readonly secure: boolean;
  readonly nodes: readonly { readonly host: string; readonly port: number }[];
  /** Of the primary, as sentinels know it. */
  readonly group: string;
  readonly db: number;
  readonly username: string | undefined;
  readonly password: string | undefined;
}

const SHAPE = /^(rediss?)(?:\+(sentinel|cluster))?:\/\/(?:([^@/]*)@)?([^/]+)(?:\/(.*))?$/;

/** What a URL means, or a sentence that says why it means nothing. */
export function placeOf(url: string): Place | string {
  const [, scheme, kind = 'one', user, hosts = '', path = ''] = SHAPE.exec(url) ?? [];
  if (scheme === undefined)
    return 'write redis://HOST:PORT/DB, rediss:// for TLS, redis+sentinel://HOST:PORT,HOST:PORT/GROUP or redis+cluster://HOST:PORT,HOST:PORT';
  const nodes = hosts.split(',').map((host) => nodeOf(host, kind === 'sentinel' ? 26379 : 6379));
  const wrong = nodes.find((node) => typeof node === 'string');
  if (typeof wrong === 'string') return wrong;
  const parts = path.split('/').filter((part) => part !== '');
  const group = kind === 'sentinel' ? (parts.shift() ?? '') : '';
  const db = parts.shift() ?? '0';
  if (kind === 'sentinel' && group === '') return 'name the group that the sentinels watch, as in …/mymaster';
  if (kind === 'one' && nodes.length > 1)
    return 'one server only, unless the URL begins with redis+sentinel:// or redis+cluster://';
  if (!/^\d{1,4}$/.test(db) || parts.length > 0 || (kind === 'cluster' && db !== '0'))
    return `"${path}" is not a database; write a number, such as 0${kind === 'cluster' ? ', which is all that a cluster has' : ''}`;
  const [username, password] = (user ?? '').split(':').map(decodeURIComponent);
  return {
    kind: kind as Place['kind'],
    secure: scheme === 'rediss',
    nodes: nodes.filter((node) => typeof node !== 'string'),
    group,
    db: Number(db),
    username: username || undefined,
    password: password || undefined,
  };
}

function nodeOf(text: string, usual: number): { host: string; port: number } | string {
  const [, ipv6, name, port = String(usual)] =
    /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(text) ?? [];
  const host = ipv6 ?? name;
  return host === undefined ? `"${text}" is not a host with a port` : { host, port: Number(port) };
}
