// The names that expressions see. Built by whoever evaluates: the watcher for tasks.
import type { Json } from '../dag/vocabulary.ts';

/** `$input`, `$execution` and so on; one that is left out is nothing (null) in the expression. */
export interface Scope {
  /** The task's input. */
  input?: Json;
  /** `input` is what the execution was started with. */
  execution?: { id: string; flow: string; input?: Json };
  /** Outputs of ancestors, by the name under which they are found. */
  steps?: { [name: string]: Json };
  /** The element of a map, and its place from 0. */
  item?: Json;
  index?: number;
  /** What went wrong: in catch and fallback. */
  error?: Json;
  /** In parameters only. */
  secrets?: { [name: string]: string };
  callback?: { url: string; token: string };
}
