// The doctor's checks of the Postgres server: snapshots, dead rows, indexes, vacuum, the clock. Called by doctor.ts.
import {
  listBrokenIndexes,
  listChangedVacuum,
  listDeadRows,
  listOldSnapshots,
  listVacuumSwitchesOff,
  readServerClock,
  seesAllSessions,
  type OldSnapshot,
  type TableDeath,
} from '../sql/doctor-server.ts';
import type { Db } from '../sql/database.ts';
import { readIndexes } from '../sql/indexes.ts';
import { formatAge, type Finding } from './finding.ts';

/** Seconds, and transactions, after which a snapshot counts as old. */
const OLD = { age: 60, xids: 1_000_000 };
/** Dead rows that are no trouble, and how far past autovacuum's threshold they may be before it lags. */
const DEAD = { fine: 10_000, lag: 3 };
/** Milliseconds by which clocks may differ. */
const SKEW = 1_000;

export async function findOldSnapshots(db: Db): Promise<Finding[]> {
  const findings = (await listOldSnapshots(db, OLD.age, OLD.xids)).map(describeSnapshot);
  if (await seesAllSessions(db)) return findings;
  const what = 'Sessions of other roles cannot be looked into, so old snapshots of theirs go unseen.';
  return [
    ...findings,
    {
      level: 'note',
      check: 'snapshots',
      what,
      remedy: 'As an administrator: grant pg_monitor to this role.',
    },
  ];
}

function describeSnapshot({ kind, name, holder, age }: OldSnapshot): Finding {
  const since = age === null ? 'for a long time' : `for ${formatAge(age)}`;
  const harm = 'no row that died since can be cleaned away, and claims get slower';
  const texts = {
    session: [
      `The transaction of session ${name} (${holder}) has been open ${since}: ${harm}.`,
      `End what it does, or: select pg_terminate_backend(${name})`,
    ],
    slot: [
      `The replication slot "${name}" (${holder}) holds rows back ${since}: ${harm}.`,
      `Bring its reader back, or: select pg_drop_replication_slot('${name}')`,
    ],
    prepared: [
      `The prepared transaction "${name}" of ${holder} has waited ${since}: ${harm}.`,
      `Decide it: commit prepared '${name}', or: rollback prepared '${name}'`,
    ],
  } as const;
  const [what, remedy] = texts[kind];
  return { level: 'problem', check: 'snapshots', what, remedy };
}

export async function findDeadRows(db: Db): Promise<Finding[]> {
  const tables = (await listDeadRows(db)).filter(
    ({ dead, threshold }) => dead > DEAD.fine && dead > threshold * DEAD.lag,
  );
  return tables.map(describeDeadRows);
}

function describeDeadRows({ table, dead, live, vacuumed, threshold }: TableDeath): Finding {
  const last = vacuumed === null ? 'never' : vacuumed.toISOString();
  const what = `${table} has ${dead} dead rows beside ${live} live ones; autovacuum should have come at ${Math.round(threshold)} (last vacuum: ${last}).`;
  const remedy = `vacuum (analyze) ${table}; should that remove nothing, something holds an old snapshot.`;
  return { level: 'problem', check: 'dead-rows', what, remedy };
}

export async function findBrokenIndexes(db: Db): Promise<Finding[]> {
  const indexes = await readIndexes();
  const broken = await listBrokenIndexes(db, [...indexes.keys()]);
  return broken.map(({ index, table, state }) => {
    if (state === 'missing') {
      const remedy = indexes.get(index) ?? 'umbel migrate up';
      return { level: 'problem', check: 'indexes', what: `The index ${index} is missing.`, remedy };
    }
    const ours = indexes.has(index) || index.endsWith('_pkey');
    const what = `The index ${index} of ${table} is invalid: it was not built to the end.`;
    const remedy = `${ours ? 'reindex index' : 'drop index'} concurrently ${index}`;
    return { level: 'problem', check: 'indexes', what, remedy };
  });
}

export async function findVacuumChanges(db: Db): Promise<Finding[]> {
  const off = (await listVacuumSwitchesOff(db)).map((name): Finding => ({
    level: 'problem',
    check: 'autovacuum',
    what: `The server's setting ${name} is off: dead rows are never cleaned away.`,
    remedy: `alter system set ${name} = on; select pg_reload_conf()`,
  }));
  const changed = (await listChangedVacuum(db)).map(({ table, option, value, expected }): Finding => ({
    level: option === 'autovacuum_enabled' && value !== 'true' ? 'problem' : 'note',
    check: 'autovacuum',
    what: `${table} has ${option} = ${value ?? 'the server’s default'}; Umbel sets ${expected ?? 'nothing'}.`,
    remedy: `Unless that is meant: alter table ${table} ${expected === null ? `reset (${option})` : `set (${option} = ${expected})`}`,
  }));
  return [...off, ...changed];
}

/** Compares this machine's clock with the server's; the middle of the question counts as the moment of the answer. */
export async function findClockSkew(db: Db, clock: () => number = Date.now): Promise<Finding[]> {
  const asked = clock();
  const server = await readServerClock(db);
  const answered = clock();
  const skew = Math.round((asked + answered) / 2 - server);
  if (Math.abs(skew) < SKEW + (answered - asked) / 2) return [];
  const way = skew > 0 ? 'ahead of' : 'behind';
  const what = `This machine's clock is ${Math.abs(skew)} ms ${way} that of the database: executions registered here seem ${skew > 0 ? 'younger' : 'older'} than others, and are run in that order.`;
  return [{ level: 'problem', check: 'clock', what, remedy: 'Have both clocks set by NTP.' }];
}
