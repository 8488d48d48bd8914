// What expressions give, and that nothing they do can hurt the process.
import { describe, expect, test } from 'vitest';
import type { Json } from '../../../src/dag/vocabulary.ts';
import { evaluate, isTrue } from '../../../src/expressions/evaluate.ts';
import { ExpressionError } from '../../../src/expressions/expression-error.ts';
import { parseExpression } from '../../../src/expressions/parse.ts';
import type { Scope } from '../../../src/expressions/scope.ts';

const scope: Scope = {
  input: { amount: 3, tags: ['a', 'b'] },
  execution: { id: 'e1', flow: 'shop', input: { customer: 7 } },
  steps: {
    orders: {
      body: [
        { id: 1, price: 10 },
        { id: 2, price: 20 },
      ],
    },
    'a b': 5,
    none: null,
  },
  secrets: { token: 's3cret' },
};
const give = (text: string, context: Json = null, rest: Scope = scope) => evaluate(text, context, rest);

async function fail(text: string): Promise<ExpressionError> {
  const error = await give(text).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(ExpressionError);
  return error as ExpressionError;
}

/** The main thread has turns of its own while the work goes on. */
async function countTurns(work: Promise<unknown>): Promise<number> {
  let turns = 0;
  const timer = setInterval(() => (turns += 1), 5);
  await work;
  clearInterval(timer);
  return turns;
}

describe('the names in scope', () => {
  test.each([
    ['$input.amount + 1', 4],
    ['$execution.input.customer', 7],
    ['$execution.id & "/" & $execution.flow', 'e1/shop'],
    ['$steps.orders.body.price', [10, 20]],
    ['$sum($steps.orders.body.price)', 30],
    ['$steps."a b"', 5],
    ['$steps.`a b`', 5],
    ['$secrets.token', 's3cret'],
    ['$map($steps.orders.body, function($o, $i) { $o.id * $i })', [0, 2]],
    ['$steps.orders.body.{"n": id}', [{ n: 1 }, { n: 2 }]],
    ['$parse("{\\"a\\":[1]}")', { a: [1] }],
  ])('%s', async (text, value) => {
    expect(await give(text)).toEqual(value);
  });

  test('the context is $, and names without a variable are looked for in it', async () => {
    expect(await give('$', [1, 2])).toEqual([1, 2]);
    expect(await give('status & " " & $.body.name', { status: 200, body: { name: 'x' } })).toBe('200 x');
  });

  test.each([
    '$nothing',
    '$steps.unknown',
    '$steps.none',
    '$steps.orders.body.missing',
    '$error.message',
    'name',
    '$item',
  ])('a name that is missing is nothing: %s', async (text) => {
    expect(await give(text)).toBeNull();
  });

  test('names of JavaScript are not there', async () => {
    for (const text of [
      '$input.constructor',
      '$input.__proto__',
      '$input.toString',
      '$constructor',
      '$process',
      '$string.implementation',
    ])
      expect(await give(text)).toBeNull();
  });

  test('what one expression binds, another does not see', async () => {
    expect(await give('($kept := 5; $kept)')).toBe(5);
    expect(await give('$kept')).toBeNull();
    expect(await give('($input := 5; $input)')).toBe(5);
    expect(await give('$input.amount')).toBe(3);
  });

  test('a result shares nothing with what went in', async () => {
    const tags = ['a'];
    const found = (await give('$input.tags', null, { input: { tags } })) as string[];
    found.push('b');
    expect(tags).toEqual(['a']);
  });

  test('keys that mean something in JavaScript are keys like others', async () => {
    const input = JSON.parse('{"__proto__": {"admin": true}, "a": 1}') as Json;
    expect(JSON.stringify(await give('$input', null, { input }))).toBe('{"__proto__":{"admin":true},"a":1}');
    expect(await give('{"__proto__": {"admin": true}}.admin')).not.toBe(undefined);
    expect(({} as { admin?: boolean }).admin).toBeUndefined();
  });
});

