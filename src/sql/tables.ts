// The tables as Kysely sees them: one interface a table, columns as the drivers' parsers in database.ts deliver them.

/** Which migrations ran; kept by node-pg-migrate. */
export interface UmbelMigrations {
  id: number;
  name: string;
  run_on: Date;
}

export interface Tables {
  umbel_migrations: UmbelMigrations;
}
