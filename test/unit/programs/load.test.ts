// Modules are loaded by a Node of their own: the test runner resolves imports in its own way.
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';

const SCRIPT = `
  const { loadPrograms } = await import(${JSON.stringify(import.meta.resolve('../../../src/programs/load.ts'))});
  const run = async (program) => program.run({ params: { name: 'Ada', times: 1 }, log: { info() {} } });
  const answer = await loadPrograms(process.argv[1]).then(
    async (programs) => ({ names: programs.map(({ name }) => name), results: await Promise.all(programs.map((one) => run(one).catch(String))) }),
    (error) => ({ error: error.message }),
  );
  console.log(JSON.stringify(answer));
`;

interface Loaded {
  names?: string[];
  results?: unknown[];
  error?: string;
  stderr: string;
}

async function load(dir: string): Promise<Loaded> {
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [
    '--input-type=module',
    '-e',
    SCRIPT,
    dir,
  ]);
  return { ...(JSON.parse(stdout) as Loaded), stderr };
}

async function makeDirectory(files: Record<string, string> = {}): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'programs-'));
  onTestFinished(() => rm(dir, { recursive: true }));
  for (const [name, text] of Object.entries(files)) {
    await mkdir(join(dir, name, '..'), { recursive: true });
    await writeFile(join(dir, name), text);
  }
  return dir;
}

const define = (name: string) => `defineProgram({ name: '${name}', description: '', run: () => '${name}' })`;
const header = `import { defineProgram } from 'umbel';\n`;

test('loads the example from a directory with no node_modules near, silently', async () => {
  const dir = await makeDirectory();
  await cp('examples/programs/hello.ts', join(dir, 'hello.ts'));
  expect(await load(dir)).toEqual({ names: ['hello'], results: [{ greeting: 'Hello, Ada!' }], stderr: '' });
});

test('loads the examples where they stand', async () => {
  expect(await load('examples/programs')).toMatchObject({ names: ['hello', 'poll.newEntries'] });
});

test('loads default and named exports of every kind of module, by file name', async () => {
  const dir = await makeDirectory({
    'c.mjs': `${header}export const one = ${define('c1')}; export const two = ${define('c2')}; export default one; export const other = 5;`,
    'b.js': `${header}export default ${define('b')};`,
    'a.ts': `${header}import { Type, type TObject } from 'typebox';\nimport { helper } from './lib/helper.ts';\nconst params: TObject = Type.Object({});\nexport default defineProgram({ name: 'a', description: '', params, run: () => helper });`,
    'lib/helper.ts': `export const helper: string = 'helped';`,
  });
  expect(await load(dir)).toMatchObject({
    names: ['a', 'b', 'c1', 'c2'],
    results: ['helped', 'b', 'c1', 'c2'],
  });
});

test('passes over tests, declarations, other files and directories below', async () => {
  const dir = await makeDirectory({
    'a.ts': `${header}export default ${define('a')};`,
    'a.test.ts': 'throw new Error("loaded a test")',
    'a.d.ts': 'throw new Error("loaded declarations")',
    'README.md': 'text',
    'node_modules/x/index.js': 'throw new Error("loaded a package")',
    'lib/b.ts': 'throw new Error("loaded a directory below")',
  });
  expect(await load(dir)).toMatchObject({ names: ['a'] });
});

test('names every bad file, and what is wrong with it, in one error', async () => {
  const dir = await makeDirectory({
    'good.ts': `${header}export default ${define('good')};`,
    'helper.ts': 'export const x = 1;',
    'throws.ts': 'throw new Error("no connection");',
    'broken.ts': 'export const = ;',
    'missing.ts': `import './nowhere.ts';`,
    'bad.ts': `${header}export default defineProgram({ name: 'bad name' });`,
  });
  const { error } = await load(dir);
  expect(error).toMatch(/^programs could not be loaded:\n/);
  expect(error).toContain(`${join(dir, 'helper.ts')}: exports no program`);
  expect(error).toContain(`${join(dir, 'throws.ts')}: Error: no connection`);
  expect(error).toContain(`${join(dir, 'broken.ts')}: SyntaxError`);
  expect(error).toMatch(/missing\.ts: Error: Cannot find module .*nowhere\.ts/);
  expect(error).toContain(
    `${join(dir, 'bad.ts')}: TypeError: defineProgram: program "bad name": name must be`,
  );
  expect(error).not.toContain('good.ts');
});

test('names both files that define one program', async () => {
  const text = `${header}export default ${define('same')};`;
  const dir = await makeDirectory({ 'a.ts': text, 'b.ts': text });
  expect((await load(dir)).error).toContain(
    `program "same" is defined in ${join(dir, 'a.ts')} and in ${join(dir, 'b.ts')}`,
  );
});

test('says when there is nothing to load', async () => {
  const dir = await makeDirectory({ 'notes.txt': '' });
  expect((await load(dir)).error).toContain(`${dir}: there is no module`);
  expect((await load(join(dir, 'nowhere'))).error).toMatch(/nowhere: Error: ENOENT/);
  expect((await load(join(dir, 'notes.txt'))).error).toMatch(/notes\.txt: Error: ENOTDIR/);
});

test('prefers the typebox that is installed beside the module', async () => {
  const dir = await makeDirectory({
    'a.mjs': `${header}import { marker } from 'typebox';\nexport default defineProgram({ name: 'a', description: '', run: () => marker });`,
    'node_modules/typebox/package.json': '{"type":"module","exports":"./index.js"}',
    'node_modules/typebox/index.js': `export const marker = 'own copy';`,
  });
  expect(await load(dir)).toMatchObject({ results: ['own copy'] });
});

test('runs a program that asks for it in a thread of its own', async () => {
  const make = (isolate: boolean, name: string) => `
    import { defineProgram } from 'umbel';
    import { threadId } from 'node:worker_threads';
    const run: () => number = () => threadId;
    export const ${name} = defineProgram({ name: '${name}', description: '', isolate: ${isolate}, run });
    export default ${name};`;
  const dir = await makeDirectory({ 'here.ts': make(false, 'here'), 'there.ts': make(true, 'there') });
  const { names, results } = await load(dir);
  expect(names).toEqual(['here', 'there']);
  expect(results?.[0]).toBe(0);
  expect(results?.[1]).toBeGreaterThan(0);
});
