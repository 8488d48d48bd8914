import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import {
  migrateDown,
  migrateUp,
  migrationsCurrent,
  migrationStatus,
  requireMigrations,
} from '../../../src/sql/migrate.ts';
import { createDatabase, servers, type TestDatabase } from '../../support/database.ts';

const cleanUps: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0)) await cleanUp();
});

async function emptyDatabase(options: Parameters<typeof createDatabase>[0] = {}): Promise<TestDatabase> {
  const database = await createDatabase({ ...options, empty: true });
  cleanUps.push(database.drop);
  return database;
}

async function migrationsOf(files: Record<string, string>): Promise<string> {
  const dir = await mkdtemp(path.join(tmpdir(), 'umbel-migrations-'));
  cleanUps.push(() => rm(dir, { recursive: true }));
  for (const [name, sql] of Object.entries(files)) await writeFile(path.join(dir, `${name}.sql`), sql);
  return dir;
}

const apples = '-- Up Migration\nCREATE TABLE apple (id int);\n-- Down Migration\nDROP TABLE apple;\n';
const pears = '-- Up Migration\nCREATE TABLE pear (id int);\n-- Down Migration\nDROP TABLE pear;\n';

/** What is left in a database besides the runner's own table. */
const leftovers = `SELECT relname AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v', 'S')
    AND relname NOT LIKE 'umbel_migrations%'
  UNION ALL SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace
  UNION ALL SELECT tgname FROM pg_trigger WHERE NOT tgisinternal ORDER BY name`;

describe.each(servers())('on $name', ({ server }) => {
  test('runs every migration of the product, down to the tables of Flower and up again', async () => {
    const { url, db } = await emptyDatabase({ server });
    const names = (await readdir('migrations')).map((file) => path.parse(file).name).sort();
    expect(await migrationsCurrent(db.kysely)).toBe(false);
    expect(await migrateUp({ url })).toEqual(names);
    expect(await migrationsCurrent(db.kysely)).toBe(true);
    expect(await migrateDown({ url, count: names.length })).toEqual(names.toReversed());
    const { rows } = await db.pool.query(leftovers);
    expect(rows).toEqual([{ name: 'kr_task_stat' }, { name: 'ms_task_definition' }]);
    expect(await migrateUp({ url })).toEqual(names);
  });
});

test('tells what ran and what is pending', async () => {
  const { url, db } = await emptyDatabase();
  const dir = await migrationsOf({ '0001_apples': apples });
  await migrateUp({ url, dir });
  await writeFile(path.join(dir, '0002_pears.sql'), pears);
  const before = Date.now();
  const [first, second] = await migrationStatus(db.kysely, dir);
  expect(first).toMatchObject({ name: '0001_apples' });
  expect(Math.abs(Number(first?.ranAt) - before)).toBeLessThan(60_000);
  expect(second).toEqual({ name: '0002_pears', ranAt: null });
});

test('lets one of several migrators work and the others wait', async () => {
  const { url, db } = await emptyDatabase();
  const dir = await migrationsOf({
    '0001_apples': apples,
    '0002_slow': '-- Up Migration\nSELECT pg_sleep(0.2);\n',
  });
  const done = await Promise.all([1, 2, 3].map(() => migrateUp({ url, dir })));
  expect(done.flat().sort()).toEqual(['0001_apples', '0002_slow']);
  expect(done.filter((names) => names.length > 0)).toHaveLength(1);
  expect(await migrationsCurrent(db.kysely, dir)).toBe(true);
});

test('changes nothing when one of the migrations fails, and names it', async () => {
  const { url, db } = await emptyDatabase();
  const dir = await migrationsOf({
    '0001_apples': apples,
    '0002_bad': '-- Up Migration\nCREATE TABEL pear ();\n',
  });
  await expect(migrateUp({ url, dir })).rejects.toMatchObject({
    code: 'MIGRATION_FAILED',
    message: 'Migration 0002_bad (up) failed, nothing was changed: syntax error at or near "TABEL"',
  });
  expect((await db.pool.query(`SELECT to_regclass('apple') AS apple`)).rows).toEqual([{ apple: null }]);
});

test('takes a schema that a newer version migrated for current', async () => {
  const { url, db } = await emptyDatabase();
  const dir = await migrationsOf({ '0001_apples': apples, '0002_pears': pears });
  await migrateUp({ url, dir });
  await rm(path.join(dir, '0002_pears.sql'));
  expect(await migrationsCurrent(db.kysely, dir)).toBe(true);
  expect((await migrationStatus(db.kysely, dir)).map(({ name }) => name)).toEqual([
    '0001_apples',
    '0002_pears',
  ]);
});

test('keeps its tables in the first schema of the search path', async () => {
  const { url, db } = await emptyDatabase();
  await db.pool.query('CREATE SCHEMA orchard');
  const dir = await migrationsOf({ '0001_apples': apples });
  await migrateUp({ url: `${url}?options=-c%20search_path%3Dorchard`, dir });
  const { rows } = await db.pool.query(
    `SELECT to_regclass('orchard.apple') AS a, to_regclass('orchard.umbel_migrations') AS m`,
  );
  expect(rows).toEqual([{ a: 'orchard.apple', m: 'orchard.umbel_migrations' }]);
});

test('asks for a migration of a database that has none', async () => {
  const { db } = await emptyDatabase();
  await expect(requireMigrations(db)).rejects.toMatchObject({ code: 'MIGRATIONS_PENDING', status: 503 });
});

test.each([
  ['DATABASE_UNREACHABLE', (url: URL) => (url.port = '1')],
  ['DATABASE_REFUSED', (url: URL) => (url.pathname = '/no_such_database')],
])('says %s in one line when there is no database to migrate', async (code, spoil) => {
  const { url } = await emptyDatabase();
  const spoilt = new URL(url);
  spoil(spoilt);
  const failure = await migrateUp({ url: spoilt.href }).catch((error: unknown) => error);
  expect(failure).toMatchObject({ code, message: expect.not.stringContaining('\n') });
  expect(String(failure)).not.toContain(spoilt.password || 'undefined');
});
