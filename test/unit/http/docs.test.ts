import { readFile } from 'node:fs/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { makeTestApp } from '../../support/app.ts';

const { app } = await makeTestApp();
afterAll(() => app.close());

interface Description {
  openapi: string;
  paths: Record<string, Record<string, { summary?: string; requestBody?: { required: boolean } }>>;
}

const description = (await app.inject('/openapi.json')).json<Description>();

function listEndpoints(): string[] {
  return Object.entries(description.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
}

describe('/openapi.json', () => {
  it('says in a line what each endpoint is for', () => {
    expect(description.openapi).toBe('3.1.0');
    for (const methods of Object.values(description.paths)) {
      for (const { summary } of Object.values(methods)) expect(summary).toBeTruthy();
    }
  });

  it('asks for no body where none is needed', () => {
    expect(description.paths['/register/{task_id}']?.['post']?.requestBody?.required).toBe(false);
  });
});

describe('docs/http.md', () => {
  it('has a section for each endpoint, and none for another', async () => {
    const page = await readFile(new URL('../../../docs/http.md', import.meta.url), 'utf8');
    const sections = page.matchAll(/^## `([A-Z]+ [^`]+)`$/gm).map(([, endpoint]) => endpoint);
    const hidden = ['GET /openapi.json', 'GET /docs'];
    expect(new Set(sections)).toEqual(new Set([...listEndpoints(), ...hidden]));
  });
});

describe('/docs', () => {
  it('is a page whose parts all come from this server', async () => {
    const page = await app.inject('/docs/');
    expect(page.headers['content-security-policy']).toContain("default-src 'self'");
    const parts = [...page.body.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, part = '']) => part);
    expect(parts.length).toBeGreaterThan(3);
    for (const part of parts) {
      expect(part).toMatch(/^\.\/static\//);
      expect((await app.inject(part.replace('.', '/docs'))).statusCode).toBe(200);
    }
  });
});
