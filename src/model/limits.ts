import { type Static, Type } from 'typebox';

/** How much a service's endpoints are given to bear, and its versions as a whole; each worker counts for itself. */

export const EndpointLimitsSchema = Type.Object(
  {
    connections: Type.Optional(
      Type.Integer({ minimum: 1, description: 'Connections to one endpoint per worker. Default 1024.' }),
    ),
    requests: Type.Optional(
      Type.Integer({
        minimum: 1,
        description: 'Requests in flight to one endpoint per worker. Default: no limit of their own.',
      }),
    ),
    pending: Type.Optional(
      Type.Integer({
        minimum: 0,
        description: 'Requests that may wait for an endpoint per worker. Default 1024.',
      }),
    ),
  },
  {
    additionalProperties: false,
    description:
      'How much one endpoint is given to bear by this service. Without this key, services that have it in common share connections.',
  },
);

export const VersionLimitsSchema = Type.Object(
  {
    connections: Type.Optional(
      Type.Integer({
        minimum: 1,
        description:
          'Connections per worker, shared out evenly among the endpoints, one each at least. Default: no limit.',
      }),
    ),
    requests: Type.Optional(
      Type.Integer({
        minimum: 1,
        description: 'Requests in flight per worker; one more is answered 503 at once. Default: no limit.',
      }),
    ),
    pending: Type.Optional(
      Type.Integer({
        minimum: 0,
        description: 'Requests that wait to be sent per worker. Default: no limit.',
      }),
    ),
  },
  {
    additionalProperties: false,
    description:
      'How much a version is given to bear, over all of its endpoints. What a version says goes before.',
  },
);

export type VersionLimits = Static<typeof VersionLimitsSchema>;

/** What a version is given to bear: as it says, or else its service. */
export function limitsOf(
  service: { readonly versionLimits?: VersionLimits },
  version: { readonly limits?: VersionLimits },
): VersionLimits {
  return version.limits ?? service.versionLimits ?? {};
}
