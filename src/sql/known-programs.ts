// What the watchers that live can run, and which components there are. Called by registrar/.
import { sql } from 'kysely';
import type { Db } from './database.ts';

export interface KnownPrograms {
  /** Programs of the live watchers, by pool; a pool without watchers is missing. */
  pools: ReadonlyMap<string, ReadonlySet<string>>;
  /** Ids of the tenant's components, by kind. */
  components: ReadonlyMap<string, string>;
}

export async function readKnownPrograms(db: Db, tenant: string): Promise<KnownPrograms> {
  const watchers = await sql<{ pool: string; programs: string[] }>`
    select w.pool, coalesce(array_agg(distinct p.name) filter (where p.name is not null), '{}') programs
    from kr_watcher w left join lateral unnest(w.programs) p(name) on true
    where w.lease_until > clock_timestamp() group by w.pool`.execute(db);
  const components = await sql<{ id: string; kind: string }>`
    select component_id id, kind from ms_component where tenant = ${tenant}`.execute(db);
  return {
    pools: new Map(watchers.rows.map(({ pool, programs }) => [pool, new Set(programs)])),
    components: new Map(components.rows.map(({ id, kind }) => [id, kind])),
  };
}
