import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { checkConfig } from '../../src/config/check.ts';
import { ConfigError } from '../../src/config/fault.ts';

const GOOD = `listen:
  - address: 127.0.0.1:8080
services:
  web:
    match: [{ path: / }]
    versions:
      stable: { endpoints: ["127.0.0.1:9001"] }
      canary: { endpoints: ["127.0.0.1:9002"] }
    weights: { stable: 95, canary: 5 }
`;

function faults(text: string, environment = {}): string[] {
  try {
    checkConfig(text, 'x.yaml', environment);
    return [];
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return error.message.split('\n');
  }
}

test('a sound config is given back as it is written', () => {
  const config = checkConfig(GOOD, 'x.yaml');
  assert.deepEqual(config.listen, [{ address: '127.0.0.1:8080' }]);
  assert.deepEqual(config.services['web']?.weights, { stable: 95, canary: 5 });
});

test('JSON is read as well, indented by tabs if need be', () => {
  const config = checkConfig(GOOD, 'x.yaml');
  assert.deepEqual(checkConfig(JSON.stringify(config, null, '\t'), 'x.json'), config);
});

test('aliases stand for what they name', () => {
  const text = GOOD.replace('["127.0.0.1:9001"]', '&all ["127.0.0.1:9001"]').replace(
    '["127.0.0.1:9002"]',
    '*all',
  );
  assert.deepEqual(checkConfig(text, 'x.yaml').services['web']?.versions['canary']?.endpoints, [
    '127.0.0.1:9001',
  ]);
});

