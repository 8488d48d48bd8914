// What runs in the thread of sandbox.ts: one expression after the other, kept compiled.
import type jsonata from 'jsonata';
import { parentPort } from 'node:worker_threads';
import { toExpressionError } from './expression-error.ts';
import { LIMITS } from './limits.ts';
import { compile } from './parse.ts';
import { run } from './run.ts';
import type { Answer, Question } from './sandbox.ts';

const KEPT = 500;
const compiled = new Map<string, jsonata.Expression>();

function find(text: string): jsonata.Expression {
  const known = compiled.get(text) ?? compile(text, LIMITS.time);
  compiled.set(text, known);
  if (compiled.size > KEPT) compiled.delete(compiled.keys().next().value!);
  return known;
}

async function answer({ text, context, scope }: Question): Promise<Answer> {
  try {
    return { value: await run(find(text), context, scope) };
  } catch (thrown) {
    const { message, details } = toExpressionError(thrown, text);
    return { message, details };
  }
}

const say = (said: Answer) => parentPort?.postMessage(said, []);
parentPort?.on('message', (question: Question) => void answer(question).then(say));
say('ready');
