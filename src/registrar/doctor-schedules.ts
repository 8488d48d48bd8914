// The doctor's check of schedules: does anybody fire them. Called by doctor.ts.
import type { Db } from '../sql/database.ts';
import { readOverdue } from '../sql/schedules.ts';
import { formatAge, type Finding } from './finding.ts';

/** Seconds by which every scheduler that lives has come by. */
const OVERDUE = 60;

export async function findOverdueSchedules(db: Db): Promise<Finding[]> {
  const { schedules, flow, seconds } = await readOverdue(db, OVERDUE);
  if (schedules === 0) return [];
  const which = schedules === 1 ? `The schedule of "${flow}" is` : `${schedules} schedules are`;
  return [
    {
      level: 'problem',
      check: 'schedules',
      what: `${which} overdue by up to ${formatAge(seconds)}: no scheduler fires ${schedules === 1 ? 'it' : 'them'}.`,
      remedy: 'Start one: umbel schedule (or umbel up). If one runs, look for errors in its log.',
    },
  ];
}
