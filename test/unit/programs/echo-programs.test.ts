import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { echoParamTimeSleep } from '../../../src/programs/echo-param-time-sleep.ts';
import { echoRandomTimeSleep } from '../../../src/programs/echo-random-time-sleep.ts';
import { makeStop } from '../../../src/watcher/stop.ts';
import { errorOf, resultOf, runProgram } from './run-program.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

async function secondsUntilEnd(running: Promise<unknown>): Promise<number> {
  const watched = { isOver: false };
  void running.then(() => (watched.isOver = true));
  await vi.advanceTimersByTimeAsync(0);
  for (let seconds = 0; ; seconds++) {
    if (watched.isOver) return seconds;
    await vi.advanceTimersByTimeAsync(1000);
  }
}

describe('EchoRandomTimeSleep', () => {
  test.each([
    [0, 1],
    [0.5, 3],
    [0.999999, 5],
  ])('with chance %d sleeps %d whole seconds', async (chance, seconds) => {
    vi.spyOn(Math, 'random').mockReturnValue(chance);
    const running = runProgram(echoRandomTimeSleep);
    expect(await secondsUntilEnd(running)).toBe(seconds);
    expect(await running).toMatchObject({ kind: 'finished', result: { seconds } });
  });
});

describe('EchoParamTimeSleep', () => {
  test.each(['3', 3])('sleeps as many seconds as SLEEP_TIME_SECOND=%j says', async (text) => {
    expect(await secondsUntilEnd(runProgram(echoParamTimeSleep, { SLEEP_TIME_SECOND: text }))).toBe(3);
  });

  test.each(['0', '-1', -7])('returns at once for %j', async (text) => {
    expect(await resultOf(echoParamTimeSleep, { SLEEP_TIME_SECOND: text })).toEqual({
      seconds: Number(text),
    });
    expect(vi.getTimerCount()).toBe(0);
  });

  test.each([
    [{ SLEEP_TIME_SECOND: 'abc' }, 'parameters.SLEEP_TIME_SECOND: must be a whole number, got "abc"'],
    [{ SLEEP_TIME_SECOND: '1.5' }, 'parameters.SLEEP_TIME_SECOND: must be a whole number, got "1.5"'],
    [{ SLEEP_TIME_SECOND: '' }, 'parameters.SLEEP_TIME_SECOND: must be a whole number, got ""'],
    [{}, 'parameters.SLEEP_TIME_SECOND: is required'],
  ])('refuses %j', async (params, problem) => {
    expect(await errorOf(echoParamTimeSleep, params)).toMatchObject({
      name: 'InvalidParametersError',
      message: `EchoParamTimeSleep cannot run: ${problem}`,
    });
  });

  test('ends when it is stopped', async () => {
    const stop = makeStop();
    const running = errorOf(echoParamTimeSleep, { SLEEP_TIME_SECOND: '3' }, stop);
    stop.stop(new Error('stopped by the operator'));
    expect((await running).message).toBe('stopped by the operator');
    expect(vi.getTimerCount()).toBe(0);
  });
});
