// All shapes, in the order in which a round runs them. Called by run.ts and case-process.ts.
import type { Shape } from './shape.ts';
import { bulk } from './shapes/bulk.ts';
import { chain } from './shapes/chain.ts';
import { dense } from './shapes/dense.ts';
import { events } from './shapes/events.ts';
import { fan } from './shapes/fan.ts';
import { flat } from './shapes/flat.ts';
import { growth } from './shapes/growth.ts';
import { hooks } from './shapes/hooks.ts';
import { http } from './shapes/http.ts';
import { idle } from './shapes/idle.ts';
import { latency } from './shapes/latency.ts';
import { layers } from './shapes/layers.ts';
import { limits } from './shapes/limits.ts';
import { many } from './shapes/many.ts';
import { oldSnapshot } from './shapes/old-snapshot.ts';
import { priority } from './shapes/priority.ts';
import { random } from './shapes/random.ts';
import { realWork } from './shapes/real-work.ts';
import { schedules } from './shapes/schedules.ts';

export const SHAPES: Shape[] = [
  flat,
  chain,
  fan,
  layers,
  random,
  dense,
  bulk,
  http,
  hooks,
  latency,
  priority,
  oldSnapshot,
  growth,
  limits,
  many,
  schedules,
  realWork,
  events,
  idle,
];
