import { describe, expect, expectTypeOf, test } from 'vitest';
import { defineFlow, defineProgram, type Ended, Type, UmbelClient } from '../../../src/index.ts';

const fetchOrders = defineProgram({
  name: 'orders.fetch',
  description: 'Fetches orders.',
  params: Type.Object({
    day: Type.String(),
    limit: Type.Integer({ default: 10 }),
    tags: Type.Array(Type.String()),
  }),
  run: async () => [{ id: 1 }],
});
const count = defineProgram({ name: 'count', description: 'Counts.', run: () => ({ count: 1 }) });
const mail = defineProgram({ name: 'mail', description: 'Mails.', run: () => {} });

const flow = defineFlow({
  id: 'orders',
  defaults: { retry: 3 },
  steps: [
    { id: 'load', program: fetchOrders, params: { day: 'today', tags: ['a', 'b'] } },
    { id: 'count', program: count, after: ['load'] },
  ],
});

test('a flow is what the API takes, with programs by name', () => {
  expect(flow).toEqual({
    id: 'orders',
    defaults: { retry: 3 },
    steps: [
      { id: 'load', program: 'orders.fetch', params: { day: 'today', tags: ['a', 'b'] } },
      { id: 'count', program: 'count', after: ['load'] },
    ],
  });
});

test('a definition that types cannot judge is judged when it is made', () => {
  const program: string = ' ';
  expect(() => defineFlow({ id: 'x', steps: [{ id: 'all', program, priority: 20 }] })).toThrow(
    /^defineFlow: the flow "x" is not valid:\n {2}steps\[0\]\.priority: must be a whole number from -20 to 19\n/,
  );
});

describe('types', () => {
  const make = () => {
    const client = new UmbelClient();
    return {
      started: () => client.execute(flow),
      one: () => client.execute(flow, { wait: '1s' }),
      named: () => client.execute('orders', { wait: 1000 }),
    };
  };
  type OutputOf<Defined> = Defined extends { execute: () => Promise<Ended<infer Output>> } ? Output : never;
  const outputOf = <Output>(defined: Parameters<typeof UmbelClient.prototype.execute<Output>>[0]) => ({
    execute: () => new UmbelClient().execute<Output>(defined, { wait: 1 }),
  });

  test('carry the result of the only leaf to the execution', () => {
    expectTypeOf(make().one).returns.resolves.toEqualTypeOf<Ended<{ count: number }>>();
    expectTypeOf(make().started).returns.resolves.toEqualTypeOf<{ id: string }>();
  });

  test('carry the results of several leaves, by id', () => {
    const leaves = defineFlow({
      id: 'x',
      steps: [
        { id: 'load', program: fetchOrders },
        { id: 'count', program: count, after: ['load'] },
        { id: 'mail', program: mail, after: ['load'] },
        { id: 'try', program: count, allowFail: true },
      ],
    });
    const { execute } = outputOf(leaves);
    expectTypeOf<OutputOf<{ execute: typeof execute }>>().toEqualTypeOf<{
      count: { count: number };
      mail: null;
      try: { count: number } | null;
    }>();
  });

  test('know that what comes after all is the only leaf, and what comes before another is none', () => {
    const all = defineFlow({
      id: 'x',
      steps: [
        { id: 'a', program: fetchOrders },
        { id: 'b', program: count, after: ['all'] },
      ],
    });
    const before = defineFlow({
      id: 'x',
      steps: [
        { id: 'a', program: fetchOrders, before: ['b'] },
        { id: 'b', program: count },
      ],
    });
    const [first, second] = [outputOf(all).execute, outputOf(before).execute];
    expectTypeOf<OutputOf<{ execute: typeof first }>>().toEqualTypeOf<{ count: number }>();
    expectTypeOf<OutputOf<{ execute: typeof second }>>().toEqualTypeOf<{ count: number }>();
  });

  test('refuse parameters that the program does not know, or of another type', () => {
    const wrong = () => [
      // @ts-expect-error the program knows no parameter "dya"
      defineFlow({ id: 'x', steps: [{ id: 'a', program: fetchOrders, params: { dya: 'today' } }] }),
      // @ts-expect-error a day is text
      defineFlow({ id: 'x', steps: [{ id: 'a', program: fetchOrders, params: { day: 1 } }] }),
      // @ts-expect-error there is one that it knows and one that it does not
      defineFlow({ id: 'x', steps: [{ id: 'a', program: fetchOrders, params: { day: 'x', dya: 'x' } }] }),
      defineFlow({
        id: 'x',
        steps: [{ id: 'a', program: 'by.name', params: { anything: { at: ['all'] } } }],
      }),
    ];
    expect(wrong).not.toThrow();
  });

  test('refuse steps that do not exist, and keys that steps do not have', () => {
    const wrong = [
      () =>
        defineFlow({
          id: 'x',
          steps: [
            { id: 'a', program: count },
            // @ts-expect-error there is no step "aa"
            { id: 'b', program: count, after: ['aa'] },
          ],
        }),
      // @ts-expect-error retries are numbers
      () => defineFlow({ id: 'x', steps: [{ id: 'a', program: count, retry: 'often' }] }),
    ];
    for (const make of wrong) expect(make).toThrow(TypeError);
  });
});
