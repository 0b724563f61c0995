import type { FastifyInstance } from 'fastify';
import {
  AuditPageSchema,
  DecisionListSchema,
  EvidenceViewSchema,
  FleetViewSchema,
  HealthSchema,
  ObservationsRequestSchema,
  ObservedSchema,
  OrderRequestSchema,
  ProblemSchema,
  RollbackRequestSchema,
  RolloutListSchema,
  RolloutRequestSchema,
  RolloutStartSchema,
  RolloutViewSchema,
  SchemaRequestSchema,
  ServiceListSchema,
  ServiceViewSchema,
  StrategyListSchema,
  VersionRequestSchema,
  WeightsRequestSchema,
} from '../model/api.ts';
import { ChangeSchema, ReleasedSchema, RolloutChangeSchema } from '../model/record.ts';

/** The schemas that have a name of their own in the OpenAPI document. */
const NAMED = {
  AuditPage: AuditPageSchema,
  Change: ChangeSchema,
  DecisionList: DecisionListSchema,
  Evidence: EvidenceViewSchema,
  Fleet: FleetViewSchema,
  Health: HealthSchema,
  ObservationsRequest: ObservationsRequestSchema,
  Observed: ObservedSchema,
  OrderRequest: OrderRequestSchema,
  Problem: ProblemSchema,
  Released: ReleasedSchema,
  RollbackRequest: RollbackRequestSchema,
  Rollout: RolloutViewSchema,
  RolloutChange: RolloutChangeSchema,
  RolloutList: RolloutListSchema,
  RolloutRequest: RolloutRequestSchema,
  RolloutStart: RolloutStartSchema,
  SchemaRequest: SchemaRequestSchema,
  ServiceList: ServiceListSchema,
  Service: ServiceViewSchema,
  StrategyList: StrategyListSchema,
  VersionRequest: VersionRequestSchema,
  WeightsRequest: WeightsRequestSchema,
};

export function nameSchemas(app: FastifyInstance): void {
  for (const [name, schema] of Object.entries(NAMED)) app.addSchema({ $id: name, ...schema });
}

/** A named schema, by reference. */
export function named(name: keyof typeof NAMED): { readonly $ref: string } {
  return { $ref: `${name}#` };
}

/** The `response` part of a route: one kind of answer if all is well, problems if not. */
export function answers(
  description: string,
  schema: object,
  mediaType = 'application/json',
): Readonly<Record<string, object>> {
  const problem = {
    description: 'What is wrong, and what would be right.',
    content: { 'application/problem+json': { schema: named('Problem') } },
  };
  return { 200: { description, content: { [mediaType]: { schema } } }, '4xx': problem, '5xx': problem };
}

/** The 304 of a route that shows the truth. */
export const UNCHANGED = { 304: { description: 'Nothing has changed since that ETag.', type: 'null' } };
