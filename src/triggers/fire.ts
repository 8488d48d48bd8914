// One turn of a scheduler: takes schedules that are due, decides on their slots, registers what fires and remembers it, all in one
// transaction. Killed at any point it has done everything or nothing. Called by scheduler.ts.
import { v7 as makeId } from 'uuid';
import { messageOf } from '../errors.ts';
import type { ManyAnswer, ManyRegistrar } from '../registrar/register-many.ts';
import type { RegisterRequest } from '../registrar/register.ts';
import { lockFamilies, setFlowStatus, withTransaction } from '../sql/control.ts';
import type { Database, Tx } from '../sql/database.ts';
import {
  advanceSchedules,
  type Backlog,
  claimDueSchedules,
  claimIdleSchedules,
  type Fire,
  listQueued,
  pruneFires,
  readBacklogs,
  readClock,
  recordCancelled,
  recordFires,
  type Schedule,
} from '../sql/schedules.ts';
import { decide, type Decision } from './decide.ts';
import { type DueList, listDue } from './due.ts';
import { readPolicy } from './policy.ts';
import { findSlots } from './slots.ts';

export interface TurnDeps {
  db: Database;
  registrar: ManyRegistrar;
  /** Default: the database's clock. */
  readNow?: (tx: Tx) => Promise<Date>;
}

export interface Turn {
  /** Schedules that were taken. */
  taken: number;
  /** What was decided and is written. */
  fires: Fire[];
  /** Milliseconds from their times to now, of those that fired. */
  lateness: number[];
  /** Running executions that have to end before their schedules can fire. */
  cancels: Cancel[];
}

interface Cancel {
  flow: string;
  tenant: string;
  executions: string[];
}

/** What is to become of one schedule. */
interface Intent {
  schedule: Schedule;
  list: DueList;
  decisions: Decision[];
}

interface Decided {
  intents: Intent[];
  cancels: Cancel[];
}

/** Schedules taken at once. */
const BATCH = 500;
/** Decisions kept of a schedule, and how often it is looked whether there are more. */
const KEPT = 1_000;
const PRUNE_SHARE = 1 / 64;

const NOTHING = { taken: 0, fires: [], lateness: [], cancels: [], announce: () => {} };

export async function runTurn(deps: TurnDeps): Promise<Turn> {
  const { db, registrar, readNow = readClock } = deps;
  const { announce, ...turn } = await withTransaction(db, async (tx) => {
    const now = await readNow(tx);
    const schedules = await takeSchedules(tx, now);
    if (schedules.length === 0) return NOTHING;
    const { intents, cancels } = decideAll(schedules, await findBacklogs(tx, schedules), now);
    const { fires, done, announce } = await fireAll(tx, registrar, intents);
    await recordFires(tx, fires);
    await advanceSchedules(tx, done.map(toStep));
    await pruneFires(
      tx,
      flowsOf(schedules).filter(() => Math.random() < PRUNE_SHARE),
      KEPT,
    );
    return { taken: schedules.length, fires, lateness: measureLateness(done, fires, now), cancels, announce };
  });
  announce();
  return turn;
}

/** Ends executions for which a later time of their schedule is waiting. */
export async function cancelRunning(db: Database, { tenant, executions }: Cancel): Promise<void> {
  await withTransaction(db, async (tx) => {
    const held = await lockFamilies(tx, tenant, executions);
    const open = held.filter(({ status }) => status === 'open' || status === 'paused').map(({ id }) => id);
    await setFlowStatus(tx, open, 'aborted');
    await recordCancelled(tx, open, 'the next time came before it ended');
  });
}

async function takeSchedules(tx: Tx, now: Date): Promise<Schedule[]> {
  const due = await claimDueSchedules(tx, now, BATCH);
  const queued = await listQueued(tx, BATCH);
  if (queued.length === 0) return due;
  const known = new Set(flowsOf(due));
  return [
    ...due,
    ...(await claimIdleSchedules(
      tx,
      queued.filter((flow) => !known.has(flow)),
    )),
  ];
}

/** Executions that go on matter to few: nobody is asked about the others. */
async function findBacklogs(tx: Tx, schedules: Schedule[]): Promise<Map<string, Backlog>> {
  const asked = schedules.filter(({ policy }) => policy?.['overlap'] !== undefined);
  return asked.length === 0 ? new Map() : readBacklogs(tx, flowsOf(asked));
}

