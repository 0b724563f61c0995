/**
 * How a server may read a byte stream. The strict reader follows RFC 9112 and refuses whatever a recipient
 * may refuse. Every other reader is lax and has one deviation that some shipped server has, or had: bytes that
 * any two of them delimit differently can smuggle a request past whoever believes the other.
 */
export interface Reader {
  readonly name: string;
  /** Refuses what the RFC lets a recipient refuse. */
  readonly strict: boolean;
  /** Whether a lone LF ends a line. */
  readonly lf: boolean;
  /** What a CR does that no LF follows. */
  readonly cr: 'error' | 'keep' | 'strip' | 'ends-line';
  /** What is trimmed around a value: blanks, or also controls and bytes from 0x7f up. */
  readonly trim: 'blanks' | 'extended';
  /** What a line that starts with a blank is. */
  readonly fold: 'error' | 'join' | 'drop' | 'field';
  readonly noColon: 'error' | 'ignore' | 'split-on-space';
  readonly badName: 'error' | 'keep';
  readonly emptyNameEnds: boolean;
  /** What a blank before the colon does. */
  readonly blankBeforeColon: 'error' | 'keep' | 'strip';
  /** Whether controls and bytes from 0x7f up are trimmed off names. */
  readonly trimNames: boolean;
  /** Whether `_` and `-` are the same in names, as CGI and WSGI have it. */
  readonly underscoreIsDash: boolean;
  readonly nul: 'error' | 'keep' | 'truncate';
  readonly length: 'strict' | 'first' | 'last' | 'prefix' | 'python-int' | 'strtoll-0' | 'empty-is-0';
  readonly coding: 'strict' | 'exact' | 'substring' | 'any' | 'first' | 'last' | 'ignore-unknown';
  /** Who wins when both Content-Length and Transfer-Encoding are there. */
  readonly both: 'error' | 'coding' | 'length';
  /** What Transfer-Encoding means in HTTP/1.0. */
  readonly coding10: 'error' | 'honour' | 'ignore';
  readonly chunkSize: 'strict' | 'prefix' | 'python-int' | 'wrap-32' | 'wrap-64';
  /** What else than CRLF ends the line of a chunk size: a lone LF, or CR and any byte. */
  readonly chunkLine: 'crlf' | 'lf' | 'cr-any';
  /** What must follow the data of a chunk. */
  readonly chunkEnd: 'crlf' | 'any-two' | 'nothing';
  /** What follows the last chunk: fields up to an empty line, or any two bytes. */
  readonly trailer: 'fields' | 'any-two';
}

export const STRICT: Reader = {
  name: 'strict',
  strict: true,
  lf: false,
  cr: 'error',
  trim: 'blanks',
  fold: 'error',
  noColon: 'error',
  badName: 'error',
  emptyNameEnds: false,
  blankBeforeColon: 'error',
  trimNames: false,
  underscoreIsDash: false,
  nul: 'error',
  length: 'strict',
  coding: 'strict',
  both: 'error',
  coding10: 'error',
  chunkSize: 'strict',
  chunkLine: 'crlf',
  chunkEnd: 'crlf',
  trailer: 'fields',
};

/** LF accepted, Transfer-Encoding wins over Content-Length: llhttp when lenient, most servers in Go and Rust. */
export const LAX: Reader = {
  ...STRICT,
  name: 'lax',
  strict: false,
  lf: true,
  cr: 'keep',
  fold: 'join',
  noColon: 'ignore',
  badName: 'keep',
  blankBeforeColon: 'keep',
  nul: 'keep',
  coding: 'exact',
  both: 'coding',
  coding10: 'honour',
  chunkLine: 'lf',
};

function lax(name: string, deviation: Partial<Reader>): Reader {
  return { ...LAX, name, ...deviation };
}

/**
 * The lax readers. Comments name a server that reads, or read, this way; S and T numbers are the server and
 * transducer bugs in the http-garden project's TROPHIES.md, quoted words are the names of permutations in
 * PortSwigger's HTTP Request Smuggler.
 */
export const LAX_READERS: readonly Reader[] = [
  LAX,
  lax('length-wins', { both: 'length' }), // old proxies; the classic CL.TE
  lax('coding-substring', { coding: 'substring' }), // S21, T9, T18
  lax('coding-any', { coding: 'any' }), // fasthttp, S44
  lax('coding-ignore-unknown', { coding: 'ignore-unknown' }), // S12, S15
  lax('coding-trim-extended', { trim: 'extended' }), // Tornado S12, Bun S46, Waitress S41
  lax('coding-first', { coding: 'first' }),
  lax('coding-last', { coding: 'last' }),
  lax('coding-10-ignored', { coding10: 'ignore' }),
  lax('name-strips-blank', { blankBeforeColon: 'strip' }), // S3, CVE-2019-16276, CVE-2019-20445
  lax('name-trim-extended', { blankBeforeColon: 'strip', trimNames: true }), // gunicorn S20
  lax('underscore-is-dash', { underscoreIsDash: true }), // CGI, WSGI, PHP
  lax('cr-ends-line', { cr: 'ends-line' }), // S13
  lax('cr-stripped', { cr: 'strip' }),
  lax('nul-truncates', { nul: 'truncate' }), // S35
  lax('fold-is-field', { fold: 'field' }),
  lax('fold-dropped', { fold: 'drop' }),
  lax('space-for-colon', { noColon: 'split-on-space' }), // Mongoose S28
  lax('empty-name-ends', { emptyNameEnds: true }), // Mongoose S27
  lax('length-first', { length: 'first' }), // H2O S23
  lax('length-last', { length: 'last' }), // fasthttp S33
  lax('length-prefix', { length: 'prefix' }), // S29
  lax('length-python-int', { length: 'python-int' }), // S10
  lax('length-strtoll-0', { length: 'strtoll-0' }), // OpenLiteSpeed S32: 010 is 8, 0x10 is 16
  lax('length-empty-is-0', { length: 'empty-is-0' }), // S16, S42
  lax('size-prefix', { chunkSize: 'prefix' }), // S22, T7
  lax('size-python-int', { chunkSize: 'python-int' }), // S1, S25
  lax('size-wrap-32', { chunkSize: 'wrap-32' }),
  lax('size-wrap-64', { chunkSize: 'wrap-64' }), // a class of CVEs of HAProxy, nginx and Apache
  lax('chunk-line-cr-any', { chunkLine: 'cr-any' }), // llhttp S31, CVE-2023-30589
  lax('chunk-line-crlf', { chunkLine: 'crlf' }), // "TERM.EXT": a lone LF stays inside the extension
  lax('chunk-end-any-two', { chunkEnd: 'any-two' }), // "SPILL.TERM"
  lax('chunk-end-nothing', { chunkEnd: 'nothing' }),
  lax('trailer-any-two', { trailer: 'any-two' }), // Puma S39
];
