// The indexes that the migrations make, read from the migrations themselves. Used by the doctor, which misses those that are gone.
import { readdir, readFile } from 'node:fs/promises';
import { MIGRATIONS_DIR } from './migrate.ts';

const DOWN = '-- Down Migration';
const CHANGE = /^(create (?:unique )?index|drop index) (\w+)([^;]*);/gm;

/** By name, the statement that makes each without locking the table. */
export async function readIndexes(): Promise<Map<string, string>> {
  const indexes = new Map<string, string>();
  for (const text of await readMigrations()) {
    for (const [, verb = '', name = '', rest = ''] of (text.split(DOWN)[0] ?? '').matchAll(CHANGE)) {
      if (verb === 'drop index') indexes.delete(name);
      else indexes.set(name, `${verb} concurrently ${name}${rest.replace(/\s+/g, ' ')}`);
    }
  }
  return indexes;
}

async function readMigrations(): Promise<string[]> {
  const files = (await readdir(MIGRATIONS_DIR)).filter((file) => file.endsWith('.sql')).sort();
  return Promise.all(files.map((file) => readFile(`${MIGRATIONS_DIR}/${file}`, 'utf8')));
}