/** What is changed in the sound config, and the one line that must come of it. */
const SINGLE: ReadonlyArray<readonly [what: string, from: string, to: string, line: RegExp]> = [
  [
    'a misspelt key is told with the key that was meant',
    'weights:',
    'weigths:',
    /^x\.yaml:9:5: services\.web\.weigths: there is no key "weigths"; did you mean "weights"\?$/m,
  ],
  [
    'a key that resembles none is told with those there are',
    'services:',
    'colour: red\nservices:',
    /^x\.yaml:3:1: colour: there is no key "colour"; the keys here are .*listen, admin/,
  ],
  [
    'a missing key is told where it should be',
    'match: [{ path: / }]',
    '',
    /^x\.yaml:4:3: services\.web\.match: this is missing; it takes a list$/,
  ],
  [
    'a wrong type is told with the right one',
    'services:',
    'workers: ten\nservices:',
    /^x\.yaml:3:1: workers: "ten" will not do; it takes "auto" or a whole number from 0 to 256: /,
  ],
  [
    'a number out of range is told with the range',
    'services:',
    'timeouts: { head: 0 }\nservices:',
    /^x\.yaml:3:13: timeouts\.head: 0 will not do; it takes a whole number from 1 up: /,
  ],
  [
    'an empty list is told',
    '\n  - address: 127.0.0.1:8080',
    ' []',
    /^x\.yaml:1:1: listen: there is none; at least 1 is needed$/,
  ],
  [
    'a name that is none is told',
    'web:',
    '"my web":',
    /^x\.yaml:4:3: services\["my web"\]: "my web" is not a name; /,
  ],
  [
    'a fleet without a Redis is told of it',
    'services:',
    'fleet: { name: edge }\nservices:',
    /^x\.yaml:3:1: fleet: without a store in Redis there is no fleet; write store: redis:/,
  ],
  [
    'a Redis whose URL lacks something is told what',
    'services:',
    'store: redis+sentinel://10.0.0.7\nservices:',
    /^x\.yaml:3:1: store: this is no Redis: name the group that the sentinels watch/,
  ],
  [
    'certificates without TLS are told',
    'services:',
    'store: redis://10.0.0.7\nfleet: { ca: env:CA }\nservices:',
    /^x\.yaml:3:1: store: certificates are of use with TLS only; write rediss:/,
  ],
  [
    'weights that do not add up are refused, not corrected',
    'canary: 5 }',
    'canary: 4 }',
    /^x\.yaml:9:5: services\.web\.weights: the weights add up to 99, not to 100$/,
  ],
  [
    'a weight of no version is told with the versions',
    'canary: 5 }',
    'green: 5 }',
    /^x\.yaml:9:5: services\.web\.weights: there is no version "green"; the versions are stable, canary$/,
  ],
  [
    'an endpoint without a port is told',
    '"127.0.0.1:9002"',
    '"127.0.0.1:9002", localhost',
    /^x\.yaml:8:47: services\.web\.versions\.canary\.endpoints\[1\]: "localhost" is not an address: a port is missing/,
  ],
  [
    'an endpoint on port 0 is told',
    '127.0.0.1:9002',
    '127.0.0.1:0',
    /^x\.yaml:8:29: services\.web\.versions\.canary\.endpoints\[0\]: .*port 0/,
  ],
  [
    'an owner in a file is told',
    'canary: { ',
    'canary: { owner: api, ',
    /^x\.yaml:8:17: services\.web\.versions\.canary\.owner: .*leave "owner" out$/,
  ],
  [
    'a listen address that is none is told',
    '127.0.0.1:8080',
    '127.0.0.1:80800',
    /^x\.yaml:2:5: listen\[0\]\.address: "127\.0\.0\.1:80800" is not an address: .*0 to 65535$/,
  ],
  [
    'the same listen address twice is told',
    'services:',
    '  - address: 127.0.0.1:8080\nservices:',
    /^x\.yaml:3:5: listen\[1\]\.address: .*listened on already; choose another port$/,
  ],
  [
    'listening where the admin API listens by default is told',
    '8080',
    '8081',
    /admin\.address: "127\.0\.0\.1:8081" is listened on already/,
  ],
  [
    'an admin API that is open to all is refused',
    'services:',
    'admin: { address: 0.0.0.0:8081 }\nservices:',
    /^x\.yaml:3:10: admin\.address: .*everybody would be admin; add tokens, or listen on 127\.0\.0\.1$/,
  ],
  [
    'a range of trusted proxies that is none is told',
    'services:',
    'trustedProxies: [10.0.0.0/40]\nservices:',
    /^x\.yaml:3:18: trustedProxies\[0\]: "\/40" is not a prefix length from 0 to 32; /,
  ],
  [
    'a range of an override that is none is told',
    '    match:',
    '    override: { addresses: [office] }\n    match:',
    /^x\.yaml:5:29: services\.web\.override\.addresses\[0\]: "office" is not an IP address; /,
  ],
  [
    'a key header that frames the message is refused',
    '    match:',
    '    key: { header: Content-Length }\n    match:',
    /^x\.yaml:5:12: services\.web\.key\.header: "Content-Length" belongs to HTTP or to the proxy/,
  ],
  [
    'a key header that proxies write is refused',
    '    match:',
    '    key: { header: X-Forwarded-For }\n    match:',
    /services\.web\.key\.header: "X-Forwarded-For" belongs/,
  ],
  [
    'a host with a port is told',
    '{ path: / }',
    '{ host: "web.example:80" }',
    /^x\.yaml:5:13: services\.web\.match\[0\]: .*is not a host; write a name without port/,
  ],
  [
    'a path with a query is told',
    '{ path: / }',
    '{ path: "/a?b" }',
    /^x\.yaml:5:13: services\.web\.match\[0\]: .*is not a path/,
  ],
  [
    'a second service with the same host and path is told',
    'services:',
    'services:\n  old:\n    match: [{ path: "//" }]\n    versions: { v1: { endpoints: [] } }\n    weights: { v1: 100 }',
    /^x\.yaml:9:13: services\.web\.match\[0\]: service "old" has the same host and path; /,
  ],
  [
    'the same token twice is told',
    'services:',
    `admin:\n  tokens:\n${`    - { name: ci, role: viewer, sha256: "${'0'.repeat(64)}" }\n`.repeat(2)}services:`,
    /^x\.yaml:6:9: admin\.tokens\[1\]\.name: another token is named "ci".*\n.*admin\.tokens\[1\]\.sha256: this is the same token/,
  ],
  [
    'a subscriber of the same name, and one without a URL, are told',
    'services:',
    'notify:\n  - { name: a, url: "env:HOOK", as: slack }\n  - { name: a, url: "http://" }\nservices:',
    /^x\.yaml:5:7: notify\[1\]\.name: another subscriber is named "a"; .*\n.*notify\[1\]\.url: this is no URL; /,
  ],
  [
    'a URL that may be a secret is not shown',
    'services:',
    'notify: [{ name: a, url: ftp://hidden }]\nservices:',
    /^(?!.*hidden)x\.yaml:3:\d+: notify\[0\]\.url: /,
  ],
  ['what is no YAML is told', 'weights: {', 'weights: [', /^x\.yaml:9:\d+: .*$/m],
  [
    'a key that stands twice is told',
    '    weights:',
    '    match: []\n    weights:',
    /^x\.yaml:9:5: Map keys must be unique$/,
  ],
  [
    'a range of schemas that is none is told with one that is',
    '"127.0.0.1:9002"] }',
    '"127.0.0.1:9002"], requires: { schema: ">= 12" } }',
    /requires\.schema: ">= 12" will not do; it takes .*">=12 <15"/,
  ],
  [
    'a strategy of no type there is is told with those there are',
    'services:',
    'strategies: { bold: { type: canari, steps: [5] } }\nservices:',
    /^x\.yaml:3:\d+: strategies\.bold\.type: this value will not do; it takes canary, linear, exponential, /,
  ],
  [
    'a strategy is told what is wrong with it, not that it is none of six',
    'services:',
    'strategies: { bold: { type: canary, stepps: [5], steps: [5] } }\nservices:',
    /^x\.yaml:3:\d+: strategies\.bold\.stepps: there is no key "stepps"; did you mean "steps"\?$/m,
  ],
  [
    'so is a gate in it',
    'services:',
    'strategies: { bold: { type: blueGreen, gates: [{ kind: window, name: w, moment: start, frm: "08:00" }] } }\nservices:',
    /gates\[0\]\.frm: there is no key "frm"; did you mean "from"\?$/m,
  ],
  [
    'a strategy that cannot be is told why',
    'services:',
    'strategies: { bold: { type: canary, steps: [50, 5] } }\nservices:',
    /^x\.yaml:3:\d+: strategies\.bold: step 2 is at 5 % after 50 %; weights rise/,
  ],
  [
    'a strategy cannot take the name of a preset',
    'services:',
    'strategies: { AllAtOnce: { type: blueGreen } }\nservices:',
    /strategies\.AllAtOnce: there is a strategy of this name already/,
  ],
  [
    'a policy begins with one there is',
    'services:',
    'policies: { strict: { name: lax } }\nservices:',
    /policies\.strict: there is no policy "lax"; the policies are standard, /,
  ],
  [
    'a fallback to a version there is not is told with those there are',
    '    weights:',
    '    fallback: stabel\n    weights:',
    /^x\.yaml:9:\d+: services\.web\.fallback: there is no version "stabel"; the versions are stable, canary$/,
  ],
  [
    'a rescue by a version there is not is told with those there are',
    '    weights:',
    '    rescue: { to: stabel }\n    weights:',
    /services\.web\.rescue\.to: there is no version "stabel"; the versions are stable, canary$/,
  ],
  [
    'a version that falls back on itself is told',
    '"127.0.0.1:9002"] }',
    '"127.0.0.1:9002"], fallback: canary }',
    /versions\.canary\.fallback: "canary" cannot stand in for itself; name another version$/,
  ],
  [
    'a first ejection longer than the longest is told',
    '    weights:',
    '    ejection: { base: 600000 }\n    weights:',
    /ejection\.base: the first ejection \(600000 ms\) would be longer than the longest \(300000 ms\)/,
  ],
  ['an alias of nothing is told', '{ path: / }', '*none', /Unresolved alias/],
];

