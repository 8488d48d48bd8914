// Events for tests: emits them, and waits for what comes of them.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Pool, PoolClient } from 'pg';

/** Emits events of the name, with these numbers as payload, in a transaction of their own or the client's. */
export async function emit(client: Pool | PoolClient, name: string, ...numbers: number[]): Promise<void> {
  await client.query(
    `select umbel_emit_v1(array_agg($1::text), array_agg('local'::text), array_agg(to_jsonb(n) order by ordinal)) from unnest($2::int[]) with ordinality u(n, ordinal)`,
    [name, numbers],
  );
}

/** Waits until `look` gives something else than undefined or false. */
export async function until<T>(look: () => T | Promise<T>): Promise<Exclude<T, false | undefined>> {
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found as Exclude<T, false | undefined>;
    await sleep(10);
  }
}
