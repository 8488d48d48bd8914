// A registrar for a command that asks once and ends.
import type { Command } from 'commander';
import { makeRegistrar, type Registrar } from '../src/registrar/registrar.ts';
import { openDatabase } from '../src/sql/database.ts';
import { findDatabaseUrl } from './database.ts';
import { settingsOf } from './settings.ts';

/** Whose executions the command line sees. */
export const TENANT = 'local';

/** Lends a registrar on the command's database. */
export async function withRegistrar<T>(
  command: Command,
  use: (registrar: Registrar) => Promise<T>,
): Promise<T> {
  const db = openDatabase({ url: await findDatabaseUrl(settingsOf(command)), max: 2 });
  try {
    return await use(makeRegistrar({ db, wake: () => {} }));
  } finally {
    await db.close();
  }
}