describe('of a faulty config', () => {
  for (const [what, from, to, line] of SINGLE) {
    test(what, () => {
      const text = GOOD.replace(from, to);
      assert.notEqual(text, GOOD);
      assert.match(faults(text).join('\n'), line);
    });
  }

  test('every fault is told at once, in the order of the file', () => {
    const found = faults(`
listn: []
listen: [{ address: 8080 }]
store: postgres://x
services:
  broken: { match: [{ path: api }], versions: {}, weights: { a: 200 } }
  web:
    match: [{ path: /, hots: x }]
    versions: { stable: { endpoints: ["127.0.0.1"] } }
    weights: { stable: 99 }
`);
    const paths = found.map((line) => line.split(': ')[1]);
    assert.deepEqual(paths, [
      'listn',
      'listen[0].address',
      'store',
      'services.broken.match[0].path',
      'services.broken.versions',
      'services.broken.weights.a',
      'services.web.match[0].hots',
      'services.web.versions.stable.endpoints[0]',
      'services.web.weights',
    ]);
  });

  test('a version with a fault of its own is still there for whoever names it', () => {
    const found = faults(`
listen: [{ address: "127.0.0.1:8080" }]
services:
  web:
    match: [{ path: / }]
    versions:
      stable: { endpoints: 127.0.0.1 }
      canary: { endpoints: ["127.0.0.1:1"], fallback: stable }
    weights: { stable: 100% }
    fallback: stable
    rescue: { to: stable }
`);
    const paths = found.map((line) => line.split(': ')[1]);
    assert.deepEqual(paths, ['services.web.versions.stable.endpoints', 'services.web.weights.stable']);
  });

  test('an endpoint at which we listen ourselves would lead in circles', () => {
    assert.match(
      faults(GOOD.replace('127.0.0.1:9002', '127.0.0.1:8080')).join('\n'),
      /^x\.yaml:8:\d+: services\.web\.versions\.canary\.endpoints\[0\]: "127\.0\.0\.1:8080" is listened on here, so requests would go in circles; name the server behind it$/,
    );
  });

  test('a text that is none of the right form is told the form', () => {
    const told = (from: string, to: string) => faults(GOOD.replace(from, to)).join('\n');
    assert.match(told('path: /', 'path: api'), /"api" will not do; it takes a text that matches \^\/: /);
    assert.match(told('"127.0.0.1:9001"', '""'), /"" will not do; it takes a text of 1 or more characters/);
  });

  test('nothing at all is told like anything else', () => {
    for (const text of ['', '[]', 'null', '42', '"text"'])
      assert.match(faults(text).join('\n'), /^x\.yaml:1:1: .* will not do; it takes a map/, text);
  });

  test('the number of aliases is bounded', () => {
    const doubled = Array.from({ length: 30 }, (_, n) => `a${n + 1}: &a${n + 1} [*a${n}, *a${n}]`);
    assert.match(faults(`a0: &a0 [x]\n${doubled.join('\n')}\n`).join('\n'), /alias/i);
  });
});

