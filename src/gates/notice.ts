import type { Subscriber } from '../model/notification.ts';
import type { Plan } from '../model/plan.ts';
import type { Errand, News, Rollout } from '../model/rollout.ts';
import type { Offer } from './links.ts';

/** One piece of news, as it is told to everybody. */
export interface Notice {
  /** Id of the errand: the same however often it is sent. */
  readonly id: string;
  readonly news: News;
  readonly says: string;
  readonly at: string;
  readonly service: string;
  readonly rollout: string;
  readonly baseline: string;
  readonly candidate: string;
  readonly build: string;
  /** The candidate's part of the rollout's traffic, percent. */
  readonly weight: number;
  /** Where it can be approved, once each. */
  readonly links?: readonly Offer[];
}

export function noticeOf(
  { id, news, says, at }: Extract<Errand, { type: 'notify' }>,
  { id: rollout, service, baseline, candidate, build, weight }: Rollout,
  links: readonly Offer[] = [],
): Notice {
  const notice = { id, news, says, at, service, rollout, baseline, candidate, build, weight };
  return links.length === 0 ? notice : { ...notice, links };
}

/** The webhooks of a plan that are told of everything that people are. */
export function subscribersOf({ gates }: Plan): readonly Subscriber[] {
  return gates.flatMap((gate) =>
    gate.moment === 'event' && gate.kind === 'webhook' ? { ...gate, name: `gate ${gate.name}` } : [],
  );
}

/** The body that a notice is sent as. */
export function bodyOf(notice: Notice, as: 'json' | 'slack' = 'json'): string {
  return JSON.stringify(as === 'slack' ? slackMessage(notice) : { ...notice, moment: 'event' });
}

const TITLES: Readonly<Record<News, string>> = {
  started: 'rollout started',
  step: 'next step',
  paused: 'paused',
  resumed: 'goes on',
  approval: 'needs approval',
  late: 'takes longer than planned',
  noted: 'noted, and nothing done',
  promoting: 'gets all the traffic',
  rolledBack: 'ROLLED BACK',
  promoted: 'promoted',
};

/** Characters of a sentence that are shown. Escaped they stay below the 3000 that Slack takes. */
const SHOWN = 500;

/** A message for Slack: `text` is what notifications and other programs of its kind show, `blocks` what it shows. */
function slackMessage({ news, says, at, service, rollout, candidate, weight, links = [] }: Notice): object {
  const sentence = escaped(says.length > SHOWN ? `${says.slice(0, SHOWN)}…` : says);
  const title = `${service} ${candidate}: ${TITLES[news]}`;
  return {
    text: `${title}. ${sentence}`,
    blocks: [
      { type: 'section', text: { type: 'mrkdwn', text: `*${title}*\n${sentence}` } },
      ...(links.length === 0 ? [] : [{ type: 'actions', elements: links.map(button) }]),
      {
        type: 'context',
        elements: [{ type: 'mrkdwn', text: `rollout ${escaped(rollout)}, candidate at ${weight} %, ${at}` }],
      },
    ],
  };
}

function button({ gate, url }: Offer): object {
  return { type: 'button', text: { type: 'plain_text', text: `Approve ${gate}`.slice(0, 75) }, url };
}

/** The three characters that mean something in a message of Slack's. */
function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
