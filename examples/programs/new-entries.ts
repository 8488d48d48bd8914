// A program for a polling flow: asks a server for what came since the last time, and remembers how far it got.
import { defineProgram, Type } from 'umbel';

export const newEntries = defineProgram({
  name: 'poll.newEntries',
  description: 'Gives the entries of a list that came since the last execution.',
  params: Type.Object({ url: Type.String() }),
  async run({ params, snapshot, signal }) {
    const since = Number((await snapshot.get()) ?? 0);
    const url = new URL(params.url);
    url.searchParams.set('since', String(since));
    const answer = await fetch(url, { signal });
    if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
    const entries = (await answer.json()) as { id: number }[];
    snapshot.set(Math.max(since, ...entries.map(({ id }) => id)));
    return entries;
  },
});