describe('a secret', () => {
  const withSecret = (secret: string): string =>
    GOOD.replace('    match:', `    override: { secret: "${secret}" }\n    match:`);
  const secretIn = (text: string, environment: Record<string, string>): string | undefined =>
    checkConfig(text, 'x.yaml', environment).services['web']?.override?.secret;

  test('is taken from the environment when it is written as env:NAME', () => {
    assert.equal(secretIn(withSecret('env:KEY'), { KEY: 'sixteen letters!' }), 'sixteen letters!');
    assert.equal(secretIn(withSecret('sixteen letters!'), {}), 'sixteen letters!');
  });

  test('that the environment does not hold is told by the name of the variable', () => {
    assert.match(
      faults(withSecret('env:KEY')).join('\n'),
      /^x\.yaml:5:17: services\.web\.override\.secret: the environment variable KEY is not set; /,
    );
  });

  test('is never shown, however wrong it is', () => {
    const found = [...faults(withSecret('hush')), ...faults(withSecret('env:KEY'), { KEY: 'hush' })].join(
      '\n',
    );
    const tooHigh = GOOD.replace('    match:', '    override: hush\n    match:');
    assert.doesNotMatch(faults(tooHigh).join('\n'), /hush/);
    assert.match(found, /this value will not do/);
    assert.match(found, /the environment variable KEY is too short/);
    assert.doesNotMatch(found, /hush/);
  });
});

