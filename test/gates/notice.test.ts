import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bodyOf, noticeOf, subscribersOf } from '../../src/gates/notice.ts';
import type { Errand, News } from '../../src/model/rollout.ts';
import { ROLLOUT } from './parts.ts';

function errandOf(news: News, says: string): Extract<Errand, { type: 'notify' }> {
  return { type: 'notify', id: 'r1.3.notify', news, says, at: '2026-01-01T12:00:00.000Z' };
}

interface SlackMessage {
  readonly text: string;
  readonly blocks: readonly {
    readonly type: string;
    readonly text?: { readonly type: string; readonly text: string };
    readonly elements?: readonly { readonly type: string; readonly url?: string; readonly text: unknown }[];
  }[];
}

test('A notice says everything, and as JSON it is all there', () => {
  assert.deepEqual(JSON.parse(bodyOf(noticeOf(errandOf('step', 'it goes on'), ROLLOUT))), {
    id: 'r1.3.notify',
    news: 'step',
    says: 'it goes on',
    at: '2026-01-01T12:00:00.000Z',
    service: 'shop',
    rollout: 'r1',
    baseline: 'v1',
    candidate: 'v2',
    build: 'sha-2',
    weight: 5,
    moment: 'event',
  });
});

test('A message for Slack has text and blocks, and nothing in it means more than it says', () => {
  const says = 'p99 > 3 & <!channel> rises';
  const message = JSON.parse(
    bodyOf(noticeOf(errandOf('rolledBack', says), ROLLOUT), 'slack'),
  ) as SlackMessage;
  assert.equal(message.text, 'shop v2: ROLLED BACK. p99 &gt; 3 &amp; &lt;!channel&gt; rises');
  assert.deepEqual(
    message.blocks.map(({ type }) => type),
    ['section', 'context'],
  );
  assert.match(message.blocks[0]?.text?.text ?? '', /^\*shop v2: ROLLED BACK\*\n/);
});

test('A message for Slack shows the link that approves as a button', () => {
  const notice = noticeOf(errandOf('approval', 'waits'), ROLLOUT, [
    { gate: 'qa', url: 'https://admin.example/approve?link=x' },
  ]);
  const message = JSON.parse(bodyOf(notice, 'slack')) as SlackMessage;
  assert.equal(message.blocks[1]?.elements?.[0]?.url, 'https://admin.example/approve?link=x');
});

test('However long a sentence is, Slack takes the message', () => {
  const message = JSON.parse(
    bodyOf(noticeOf(errandOf('step', '&'.repeat(5000)), ROLLOUT), 'slack'),
  ) as SlackMessage;
  assert.ok(message.text.length < 3000);
  assert.ok((message.blocks[0]?.text?.text.length ?? 0) < 3000);
});

test('Webhooks of the moment event are subscribers', () => {
  const url = 'https://hooks.example/';
  const subscribers = subscribersOf({
    ...ROLLOUT.plan,
    gates: [
      { name: 'tell', moment: 'event', kind: 'webhook', url, retries: 1, timeout: 3 },
      { name: 'ask', moment: 'start', kind: 'webhook', url },
      { name: 'qa', moment: 'promotion', kind: 'approval' },
    ],
  });
  assert.deepEqual(
    subscribers.map(({ name, url, timeout, as, news }) => ({ name, url, timeout, as, news })),
    [{ name: 'gate tell', url, timeout: 3, as: undefined, news: undefined }],
  );
});