describe('errors', () => {
  test('say where in the text', async () => {
    const error = await fail('$input.amount +');
    expect(error).toMatchObject({ name: 'ExpressionError', details: { expression: '$input.amount +' } });
    expect(error.message).toMatch(/at character 15/);
    expect((await fail('$input.tags - 1')).message).toContain('must evaluate to a number');
    expect(error.stack).toBeUndefined();
  });

  test.each([
    ['$error("no such customer")', 'no such customer'],
    ['$sum', 'it gives a function; call it'],
    ['{"f": function($x) { $x }}', 'it gives a function; call it'],
    ['$eval("1")', '$eval is not available'],
    ['$parse("{")', '$parse'],
    ['', 'it is empty'],
    [`"${'x'.repeat(10_001)}"`, 'more than 10000 characters'],
  ])('fails with its reason, %#', async (text, message) => {
    expect((await fail(text)).message).toContain(message);
  });

  test('$eval cannot be had by another way either', async () => {
    expect((await fail('($e := $lookup({"a": 1}, "a"); ["1"] ~> $map($eval))')).message).toContain('$eval');
  });
});

describe('what could go on for ever', () => {
  test.each([
    ['an endless recursion', '($f := function($x) { 1 + $f($x) }; $f(1))', 'recursion'],
    ['an endless loop', '($f := function($x) { $f($x + 1) }; $f(1))', 'too long'],
    ['a pattern that tries for ever', `$match("${'a'.repeat(40)}b", /^(a+)+$/)`, 'too long'],
    ['a text of a gigabyte', '$length($pad("x", 1000000000))', 'too much memory|too large'],
    [
      'text that doubles',
      '($f := function($x, $n) { $n = 0 ? $x : $f($x & $x, $n - 1) }; $f("x", 40))',
      'too large',
    ],
    [
      'a list of lists of lists',
      '($f := function($x, $n) { $n = 0 ? $x : $f({"a": $x, "b": $x}, $n - 1) }; $f(1, 60))',
      'too large',
    ],
    ['a list that is too long', '[1..5000000]', 'too long'],
    ['a result that is too large', '$pad("x", 1100000)', 'too large'],
  ])('%s fails, and the process goes on', async (_name, text, message) => {
    expect((await fail(text)).message).toMatch(new RegExp(message));
    expect(await give('$map([1, 2], function($x) { $x + 1 })')).toEqual([2, 3]);
  });

  test('one that hangs fails alone: those that wait behind it are answered', async () => {
    const hanging = give(`$match("${'a'.repeat(40)}b", /^(a+)+$/)`).catch((error: unknown) => error);
    const behind = Promise.all(
      [1, 2, 3].map((n) => give('$map([$input], function($x) { $x * 2 })', null, { input: n })),
    );
    expect(await countTurns(hanging)).toBeGreaterThan(0);
    expect(await hanging).toBeInstanceOf(ExpressionError);
    expect(await behind).toEqual([[2], [4], [6]].map(([one]) => one));
  });

  test('only what picks, compares and joins runs on the main thread', () => {
    const isHarmless = (text: string) => {
      const parsed = parseExpression(text);
      return !(parsed instanceof Error) && parsed.harmless;
    };
    for (const text of [
      '$steps.a.b[c = 1]',
      '$input.n > 3 and $exists(x)',
      '{"a": [$input, 1]}',
      'a ? b : "c" & $string(d)',
      '$count(a.b) = 2',
      'a ?? 1',
    ])
      expect([text, isHarmless(text)]).toEqual([text, true]);
    for (const text of [
      '/a/',
      '$match(a, /b/)',
      'a.(b)',
      'a.{"b": $$}',
      '[1..2]',
      '($a := 1; $a)',
      '$map(a, $string)',
      'a{b: c}',
      '**',
      '$now("[Y]")',
      'a^(b)',
      '$f()',
      'a ~> |b|{}|',
      '$sum(?)',
    ])
      expect([text, isHarmless(text)]).toEqual([text, false]);
  });
});

test('a condition holds as in JSONata', () => {
  for (const value of [true, 1, -1, 'false', [0, 1], { a: 0 }, [[''], [1]]]) expect(isTrue(value)).toBe(true);
  for (const value of [false, 0, '', null, [], [0, ''], {}, [[]]]) expect(isTrue(value)).toBe(false);
});
