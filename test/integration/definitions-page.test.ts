// docs/definitions.md: its four ways of writing a flow really say the same, and its tables name the keys that there are.
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { FlowDefinition } from '../../src/registrar/definition/schema.ts';
import { publishSchema } from '../../src/registrar/definition/published-schema.ts';
import { normalizeFlow } from '../../src/registrar/definition/rows.ts';
import { readYaml } from '../../src/registrar/definition/yaml.ts';
import { makeRegistrar } from '../../src/registrar/registrar.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';

const page = await readFile('docs/definitions.md', 'utf8');
const block = (language: string) => {
  const found = new RegExp(`\`\`\`${language}\\n(.*?)\n\`\`\``, 's').exec(page)?.[1];
  if (found === undefined) throw new Error(`no ${language} in the page`);
  return found;
};
const fromYaml = () => normalizeFlow(readYaml(block('yaml'))[0]!.flow!);

let database: TestDatabase;
beforeAll(async () => {
  database = await createDatabase();
});
afterAll(() => database.drop());

test('SQL says what YAML says', async () => {
  await database.db.pool.query(block('sql'));
  const { flows } = makeRegistrar({ db: database.db, wake: () => {} });
  const { flow, version } = await flows.read({ tenant: 'local', flow: 'report' });
  expect(flow).toEqual(fromYaml());
  expect(version).not.toBeNull();
});

test('curl says what YAML says', () => {
  const section = page.slice(page.indexOf('### curl'), page.indexOf('### TypeScript'));
  const body = JSON.parse(/-d '(.*?)'\n/s.exec(section)?.[1] ?? '') as FlowDefinition;
  expect(normalizeFlow({ ...body, id: 'report' })).toEqual(fromYaml());
});

test('TypeScript says what YAML says', async () => {
  const source = block('ts').split('const client')[0] ?? '';
  await mkdir('test/.pages', { recursive: true });
  const directory = await mkdtemp('test/.pages/definitions-');
  const file = path.resolve(directory, 'report.ts');
  await writeFile(file, `${source}export { report };\n`.replace(', UmbelClient', ''));
  try {
    const { report } = (await import(file)) as { report: FlowDefinition };
    expect(normalizeFlow(report)).toEqual(fromYaml());
  } finally {
    await rm('test/.pages', { recursive: true });
  }
});

test('the tables name the keys that this version runs', () => {
  const schema = publishSchema() as {
    properties: Record<string, unknown> & { steps: { items: { properties: object } } };
  };
  const keysBelow = (title: string) =>
    [...(page.split(`## ${title}\n`)[1]?.split('\n## ')[0] ?? '').matchAll(/^\| `(\w+)`/gm)].map(
      ([, key]) => key,
    );
  const { steps } = schema.properties;
  expect(new Set(keysBelow('Keys of a flow'))).toEqual(new Set(Object.keys(schema.properties)));
  expect(new Set(keysBelow('Keys of a step'))).toEqual(new Set(Object.keys(steps.items.properties)));
});
