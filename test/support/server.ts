// Statements for a server's administrator, each on a connection of its own. Used by the other database support.
import { Client } from 'pg';

/** Runs one statement, such as CREATE DATABASE, that no transaction may hold. */
export async function askServer(url: string, statement: string): Promise<void> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 10_000 });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}

/** The same server, another database. */
export function urlOfDatabase(url: string, database: string): string {
  const changed = new URL(url);
  changed.pathname = `/${database}`;
  return changed.href;
}
