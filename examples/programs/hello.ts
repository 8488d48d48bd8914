// A program of your own: start the watcher with `--programs examples/programs`.
import { defineProgram, Type } from 'umbel';

export default defineProgram({
  name: 'hello',
  description: 'Greets somebody.',
  params: Type.Object({
    name: Type.String({ minLength: 1 }),
    times: Type.Integer({ minimum: 1, default: 1 }),
  }),
  run({ params, log }) {
    log.info(`greeting ${params.name}`);
    return { greeting: Array(params.times).fill(`Hello, ${params.name}!`).join(' ') };
  },
});
