// docs/programs.md against the programs themselves, in both directions.
import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { builtinPrograms } from '../../support/builtin.ts';
import type { Program } from '../../../src/programs/program.ts';

const text = await readFile('docs/programs.md', 'utf8');
const [guide = '', reference = ''] = text.split('\n## Programs that come with Umbel\n');
const sections = reference.split('\n### ').slice(1);

function sectionOf({ name }: Program): string {
  return sections.find((section) => section.startsWith(`${name}\n`)) ?? '';
}

function documentedParameters(section: string): unknown[] {
  const rows = section.matchAll(/^\| `(\S+)` +\| (yes|no) +\| (.*?) +\|$/gm);
  return [...rows].map(([, name, required, meaning]) => ({ name, required: required === 'yes', meaning }));
}

function parametersOf({ params }: Program): unknown[] {
  return Object.entries(params.properties).map(([name, schema]) => ({
    name,
    required: (params.required ?? []).includes(name),
    meaning: (schema as { description?: string }).description,
  }));
}

test('has a section for every program that comes with the product, in their order, and no other', () => {
  expect(sections.map((section) => section.split('\n')[0])).toEqual(builtinPrograms.map(({ name }) => name));
});

test.each(builtinPrograms.map((program) => [program.name, program] as const))(
  'describes %s and its parameters',
  (_, program) => {
    const section = sectionOf(program);
    expect(section).toContain(program.description);
    expect(documentedParameters(section)).toEqual(parametersOf(program));
  },
);

test.each(builtinPrograms.map((program) => [program.name, program] as const))(
  '%s refuses unknown parameters, as said',
  (_, program) => {
    expect(program.params).toMatchObject({ additionalProperties: false });
  },
);

test('shows the example that is shipped', async () => {
  const example = await readFile('examples/programs/hello.ts', 'utf8');
  expect(guide).toContain(example.slice(example.indexOf('import')));
});
