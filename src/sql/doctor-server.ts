// What `umbel doctor` asks the Postgres server about itself: old snapshots, dead rows, indexes, vacuum settings, the clock. Called by
// registrar/doctor.ts; a statement a check. Ages are seconds.
import { sql } from 'kysely';
import type { Db } from './database.ts';

/** The tables that every task goes through. */
const HOT_TABLES = ['kr_task_stat', 'kr_flow_stat', 'kr_claim', 'kr_timer', 'kr_watcher'] as const;

/** Vacuum settings of the hot tables, as the migrations make them. */
export const VACUUM: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  kr_task_stat: {
    autovacuum_vacuum_scale_factor: '0.02',
    autovacuum_vacuum_insert_scale_factor: '0.2',
    autovacuum_analyze_scale_factor: '0.05',
    autovacuum_vacuum_cost_delay: '0',
  },
  kr_flow_stat: {
    autovacuum_vacuum_scale_factor: '0.02',
    autovacuum_vacuum_cost_delay: '0',
  },
  kr_claim: { autovacuum_vacuum_scale_factor: '0.02', autovacuum_vacuum_cost_delay: '0' },
  kr_timer: { autovacuum_vacuum_scale_factor: '0.02', autovacuum_vacuum_cost_delay: '0' },
};

export interface OldSnapshot {
  kind: 'session' | 'slot' | 'prepared';
  /** pid, name of the slot, or id of the prepared transaction. */
  name: string;
  /** Who holds it and what it does, for people. */
  holder: string;
  /** Seconds; null: not known. */
  age: number | null;
}

/** Transactions, slots and prepared transactions that keep dead rows alive: of at least `age` seconds, or `xids` transactions back. */
export async function listOldSnapshots(db: Db, age: number, xids: number): Promise<OldSnapshot[]> {
  const { rows } = await sql<OldSnapshot>`
    select 'session' kind, pid::text name, extract(epoch from now() - xact_start)::float8 age,
      concat_ws(', ', nullif(application_name, ''), usename, coalesce(client_addr::text, 'local'), coalesce(state, backend_type)) holder
    from pg_stat_activity
    where pid <> pg_backend_pid() and backend_type <> 'autovacuum worker' and (backend_xmin is not null or backend_xid is not null or state like 'idle in transaction%')
      and (now() - xact_start > ${age} * interval '1 second' or (xact_start is null and age(backend_xmin) > ${xids}))
      and (datname is null or datname = current_database() or backend_type = 'walsender')
    union all
    select 'slot', slot_name, null, concat_ws(', ', slot_type, case when active then 'active' else 'inactive' end)
    from pg_replication_slots where age(xmin) > ${xids}
    union all
    select 'prepared', gid, extract(epoch from now() - prepared)::float8, owner::text
    from pg_prepared_xacts where database = current_database() and now() - prepared > ${age} * interval '1 second'
    order by age desc nulls first`.execute(db);
  return rows;
}

/** Whether this role sees what sessions of other roles do. */
export async function seesAllSessions(db: Db): Promise<boolean> {
  const { rows } = await sql<{ sees: boolean }>`
    select pg_has_role(current_user, 'pg_read_all_stats', 'usage') sees`.execute(db);
  return rows[0]!.sees;
}

export interface TableDeath {
  table: string;
  dead: number;
  live: number;
  vacuumed: Date | null;
  /** Dead rows at which autovacuum comes. */
  threshold: number;
}

/** Dead rows of the hot tables, as the statistics have them. */
export async function listDeadRows(db: Db): Promise<TableDeath[]> {
  const { rows } = await sql<TableDeath>`
    select s.relname "table", s.n_dead_tup::float8 dead, s.n_live_tup::float8 live, greatest(s.last_vacuum, s.last_autovacuum) vacuumed,
      (current_setting('autovacuum_vacuum_threshold')::float8 + greatest(c.reltuples, 0) * coalesce(
        (select option_value::float8 from pg_options_to_table(c.reloptions) where option_name = 'autovacuum_vacuum_scale_factor'),
        current_setting('autovacuum_vacuum_scale_factor')::float8)) threshold
    from pg_stat_user_tables s join pg_class c on c.oid = s.relid
    where s.relid = any (array(select to_regclass(quote_ident(t)) from unnest(${[...HOT_TABLES]}::text[]) t))`.execute(
    db,
  );
  return rows;
}

/** Of the expected indexes those that are not there, and all invalid ones of our tables. */
export async function listBrokenIndexes(
  db: Db,
  expected: string[],
): Promise<{ index: string; table: string | null; state: 'missing' | 'invalid' }[]> {
  const { rows } = await sql<{ index: string; table: string | null; state: 'missing' | 'invalid' }>`
    select e.name "index", null "table", 'missing' state
    from unnest(${expected}::text[]) e(name) where to_regclass(quote_ident(e.name)) is null
    union all
    select i.indexrelid::regclass::text, i.indrelid::regclass::text, 'invalid' from pg_index i join pg_class c on c.oid = i.indrelid
    where not i.indisvalid and c.relnamespace = (select t.relnamespace from pg_class t where t.oid = 'kr_task_stat'::regclass)
      and c.relname ~ '^(kr|ms)_'
    order by 1`.execute(db);
  return rows;
}

/** Vacuum settings of tables that are not the migrations' own. */
export async function listChangedVacuum(
  db: Db,
): Promise<{ table: string; option: string; value: string | null; expected: string | null }[]> {
  const expected = Object.entries(VACUUM).flatMap(([table, options]) =>
    Object.entries(options).map(([option, value]) => ({ table, option, value })),
  );
  const { rows } = await sql<{
    table: string;
    option: string;
    value: string | null;
    expected: string | null;
  }>`
    with expected as (
      select * from json_to_recordset(${JSON.stringify(expected)}::json) e("table" text, option text, value text)
    ), actual as (
      select c.relname "table", o.option_name option, o.option_value value
      from pg_class c cross join lateral pg_options_to_table(c.reloptions) o
      where c.oid = any (array(select to_regclass(quote_ident(t)) from unnest(${[...HOT_TABLES]}::text[]) t))
    )
    select coalesce(e."table", a."table") "table", coalesce(e.option, a.option) option, a.value, e.value expected
    from expected e full join actual a on a."table" = e."table" and a.option = e.option
    where a.value is distinct from e.value and coalesce(e.option, a.option) like 'autovacuum%' order by 1, 2`.execute(
    db,
  );
  return rows;
}

/** Server-wide settings without which nothing is vacuumed. */
export async function listVacuumSwitchesOff(db: Db): Promise<string[]> {
  const { rows } = await sql<{ name: string }>`
    select name from pg_settings where name in ('autovacuum', 'track_counts') and setting = 'off' order by name`.execute(
    db,
  );
  return rows.map(({ name }) => name);
}

/** Milliseconds since 1970, on the server's clock. */
export async function readServerClock(db: Db): Promise<number> {
  const { rows } = await sql<{ now: number }>`
    select (extract(epoch from clock_timestamp()) * 1000)::float8 now`.execute(db);
  return rows[0]!.now;
}
