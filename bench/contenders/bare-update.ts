// No contender but the floor: one row updated and committed, one after the other, on one connection.
import { Client } from 'pg';
import { millisecondsBetween } from '../probes/starts.ts';
import { describeLatencies } from '../statistics.ts';
import type { Case } from '../shape.ts';

const SAMPLES = 500;

export const updateRows: Case = {
  contender: {
    name: 'bare postgres',
    async install(url) {
      const client = new Client({ connectionString: url });
      await client.connect();
      await client.query('create table counted (id int primary key, n int not null) with (fillfactor = 50)');
      await client.query('insert into counted values (1, 0)');
      await client.end();
    },
  },
  async run({ url }) {
    const client = new Client({ connectionString: url });
    await client.connect();
    const latencies: number[] = [];
    for (let i = 0; i < SAMPLES; i += 1) {
      const began = process.hrtime.bigint();
      await client.query({ name: 'count', text: 'update counted set n = n + 1 where id = $1', values: [1] });
      latencies.push(millisecondsBetween(began, process.hrtime.bigint()));
    }
    await client.end();
    return { figures: describeLatencies('update', latencies), settings: { samples: SAMPLES } };
  },
};
