import { readFile } from 'node:fs/promises';
import { expect, onTestFinished, test } from 'vitest';
import { dumpSchema } from '../../scripts/schema-dump.ts';
import { createDatabase, servers } from '../support/database.ts';

test.each(servers())('schema.sql is what the migrations make on $name', async ({ server }) => {
  const { db, drop } = await createDatabase({ server });
  onTestFinished(drop);
  expect(await dumpSchema(db)).toBe(await readFile('schema.sql', 'utf8'));
});