test('the protocol of endpoints must fit what is said of TLS', () => {
  const with_ = (lines: string) => faults(GOOD.replace('    match:', `${lines}    match:`));
  assert.deepEqual(with_('    protocol: h2c\n'), []);
  assert.deepEqual(with_('    protocol: h2\n    tls: {}\n'), []);
  assert.match(with_('    protocol: h2c\n    tls: {}\n').join('\n'), /h2c is spoken without TLS; write h2/);
  assert.match(with_('    protocol: h2\n').join('\n'), /h2 is spoken over TLS; add tls/);
});

test('health is asked for by gRPC where that can be spoken, and by nothing else then', () => {
  const with_ = (lines: string) => faults(GOOD.replace('    match:', `${lines}    match:`)).join('\n');
  assert.equal(with_('    protocol: h2c\n    health: { grpc: true }\n'), '');
  assert.equal(with_('    protocol: h2c\n    health: { grpc: shop.Shop }\n'), '');
  assert.match(
    with_('    health: { grpc: true }\n'),
    /spoken to in HTTP\/1.1, and gRPC needs HTTP\/2; write protocol: h2c/,
  );
  for (const more of ['path: /up', 'scheme: http'])
    assert.match(
      with_(`    protocol: h2c\n    health: { grpc: true, ${more} }\n`),
      /leave out path and scheme, or grpc/,
    );
});

test('what listeners and endpoints are to speak below HTTP has to fit together', () => {
  const listening = (more: string) =>
    faults(GOOD.replace('127.0.0.1:8080\n', `127.0.0.1:8080\n${more}`)).join('\n');
  const pair = 'certificates: [{ cert: a.pem, key: a.key }]';
  for (const [written, path, cure] of [
    [
      `    tls: { ${pair} }\n    httpsRedirect: 443\n`,
      'listen[0].httpsRedirect',
      'put this on a listener without tls',
    ],
    [`    tls: { ${pair}, ciphers: NONSENSE }\n`, 'listen[0].tls.ciphers', 'see `openssl ciphers`'],
    [
      `    tls: { ${pair}, hsts: { maxAge: 60, preload: true } }\n`,
      'listen[0].tls.hsts.preload',
      '31536000 or more',
    ],
    ['    proxyProtocol: { from: ["10.0.0.0/40"] }\n', 'listen[0].proxyProtocol.from[0]', 'write 10.0.0.7'],
    ['    tls: { certificates: [] }\n', 'listen[0].tls.certificates', ''],
  ] as const) {
    const said = listening(written);
    assert.ok(said.includes(path) && said.includes(cure), `${path}: ${said}`);
  }
  const calling = (tls: string) => faults(`${GOOD}    tls: ${tls}\n`).join('\n');
  assert.match(calling('{ cert: a.pem }'), /services\.web\.tls\.key: cert and key belong together/);
  assert.match(
    calling('{ ca: a.pem, verify: false }'),
    /services\.web\.tls\.ca: with verify: false nobody asks/,
  );
});
