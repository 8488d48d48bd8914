// The log that a program writes to in one attempt: each line goes to the log of the process and to the keeper, as far as an attempt may.
// What is beyond that is counted and said at the end. Made by begin.ts.
import type { Logger } from '../log.ts';
import { describeOmitted, LINE_SIZE, LOG_LINES, LOG_SIZE } from '../programs/log-limits.ts';
import type { ProgramLog } from '../programs/program.ts';
import { shorten, storableText } from '../programs/storable.ts';
import type { LogLevel } from '../sql/logs.ts';
import type { GatheredLine, LogKeeper, LogSource } from './log-keeper.ts';
import { writeJson } from './result.ts';

export interface TaskLog {
  log: ProgramLog;
  /** The attempt has ended: nothing more is taken. */
  close: () => void;
}

export interface LoggedTask {
  flow: string;
  seq: string;
  attempt: number;
}

interface State extends LogSource {
  task: LoggedTask;
  size: number;
  /** Lines that found no room. */
  omitted: number;
  closed: boolean;
}

export function openTaskLog(keeper: LogKeeper, log: Logger, task: LoggedTask): TaskLog {
  const state: State = { task, lines: 0, unstored: 0, lost: 0, size: 0, omitted: 0, closed: false };
  const write =
    (level: LogLevel) =>
    (message: string, fields?: Record<string, unknown>): void => {
      if (state.closed) return;
      if (state.lines >= LOG_LINES - 1 || state.size >= LOG_SIZE) state.omitted += 1;
      else writeLine(keeper, log, state, level, message, fields);
    };
  return {
    log: { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') },
    close: () => close(keeper, state),
  };
}

function writeLine(
  keeper: LogKeeper,
  log: Logger,
  state: State,
  level: LogLevel,
  message: unknown,
  fields: Record<string, unknown> | undefined,
): void {
  const { flow, seq } = state.task;
  const text = fitMessage(message);
  log[level]({ ...fields, execution: flow, seq }, text);
  const kept = fields === undefined ? null : fitFields(fields);
  state.size += text.length + (kept?.length ?? 0);
  keeper.add(lineOf(state, level, text, kept));
}

/** A program in plain JavaScript may log anything. */
function fitMessage(message: unknown): string {
  return storableText(shorten(typeof message === 'string' ? message : describe(message), LINE_SIZE));
}

function describe(value: unknown): string {
  try {
    return value instanceof Error ? `${value.name}: ${value.message}` : String(value);
  } catch {
    return 'a value that cannot be shown';
  }
}

/** JSON text; what is too large, or no JSON, is named instead. */
function fitFields(fields: Record<string, unknown>): string {
  const written = writeJson(fields, LINE_SIZE, 'replace');
  return 'text' in written ? written.text : JSON.stringify({ omitted: `what was given ${written.problem}` });
}

function lineOf(state: State, level: LogLevel, message: string, fields: string | null): GatheredLine {
  state.lines += 1;
  return { ...state.task, line: state.lines, level, message, fields, at: Date.now(), source: state };
}

function close(keeper: LogKeeper, state: State): void {
  if (state.closed) return;
  state.closed = true;
  if (state.omitted > 0) keeper.add(lineOf(state, 'warn', describeOmitted(state.omitted), null));
  if (state.lost > 0) keeper.add(lineOf(state, 'warn', describeLost(state.lost), null));
  keeper.close(state);
}

function describeLost(lines: number): string {
  return `${lines === 1 ? '1 line was' : `${lines} lines were`} lost: the database did not take them in time`;
}