function decideAll(schedules: Schedule[], backlogs: Map<string, Backlog>, now: Date): Decided {
  const intents: Intent[] = [];
  const cancels: Cancel[] = [];
  for (const schedule of schedules) {
    const { flow, tenant } = schedule;
    const backlog = backlogs.get(flow) ?? { live: [], queued: 0, oldest: null };
    const { list, decided } = judge(schedule, backlog, now.getTime());
    if (decided === 'cancel') cancels.push({ flow, tenant, executions: backlog.live });
    else intents.push({ schedule, list, decisions: decided });
  }
  return { intents, cancels };
}

/** SQL may have written what is no cron expression: its schedule never fires, and the others do. */
function judge(schedule: Schedule, backlog: Backlog, now: number): ReturnType<typeof decideOne> {
  try {
    return decideOne(schedule, backlog, now);
  } catch (error) {
    const failed: Decision = { slot: now, decision: 'failed', reason: messageOf(error), through: null };
    return {
      list: { tooOld: null, due: [], more: false, decidedTo: now, next: null },
      decided: [failed],
    };
  }
}

function decideOne(
  schedule: Schedule,
  { live, queued, oldest }: Backlog,
  now: number,
): { list: DueList; decided: Decision[] | 'cancel' } {
  const { flow, cron, timezone, decidedTo } = schedule;
  const policy = readPolicy(schedule.policy);
  const slots = findSlots(cron, timezone);
  const list = listDue({ flow, slots, policy, decidedTo: decidedTo.getTime(), now });
  const waiting = oldest?.getTime() ?? null;
  return { list, decided: decide({ list, policy, now, running: live.length, queued, oldest: waiting }) };
}

/** Registers what fires. A schedule whose definition changed under way is left for the next turn. */
async function fireAll(
  tx: Tx,
  registrar: ManyRegistrar,
  intents: Intent[],
): Promise<{ fires: Fire[]; done: Intent[]; announce: () => void }> {
  const starts = intents.flatMap(({ schedule, decisions }) =>
    decisions.filter(({ decision }) => decision === 'fired').map(({ slot }) => ({ schedule, slot })),
  );
  const { answers, announce } = await registrar.register(tx, starts.map(toRequest));
  const byKey = new Map(starts.map(({ schedule, slot }, at) => [keyOf(schedule, slot), answers[at]!]));
  const isStale = ({ schedule, decisions }: Intent) =>
    decisions.some(({ slot }) => outcomeOf(byKey.get(keyOf(schedule, slot))) === 'stale');
  const done = intents.filter((intent) => !isStale(intent));
  const fires = done.flatMap(({ schedule, decisions }) =>
    decisions.map((one) => toFire(schedule, one, byKey.get(keyOf(schedule, one.slot)))),
  );
  return { fires, done, announce };
}

function toFire({ flow }: Schedule, one: Decision, answer: ManyAnswer | undefined): Fire {
  const { decision, reason } = one;
  const fire = {
    flow,
    slot: new Date(one.slot),
    through: one.through === null ? null : new Date(one.through),
  };
  if (answer instanceof Error)
    return { ...fire, decision: 'failed', reason: messageOf(answer), execution: null };
  return { ...fire, decision, reason, execution: answer?.id ?? null };
}

function toRequest({ schedule, slot }: { schedule: Schedule; slot: number }): RegisterRequest {
  const { flow, tenant, cron, timezone } = schedule;
  const id = makeId();
  const scheduledAt = new Date(slot).toISOString();
  const localTime = findSlots(cron, timezone).localTime(slot);
  return {
    id,
    flow,
    tenant,
    input: {
      id,
      attachments: {},
      body: {},
      headers: {},
      metadata: { scheduledAt, localTime, flow, cron, timezone },
    },
    idempotencyKey: `schedule ${scheduledAt}`,
    trigger: { kind: 'schedule', scheduledAt, cron, timezone },
  };
}

function toStep({ schedule, list }: Intent) {
  const due = list.next === null ? null : new Date(list.next);
  return { flow: schedule.flow, decidedTo: new Date(list.decidedTo), due };
}

function measureLateness(intents: Intent[], fires: Fire[], now: Date): number[] {
  const fired = new Set(
    fires.filter(({ decision }) => decision === 'fired').map(({ flow, slot }) => `${flow} ${slot.getTime()}`),
  );
  return intents.flatMap(({ schedule, list }) =>
    list.due
      .filter(({ slot }) => fired.has(keyOf(schedule, slot)))
      .map(({ due }) => Math.max(0, now.getTime() - due)),
  );
}

const keyOf = ({ flow }: Schedule, slot: number) => `${flow} ${slot}`;
const flowsOf = (schedules: Schedule[]) => schedules.map(({ flow }) => flow);
const outcomeOf = (answer: ManyAnswer | undefined) =>
  answer === undefined || answer instanceof Error ? undefined : answer.outcome;
