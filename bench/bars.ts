// What the product is held to: the list of bars, judged by results.ts.
import { type Bar, type Place, ratioOf, valueOf } from './judge.ts';

const speed = (shape: string, name: string): Place => [shape, name, 'tasksPerSecond'];
const CHAIN = speed('chain', 'umbel');
const GRAPHILE = speed('flat', 'graphile-worker, localQueue 500');

function ratioBar(shape: string, text: string, upper: Place, lower: Place, atLeast: number): Bar {
  return { shape, text, unit: '×', value: ratioOf(upper, lower), atLeast };
}

function graphBars(shape: string): Bar[] {
  return [
    ratioBar(shape, '1 watcher, of the chain', speed(shape, 'umbel, 1 watcher'), CHAIN, 0.7),
    ratioBar(shape, '4 watchers, of the chain', speed(shape, 'umbel, 4 watchers'), CHAIN, 0.5),
  ];
}

function snapshotBar(graph: string): Bar {
  const held = speed('old-snapshot', `${graph}, snapshot held`);
  return ratioBar('old-snapshot', `${graph}, of without`, held, speed('old-snapshot', graph), 0.7);
}

function manyBars(name: string): Bar[] {
  const one = speed('many', '1 watcher');
  return [
    ratioBar('many', `${name}, of 1 watcher`, speed('many', name), one, 0.9),
    {
      shape: 'many',
      text: `${name}: deadlocks`,
      unit: '',
      value: valueOf('many', name, 'deadlocks'),
      atMost: 0,
    },
    {
      shape: 'many',
      text: `${name}: errors to callers`,
      unit: '',
      value: valueOf('many', name, 'callerErrors'),
      atMost: 0,
    },
  ];
}

function scheduleBars(name: string): Bar[] {
  const bar = (text: string, figure: string, unit: Bar['unit'], atMost: number): Bar => ({
    shape: 'schedules',
    text: `${name}: ${text}`,
    unit,
    value: valueOf('schedules', name, figure),
    atMost,
  });
  return [
    bar('due → the first registered', 'firstMs', 'ms', 100),
    bar('due → the last registered', 'lastMs', 'ms', 2_000),
    bar('registered twice', 'doubled', '', 0),
  ];
}

function priorityBar(name: string): Bar {
  const value = valueOf('priority', name, 'startP99Ms');
  return { shape: 'priority', text: `${name}: register → start, p99`, unit: 'ms', value, atMost: 20 };
}

export const BARS: Bar[] = [
  ratioBar('flat', 'of graphile-worker, localQueue 500', speed('flat', 'umbel'), GRAPHILE, 2),
  ratioBar('chain', 'of graphile-worker flat, localQueue 500', CHAIN, GRAPHILE, 2),
  ratioBar('chain', 'of bullmq on Postgres', CHAIN, speed('chain', 'bullmq on Postgres'), 4),
  ratioBar('chain', 'of bullmq on Redis', CHAIN, speed('chain', 'bullmq on Redis'), 4),
  ratioBar('chain', 'of dbos', CHAIN, speed('chain', 'dbos'), 30),
  ...graphBars('fan'),
  ...graphBars('layers'),
  ...graphBars('random'),
  ratioBar('limits', 'one limit, of none', speed('limits', 'one limit'), speed('limits', 'no limit'), 0.8),
  {
    shape: 'bulk',
    text: 'through the HTTP API',
    unit: 'tasks/s',
    value: valueOf(...speed('http', 'register')),
    atLeast: 100_000,
  },
  {
    shape: 'bulk',
    text: 'through the registrar',
    unit: 'tasks/s',
    value: valueOf(...speed('bulk', 'registrar')),
    atLeast: 100_000,
  },
  {
    shape: 'bulk',
    text: 'through SQL inserts',
    unit: 'tasks/s',
    value: valueOf(...speed('bulk', 'SQL insert')),
    atLeast: 100_000,
  },
  ratioBar(
    'http',
    'of a no-op route',
    ['http', 'register', 'requestsPerSecond'],
    ['http', 'no-op route', 'requestsPerSecond'],
    0.3,
  ),
  {
    shape: 'http',
    text: 'single registrations',
    unit: 'requests/s',
    value: valueOf('http', 'register', 'requestsPerSecond'),
    atLeast: 15_000,
  },
  ratioBar(
    'hooks',
    'of the register route with the same body',
    ['hooks', 'webhook', 'requestsPerSecond'],
    ['hooks', 'register', 'requestsPerSecond'],
    0.8,
  ),
  {
    shape: 'hooks',
    text: 'synchronous, two steps, at rest, p50',
    unit: 'ms',
    value: valueOf('hooks', 'synchronous', 'restP50Ms'),
    atMost: 10,
  },
  {
    shape: 'latency',
    text: 'register → start in one process, of graphile-worker add → start, p50',
    unit: '×',
    value: ratioOf(
      ['latency', 'umbel, one process', 'startP50Ms'],
      ['latency', 'graphile-worker', 'startP50Ms'],
    ),
    atMost: 1,
  },
  {
    shape: 'latency',
    text: 'register → start over HTTP, p50',
    unit: 'ms',
    value: valueOf('latency', 'umbel, over HTTP', 'startP50Ms'),
    atMost: 5,
  },
  {
    shape: 'latency',
    text: 'hop of a chain, of a bare update with commit, p50',
    unit: '×',
    value: ratioOf(['latency', 'umbel, chain of 40', 'hopP50Ms'], ['latency', 'bare update', 'updateP50Ms']),
    atMost: 2,
  },
  {
    shape: 'latency',
    text: 'chain of 40 empty steps, p50',
    unit: 'ms',
    value: valueOf('latency', 'umbel, chain of 40', 'chainP50Ms'),
    atMost: 120,
  },
  priorityBar('one process'),
  priorityBar('two processes'),
  snapshotBar('flat'),
  snapshotBar('chain'),
  ratioBar(
    'growth',
    'on a history, of empty tables',
    speed('growth', 'on a history'),
    speed('growth', 'empty tables'),
    0.9,
  ),
  ...manyBars('2 watchers'),
  ...manyBars('4 watchers'),
  ...scheduleBars('1 scheduler'),
  ...scheduleBars('3 schedulers'),
  {
    shape: 'real-work',
    text: 'of the arithmetic limit',
    unit: '×',
    value: valueOf('real-work', 'umbel', 'shareOfLimit'),
    atLeast: 0.9,
  },
  {
    shape: 'idle',
    text: 'CPU, of a core',
    unit: '%',
    value: valueOf('idle', 'umbel', 'cpuPercent'),
    atMost: 1,
  },
  { shape: 'idle', text: 'memory', unit: 'MB', value: valueOf('idle', 'umbel', 'rssMb'), atMost: 120 },
];
