// The API's description: /openapi.json, made from the schemas of the routes, and a page to read it at /docs.
// Must be added before the routes that it describes.
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { App } from '../app.ts';

/** The little of a path of an OpenAPI document that matters here. */
interface PathItem {
  post?: { requestBody?: { required: boolean } };
}

const PAGE_POLICY =
  "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'";

export async function addDocs(app: App): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Umbel', version: '1', description: 'Workflows as rows in Postgres.' },
      tags: [
        { name: 'flows', description: 'Define flows and their steps' },
        { name: 'executions', description: 'Start and read executions' },
        { name: 'hooks', description: 'Webhooks of flows' },
        { name: 'health', description: 'Is it alive, can it serve' },
        { name: 'echo', description: 'For trying out' },
      ],
    },
    transform: ({ schema, url }) => ({ schema, url: url.replace('/register/*', '/register/:task_id') }),
    transformObject: (document) => {
      if (!('openapiObject' in document)) return document.swaggerObject;
      freeBodies(Object.values(document.openapiObject.paths ?? {}) as PathItem[]);
      return document.openapiObject;
    },
  });
  await app.register(swaggerUi, {
    routePrefix: '/docs',
    staticCSP: PAGE_POLICY,
    uiConfig: { validatorUrl: null },
    logo: { type: 'image/svg+xml', content: Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>') },
    theme: { title: 'Umbel' },
  });
  app.get('/openapi.json', { schema: { hide: true } }, () => app.swagger());
}

/** No route needs a body, but the generator takes every body that has a schema for required. */
function freeBodies(paths: PathItem[]): void {
  for (const { post } of paths) {
    if (post?.requestBody !== undefined) post.requestBody.required = false;
  }
}
