// The part of the catalogue of errors that is about single tasks.
import { entry } from './entry.ts';

export const TASK_ERRORS = {
  TASK_NOT_FOUND: entry(
    404,
    (d: { execution: string; step: string }) =>
      `The execution "${d.execution}" has no task of a step "${d.step}".`,
  ),
  TASK_FINISHED: entry(
    409,
    (d: { execution: string; step: string }) =>
      `The task "${d.step}" of the execution "${d.execution}" has finished, so there is nothing to skip.`,
  ),
  NOT_FINISHED: entry(
    409,
    (d: { execution: string; step: string; state: string }) =>
      `The task "${d.step}" of the execution "${d.execution}" has not finished: ${d.state}.`,
  ),
  TASK_FAILED: entry(
    422,
    (d: { execution: string; step: string; reason: string }) =>
      `The task "${d.step}" of the execution "${d.execution}" failed: ${d.reason}`,
  ),
} as const;
