import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { expect, test } from 'vitest';

const pages = [
  'README.md',
  'CONTRIBUTING.md',
  ...readdirSync('docs')
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

test.each(pages)('%s links to files that are there', (page) => {
  const links = [...readFileSync(page, 'utf8').matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map(([, to]) => to!);
  const folder = page.includes('/') ? 'docs/' : '';
  expect(links.filter((to) => !existsSync(folder + to))).toEqual([]);
});

test('docs/architecture.md names files that are there', () => {
  const text = readFileSync('docs/architecture.md', 'utf8');
  const named = [...text.matchAll(/`([\w./-]+\.(?:ts|sql|json))`/g)].map(([, file]) => file!);
  expect(named.length).toBeGreaterThan(30);
  expect(
    named.filter(
      (file) => !existsSync(file) && !existsSync(`src/${file}`) && !existsSync(`src/watcher/${file}`),
    ),
  ).toEqual([]);
});

test('docs/architecture.md has a row for each folder of src', () => {
  const text = readFileSync('docs/architecture.md', 'utf8');
  const folders = readdirSync('src', { withFileTypes: true }).filter((entry) => entry.isDirectory());
  expect(folders.filter(({ name }) => !text.includes(`| \`${name}/\``)).map(({ name }) => name)).toEqual([]);
});

test('npx umbel runs: the command line may be executed', () => {
  expect(statSync('cmd/umbel.js').mode & 0o111).toBe(0o111);
});
