import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../../support/database.ts';

describe('the revision of a flow', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createDatabase();
  });
  afterAll(() => database.drop());

  test('is bumped by everything that changes its definition, and by nothing else', async () => {
    const { pool } = database.db;
    const revisions = async () => {
      const { rows } = await pool.query<{ task_id: string; revision: string }>(
        'select task_id, revision from ms_flow order by task_id',
      );
      return Object.fromEntries(rows.map(({ task_id, revision }) => [task_id, Number(revision)]));
    };
    await pool.query(
      `insert into ms_task_definition (task_id, task_seq, program) values ('x', 1, 'empty'), ('x', 2, 'empty'), ('y', 1, 'empty')`,
    );
    expect(await revisions()).toEqual({ x: 1, y: 1 });
    await pool.query(`insert into ms_task_definition (task_id, task_seq, program) values ('x', 3, 'empty')`);
    expect(await revisions()).toEqual({ x: 2, y: 1 });
    await pool.query(`update ms_task_definition set param1_key = 'A' where task_id = 'x'`);
    expect(await revisions()).toEqual({ x: 3, y: 1 });
    await pool.query(`update ms_task_definition set task_id = 'z' where task_id = 'y'`);
    expect(await revisions()).toEqual({ x: 3, y: 2, z: 1 });
    await pool.query(`delete from ms_task_definition where task_id = 'x' and task_seq = 3`);
    expect(await revisions()).toEqual({ x: 4, y: 2, z: 1 });
    await pool.query(`update ms_task_definition set program = 'other' where task_id = 'nobody'`);
    expect(await revisions()).toEqual({ x: 4, y: 2, z: 1 });
    await pool.query('truncate ms_task_definition');
    expect(await revisions()).toEqual({ x: 5, y: 3, z: 2 });
  });
});
