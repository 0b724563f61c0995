import { fastifySwagger } from '@fastify/swagger';
import type { FastifyInstance } from 'fastify';

/** Has every route described at /openapi.json. Must be registered before the routes. */
export function describeRoutes(app: FastifyInstance, version: string): void {
  app.register(fastifySwagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Spillway',
        version,
        description: 'Shift traffic between the versions of a service, see how they do, and roll back.',
      },
      components: {
        securitySchemes: {
          token: {
            type: 'http',
            scheme: 'bearer',
            description: 'Not needed where no tokens are configured.',
          },
        },
      },
    },
    transform: ({ schema, url, route }) => ({
      schema: route.config?.needs === 'nothing' ? schema : { ...schema, security: [{ token: [] }] },
      url,
    }),
    transformObject(document) {
      if (!('openapiObject' in document)) return document.swaggerObject;
      // The plugin takes every body that is described for one that must be sent.
      const body = document.openapiObject.paths?.['/v1/services/{service}/rollback']?.post?.requestBody;
      if (body !== undefined && 'required' in body) body.required = false;
      return document.openapiObject;
    },
    refResolver: {
      buildLocalReference: ({ $id }, _base, _fragment, index) => String($id ?? `schema-${index}`),
    },
  });
}
