// The watcher's place among the others: joins, keeps its lease, and takes back the tasks of those that died. Runs beside the loop.
import type { Logger } from '../log.ts';
import { admitExecutions, flowsWithWaitingExecutions } from '../sql/admit.ts';
import type { Database } from '../sql/database.ts';
import { isUnreachable } from '../sql/failures.ts';
import { dropIdleSlots } from '../sql/slots.ts';
import { heartbeat, joinWatchers, leaveWatchers, rescueTasks, type WatcherRecord } from '../sql/leases.ts';

/** Membership as it stands; `id` changes when the watcher was declared dead and joined again. */
export interface Membership extends MembershipOptions {
  id: number;
  /** Live watchers of the same pool besides this one, as of the last heartbeat. */
  others: number;
  /** When the lease was last renewed, on the clock of performance.now(). */
  renewed: number;
  /** When the first heartbeat after the last gap was answered, on the same clock. */
  steadySince: number;
  timers: NodeJS.Timeout[];
  /** Under way: of several calls that the database refuses, the first joins for all. */
  rejoining: Promise<void> | undefined;
}

export interface MembershipOptions {
  db: Database;
  record: WatcherRecord;
  /** Losses after which a task is suspended. */
  lostLimit: number;
  log: Logger;
  /** The lease ran out: what this watcher held is no longer its own. */
  onGone: () => void;
  /** Tasks wait again, or executions were let in. */
  onReady: () => void;
}

export function makeMembership(options: MembershipOptions): Membership {
  return {
    ...options,
    id: 0,
    others: 0,
    renewed: performance.now(),
    steadySince: -Infinity,
    timers: [],
    rejoining: undefined,
  };
}

/** Joins, and keeps the lease from now on. A third of the lease between heartbeats leaves two to lose. */
export async function join(member: Membership): Promise<void> {
  const { lease } = member.record;
  member.id = await joinWatchers(member.db, member.record);
  member.renewed = performance.now();
  await lookAfterOthers(member);
  member.timers = [
    every(lease / 3, () => beat(member), member.log),
    every((lease / 2) * (0.8 + Math.random() * 0.2), () => upkeep(member), member.log),
  ];
}

/** Joins anew after the lease ran out; called by the loop, whose calls the database refuses by then. */
export function rejoin(member: Membership): Promise<void> {
  member.rejoining ??= joinAnew(member).finally(() => (member.rejoining = undefined));
  return member.rejoining;
}

async function joinAnew(member: Membership): Promise<void> {
  member.onGone();
  member.id = await joinWatchers(member.db, member.record);
  member.renewed = performance.now();
  member.log.warn({ watcher: member.id }, 'the lease had run out: joined again as another watcher');
}

/** Signs off. */
export async function leave(member: Membership): Promise<void> {
  for (const timer of member.timers) clearInterval(timer);
  member.timers = [];
  await leaveWatchers(member.db, member.id);
}

async function beat(member: Membership): Promise<void> {
  const { id } = member;
  const { alive, others } = await heartbeat(member.db, id, member.record.lease);
  noteBeat(member, performance.now());
  // What it says of the watcher that this one was before it joined again is no news.
  if (member.id !== id) return;
  member.others = others;
  if (!alive && member.timers.length > 0) member.onGone();
}

/** A missed heartbeat begins a gap: half a lease is more than the third at which they come. */
function noteBeat(member: Membership, now: number): void {
  if (now - member.renewed > member.record.lease / 2) member.steadySince = now;
  member.renewed = now;
}

/** Reports before it judges: who was cut off with all the others declares nobody dead, itself least of all, until all had time to report. */
async function upkeep(member: Membership): Promise<void> {
  await beat(member);
  if (performance.now() - member.steadySince >= member.record.lease) await lookAfterOthers(member);
}

async function lookAfterOthers({ db, record, lostLimit, log, onReady }: Membership): Promise<void> {
  const rescued = await rescueTasks(db, lostLimit, record.lease);
  for (const task of rescued)
    log.warn(
      { ...task },
      task.suspended ? 'task suspended: lost too often' : 'task taken back from a dead watcher',
    );
  await dropIdleSlots(db);
  const waiting = await flowsWithWaitingExecutions(db);
  const admitted = waiting.length > 0 ? await admitExecutions(db, waiting) : 0;
  if (rescued.length + admitted > 0) onReady();
}

/** Runs `work` every `ms`, never twice at once; a database that is away for a while is no news. */
function every(ms: number, work: () => Promise<void>, log: Logger): NodeJS.Timeout {
  let busy = false;
  const run = async () => {
    if (busy) return;
    busy = true;
    await work().catch((error: unknown) => report(error, log));
    busy = false;
  };
  return setInterval(() => void run(), ms);
}

function report(error: unknown, log: Logger): void {
  if (isUnreachable(error)) log.debug({ err: error }, 'the database is away');
  else log.error({ err: error }, 'the upkeep of the watcher failed; trying again');
}
