// Flower's sample flow, so that a first start has something to register.
import type { Database } from './database.ts';

/** Puts the flow `example` into a database that has no definitions; its last step posts to `echoUrl`. True when it did. */
export async function insertSample(db: Database, echoUrl: string): Promise<boolean> {
  const { rowCount } = await db.pool.query(
    `insert into ms_task_definition (task_id, task_seq, program, param1_key, param1_value, param2_key, param2_value)
     select * from (values
       ('example', 1, 'EchoRandomTimeSleep', null, null, null, null),
       ('example', 2, 'EchoParamTimeSleep', 'SLEEP_TIME_SECOND', '3', null, null),
       ('example', 3, 'HTTPPostRequest', 'URL', $1, 'BODY', '{"id": "test"}')
     ) sample (task_id, task_seq, program, k1, v1, k2, v2)
     where not exists (select from ms_task_definition)
     on conflict do nothing`,
    [echoUrl],
  );
  return rowCount! > 0;
}
