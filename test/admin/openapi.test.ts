import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openHouse } from './house.ts';

const ROUTES = [
  'DELETE /v1/services/{service}/quarantine/{build} releaseQuarantine Released',
  'DELETE /v1/services/{service}/versions/{version} deleteVersion Change',
  'GET /approve showApproval string',
  'GET /live isLive Health',
  'GET /metrics showMetrics string',
  'GET /openapi.json showOpenapi object',
  'GET /ready isReady Health',
  'GET /v1/audit listAudit AuditPage',
  'GET /v1/events watchEvents string',
  'GET /v1/fleet showFleet Fleet',
  'GET /v1/rollouts listRollouts RolloutList',
  'GET /v1/rollouts/{id} showRollout Rollout',
  'GET /v1/rollouts/{id}/decisions listDecisions DecisionList',
  'GET /v1/rollouts/{id}/recording readRecording string',
  'GET /v1/services listServices ServiceList',
  'GET /v1/services/{service} showService Service',
  'GET /v1/services/{service}/evidence showEvidence Evidence',
  'GET /v1/strategies listStrategies StrategyList',
  'POST /approve approveByLink string',
  'POST /v1/rollouts/{id}/abort abortRollout OrderRequest → RolloutChange',
  'POST /v1/rollouts/{id}/approve approveRollout OrderRequest → RolloutChange',
  'POST /v1/rollouts/{id}/pause pauseRollout OrderRequest → RolloutChange',
  'POST /v1/rollouts/{id}/promote promoteRollout OrderRequest → RolloutChange',
  'POST /v1/rollouts/{id}/resume resumeRollout OrderRequest → RolloutChange',
  'POST /v1/services/{service}/observations postObservations ObservationsRequest → Observed',
  'POST /v1/services/{service}/rollback rollback RollbackRequest → Change',
  'POST /v1/services/{service}/rollouts startRollout RolloutRequest → RolloutStart',
  'PUT /v1/services/{service}/schema setSchema SchemaRequest → Change',
  'PUT /v1/services/{service}/versions/{version} putVersion VersionRequest → Change',
  'PUT /v1/services/{service}/weights setWeights WeightsRequest → Change',
];

// biome-ignore lint/suspicious/noExplicitAny: a document read from outside
type Json = any;

const lastPart = (ref: string): string => ref.split('/').at(-1)!;

function schemaOf({ content }: Json): string {
  const { schema } = Object.values<Json>(content)[0];
  return schema.$ref === undefined ? schema.type : lastPart(schema.$ref);
}

function* refs(document: Json): Generator<string> {
  if (typeof document !== 'object' || document === null) return;
  if (typeof document.$ref === 'string') yield document.$ref;
  for (const value of Object.values(document)) yield* refs(value);
}

test('the description shows every route with its schemas, and nothing else', async (t) => {
  const { ask } = await openHouse(t);
  const { json } = await ask('GET', '/openapi.json');
  assert.equal(json.openapi, '3.1.0');
  assert.deepEqual(Object.keys(json.info).sort(), ['description', 'title', 'version']);
  const routes: string[] = [];
  for (const [path, methods] of Object.entries<Json>(json.paths)) {
    for (const [method, operation] of Object.entries<Json>(methods)) {
      const body = operation.requestBody && `${schemaOf(operation.requestBody)} → `;
      routes.push(
        `${method.toUpperCase()} ${path} ${operation.operationId} ${body ?? ''}${schemaOf(operation.responses[200])}`,
      );

      const inPath = (operation.parameters ?? []).filter((parameter: Json) => parameter.in === 'path');
      const named = [...path.matchAll(/{(\w+)}/g)].map(([, name]) => name);
      assert.deepEqual(inPath.map(({ name }: Json) => name).sort(), named.sort(), path);
      for (const parameter of operation.parameters ?? []) assert.ok(parameter.schema, parameter.name);
      for (const class_ of ['4XX', '5XX'])
        assert.equal(schemaOf(operation.responses[class_]), 'Problem', `${method} ${path} ${class_}`);
      for (const response of Object.values<Json>(operation.responses)) assert.ok(response.description);
      const open = ['/live', '/ready', '/metrics', '/openapi.json', '/approve'].includes(path);
      assert.deepEqual(operation.security, open ? undefined : [{ token: [] }], path);
    }
  }
  assert.deepEqual(routes.sort(), ROUTES);
});

test('the description is sound: every reference leads somewhere, and the body of a rollback may be left out', async (t) => {
  const { ask } = await openHouse(t);
  const { json } = await ask('GET', '/openapi.json');
  const known = new Set(Object.keys(json.components.schemas));
  const used = new Set([...refs(json)].map(lastPart));
  assert.deepEqual([...used].sort(), [...known].sort());
  for (const [name, schema] of Object.entries<Json>(json.components.schemas))
    assert.ok(schema.description, name);
  const required = (path: string, method: string) => json.paths[path][method].requestBody.required;
  assert.equal(required('/v1/services/{service}/rollback', 'post'), false);
  assert.equal(required('/v1/services/{service}/weights', 'put'), true);
  assert.deepEqual(Object.keys(json.components.securitySchemes), ['token']);
});
