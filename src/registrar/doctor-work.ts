// The doctor's checks of the work: is there a watcher for everything, and does nothing wait for ever. Called by doctor.ts.
import type { Db } from '../sql/database.ts';
import {
  listLeases,
  listOrphans,
  listPlaceQueues,
  listUnknownPrograms,
  listUnservedPools,
  type PlaceQueue,
  type WatcherLease,
} from '../sql/doctor.ts';
import { formatAge, listSome, type Finding } from './finding.ts';

/** Seconds past the end of a lease by which another watcher has long taken over, when one lives. */
const OVERDUE = 60;

export async function findDeadWatchers(db: Db): Promise<Finding[]> {
  const leases = await listLeases(db);
  const live = leases.filter(({ overdue }) => overdue <= 0);
  const dead = leases.filter(({ overdue }) => overdue > (live.length > 0 ? OVERDUE : 0));
  const findings = dead.map((lease) => describeDead(lease, live.length));
  if (live.length > 0) return findings;
  const none: Finding = {
    level: 'problem',
    check: 'watchers',
    what: 'No watcher lives: nothing runs.',
    remedy: 'Start one: umbel watch (or umbel up).',
  };
  return [none, ...findings];
}

function describeDead({ id, name, pool, overdue }: WatcherLease, live: number): Finding {
  return {
    level: 'problem',
    check: 'watchers',
    what: `Watcher ${id} (${name}, pool "${pool}") is overdue by ${formatAge(overdue)}, and nobody has taken its tasks back.`,
    remedy:
      live > 0
        ? 'The watchers that live should have: look for errors in their logs.'
        : 'The first watcher that starts does.',
  };
}

export async function findUnservedPools(db: Db): Promise<Finding[]> {
  return (await listUnservedPools(db)).map((pool) => ({
    level: 'problem',
    check: 'pools',
    what: `Tasks are ready in the pool "${pool}", which no live watcher serves.`,
    remedy: `Start one: umbel watch --pool ${pool}`,
  }));
}

export async function findUnknownPrograms(db: Db): Promise<Finding[]> {
  return (await listUnknownPrograms(db)).map(({ program, pool, flows }) => ({
    level: 'problem',
    check: 'programs',
    what: `No live watcher of the pool "${pool}" knows the program "${program}", which is used by: ${listSome(flows)}.`,
    remedy: `Correct the name in ms_task_definition ("umbel programs" lists what there is), or start the watchers with the --programs directory that has it.`,
  }));
}

export async function findOrphans(db: Db): Promise<Finding[]> {
  return (await listOrphans(db)).map(({ watcher, tasks, execution }) => ({
    level: 'problem',
    check: 'orphans',
    what: `${tasks} tasks are Running under watcher ${watcher}, which is dead or gone (one is of execution ${execution}).`,
    remedy:
      'A live watcher takes them back within its lease time; if none does, look for errors in the watchers’ logs.',
  }));
}

export async function findPlaceQueues(db: Db): Promise<Finding[]> {
  return (await listPlaceQueues(db)).map(describeQueue);
}

function describeQueue({ flow, limit, waiting, longest, holding, failed }: PlaceQueue): Finding {
  const what = `${waiting} executions of "${flow}" wait for a place (max_running ${limit ?? 'none'}), the first for ${formatAge(longest)}; ${holding} hold one, ${failed} of them failed.`;
  if (holding > 0 && failed === holding) {
    const remedy = `Nothing of the flow goes on before they are resumed, skipped or aborted: umbel executions ls --flow ${flow} --status failed`;
    return { level: 'problem', check: 'places', what, remedy };
  }
  const remedy =
    limit === null || holding < limit
      ? 'There are free places: a live watcher gives them out within its lease time.'
      : 'They run as places become free; to have more at once, raise ms_flow.max_running.';
  return { level: 'note', check: 'places', what, remedy };
}
