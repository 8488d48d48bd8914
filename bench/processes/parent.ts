// A child's side of the channel: its settings, questions to answer, events to tell. Used by the other files of this folder.
import { messageOf } from '../../src/errors.ts';
import type { Body, Message } from './child.ts';

/** As startChild gave them; the file that reads them says what they are. */
export function readSettings(): unknown {
  return JSON.parse(process.argv[2] ?? '{}');
}

export type Answers = Record<string, (body: Body) => Promise<object | void>>;

/** Answers the parent's questions from now on. When the parent goes away, so does this process. */
export function answerParent(answers: Answers, ready: object = {}): void {
  process.on('message', ({ no, kind, body }: Message) => void answer(answers, no, kind, body));
  process.on('disconnect', () => process.exit(0));
  tell('ready', ready);
}

export function tell(kind: string, body: object): void {
  if (process.connected) process.send?.({ kind, body });
}

async function answer(answers: Answers, no: number | undefined, kind: string, body: Body): Promise<void> {
  try {
    const found = answers[kind];
    if (found === undefined) throw new Error(`nobody answers ${kind}`);
    process.send?.({ no, kind, body: (await found(body)) ?? {} });
  } catch (error) {
    process.send?.({ no, kind: 'failed', body: { message: messageOf(error) } });
  }
}
