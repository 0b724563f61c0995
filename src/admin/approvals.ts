import type { FastifyInstance, FastifyReply } from 'fastify';
import { plainAddress } from '../base/cidr.ts';
import { own } from '../base/own.ts';
import { type Commands, Refusal } from '../control/commands.ts';
import type { Link } from '../gates/link.ts';
import type { ApprovalLinks } from '../gates/links.ts';
import { type ApprovalQuery, ApprovalQuerySchema } from '../model/api.ts';
import { gateOf } from '../rollout/doors.ts';
import { status } from '../rollout/words.ts';
import { page } from './page.ts';
import { answers } from './schemas.ts';

interface ApprovalSources {
  readonly commands: Commands;
  readonly links: ApprovalLinks;
  readonly now: () => number;
}

/**
 * Where the links of notifications lead. Whoever has one may approve that gate, once: the link is the right, so
 * no token is asked for. Looking at it approves nothing, as chat programs look at every link they show.
 */
export function approvalRoutes(app: FastifyInstance, { commands, links, now }: ApprovalSources): void {
  const common = {
    config: { needs: 'nothing' as const },
    schema: {
      querystring: ApprovalQuerySchema,
      response: answers('A page for people.', { type: 'string' }, 'text/html'),
    },
  };

  app.get<{ Querystring: ApprovalQuery }>(
    '/approve',
    {
      ...common,
      schema: {
        ...common.schema,
        operationId: 'showApproval',
        summary: 'What a link of a notification approves, with a button that does',
      },
    },
    async ({ query }, reply) => {
      const link = links.read(query.link);
      if (typeof link === 'string') return show(reply, 403, page('This link does not work', [link]));
      const rollout = own(commands.state().rollouts ?? {}, link.rollout);
      if (rollout === undefined)
        return show(reply, 404, page('Nothing to approve', [`Rollout ${link.rollout} is long over.`]));
      const { service, candidate, baseline, build } = rollout;
      return show(
        reply,
        200,
        page(
          `Approve "${link.gate}" for ${service}?`,
          [
            `${candidate} (build ${build}) is to take over from ${baseline}.`,
            `Rollout ${rollout.id}: ${status(rollout, now())}.`,
          ],
          'Approve',
        ),
      );
    },
  );

  app.post<{ Querystring: ApprovalQuery }>(
    '/approve',
    {
      ...common,
      schema: {
        ...common.schema,
        operationId: 'approveByLink',
        summary: 'Give the approval that a link of a notification is for',
      },
    },
    async ({ query, ip }, reply) => {
      const link = links.read(query.link);
      if (typeof link === 'string') return show(reply, 403, page('This link does not work', [link]));
      try {
        const { rollout } = await commands.askRollout(
          link.rollout,
          { type: 'approve', gate: link.gate, link: link.id },
          { actor: { ...actorOf(commands, link), ...(ip && { address: plainAddress(ip) }) }, wait: 0 },
        );
        return show(
          reply,
          200,
          page('Approved', [`"${link.gate}" of rollout ${rollout.id}: ${status(rollout, now())}.`]),
        );
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        return show(reply, error.why === 'unavailable' ? 503 : 409, page('Not approved', [error.message]));
      }
    },
  );
}

/** Who approves: the link, with the role that its gate takes. */
function actorOf(commands: Commands, { id, rollout, gate }: Link): { name: string; role: string } {
  const found = own(commands.state().rollouts ?? {}, rollout);
  const wanted = found && gateOf(found.plan, gate);
  const role = (wanted?.kind === 'approval' ? wanted.role : undefined) ?? 'operator';
  return { name: `link ${id}`, role };
}

function show(reply: FastifyReply, code: number, html: string): FastifyReply {
  return reply
    .code(code)
    .type('text/html; charset=utf-8')
    .headers({
      'content-security-policy':
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'",
      // The URL is the right to approve, and must not be told to where a page leads.
      'referrer-policy': 'no-referrer',
    })
    .send(html);
}
