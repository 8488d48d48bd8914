// What people ask of the schedule of a flow: when it fires next, what became of its times, pause and resume. Called by http/.
import { UmbelError } from '../errors.ts';
import { findCronProblem, findTimezoneProblem } from '../registrar/definition/cron.ts';
import { nameFailure } from '../registrar/failure.ts';
import { withTransaction } from '../sql/control.ts';
import type { Database } from '../sql/database.ts';
import {
  type FireDecision,
  listFires,
  lockSchedule,
  pauseSchedule,
  readClock,
  readSchedule,
  recordFires,
  resumeSchedule,
} from '../sql/schedules.ts';
import { describeCron } from './describe.ts';
import { dueOf } from './due.ts';
import { type Policy, readPolicy } from './policy.ts';
import { findSlots } from './slots.ts';

export interface WhichSchedule {
  tenant: string;
  flow: string;
}

export interface NextFire {
  /** The time that the cron expression names. */
  scheduledAt: string;
  localTime: string;
  /** When it fires: later by the jitter. */
  dueAt: string;
}

export interface ScheduleView {
  flow: string;
  status: string;
  cron: string;
  timezone: string;
  /** The expression in words. */
  description: string;
  /** Null while the flow is not active. */
  dueExecution: string | null;
  paused: boolean;
  policy: Policy;
  next: NextFire[];
  decisions: {
    scheduledAt: string;
    through: string | null;
    decision: FireDecision;
    reason: string | null;
    executionId: string | null;
    decidedAt: string;
  }[];
}

/** All errors: `FLOW_NOT_FOUND`, `SCHEDULE_NOT_FOUND`, `DATABASE_UNREACHABLE`, and what each says. */
export interface Schedules {
  /** With the next so many fires, whether or not the flow is active. Errors: `CONFLICT` when its expression is invalid. */
  read: (which: WhichSchedule, next: number) => Promise<ScheduleView>;
  /** Errors: `SCHEDULE_INACTIVE`. */
  pause: (which: WhichSchedule) => Promise<{ id: string; paused: boolean }>;
  /** What would have fired meanwhile is missed. Errors: `SCHEDULE_INACTIVE`. */
  resume: (which: WhichSchedule) => Promise<{ id: string; paused: boolean }>;
}

const DECISIONS = 20;

export function makeSchedules(db: Database): Schedules {
  return {
    read: (which, next) => nameFailure(read(db, which, next)),
    pause: (which) => nameFailure(setPaused(db, which, true)),
    resume: (which) => nameFailure(setPaused(db, which, false)),
  };
}

async function read(db: Database, which: WhichSchedule, count: number): Promise<ScheduleView> {
  const state = await readSchedule(db.kysely, which.tenant, which.flow);
  if (state === null) throw new UmbelError('FLOW_NOT_FOUND', which);
  const { flow, status, cron, timezone, paused } = state;
  if (cron === null) throw new UmbelError('SCHEDULE_NOT_FOUND', which);
  const reason = findCronProblem(cron) ?? findTimezoneProblem(timezone);
  if (reason !== undefined) throw new UmbelError('CONFLICT', { reason });
  const policy = readPolicy(state.policy);
  return {
    flow,
    status,
    cron,
    timezone,
    description: await describeCron(cron),
    dueExecution: state.due?.toISOString() ?? null,
    paused,
    policy,
    next: listNext({ flow, cron, timezone, policy, now: state.now.getTime() }, count),
    decisions: await listDecisions(db, flow),
  };
}

interface Preview {
  flow: string;
  cron: string;
  timezone: string;
  policy: Policy;
  now: number;
}

function listNext({ flow, cron, timezone, policy, now }: Preview, count: number): NextFire[] {
  const slots = findSlots(cron, timezone);
  const found: NextFire[] = [];
  for (let slot = slots.next(now); slot !== null && found.length < count; slot = slots.next(slot)) {
    const dueAt = new Date(dueOf({ flow, slots, policy }, slot)).toISOString();
    found.push({ scheduledAt: new Date(slot).toISOString(), localTime: slots.localTime(slot), dueAt });
  }
  return found;
}

async function listDecisions(db: Database, flow: string): Promise<ScheduleView['decisions']> {
  const fires = await listFires(db.kysely, flow, DECISIONS);
  return fires.map(({ slot, through, decision, reason, execution, decidedAt }) => ({
    scheduledAt: slot.toISOString(),
    through: through?.toISOString() ?? null,
    decision,
    reason,
    executionId: execution,
    decidedAt: decidedAt.toISOString(),
  }));
}

async function setPaused(db: Database, which: WhichSchedule, paused: boolean) {
  const { tenant, flow } = which;
  await withTransaction(db, async (tx) => {
    const schedule = await lockSchedule(tx, tenant, flow);
    if (schedule === undefined) throw await explainMissing(db, which);
    if (schedule.paused === paused) return;
    if (paused) return pauseSchedule(tx, flow);
    const now = await readClock(tx);
    const slot = findSlots(schedule.cron, schedule.timezone).next(schedule.decidedTo.getTime());
    if (slot !== null && slot <= now.getTime()) {
      const reason = 'the schedule was paused';
      const missed = { flow, slot: new Date(slot), decision: 'missed' as const, reason, through: now };
      await recordFires(tx, [{ ...missed, execution: null }]);
    }
    await resumeSchedule(tx, flow, now);
  });
  return { id: flow, paused };
}

async function explainMissing(db: Database, which: WhichSchedule): Promise<UmbelError> {
  const state = await readSchedule(db.kysely, which.tenant, which.flow);
  if (state === null) return new UmbelError('FLOW_NOT_FOUND', which);
  if (state.cron === null) return new UmbelError('SCHEDULE_NOT_FOUND', which);
  return new UmbelError('SCHEDULE_INACTIVE', { ...which, status: state.status });
}
