import { expect, test } from 'vitest';
import { formatCsv, formatJson, formatTable } from '../../../cmd/table.ts';

const columns = [{ name: 'id', isNumber: true }, { name: 'program' }];

test('draws the table that psql draws', () => {
  const rows = [
    ['1', 'EchoRandomTimeSleep'],
    ['20', null],
    ['3', 'two\nlines'],
  ];
  expect(formatTable(columns, rows).split('\n')).toEqual([
    ' id |       program       ',
    '----+---------------------',
    '  1 | EchoRandomTimeSleep',
    ' 20 |',
    '  3 | two                +',
    '    | lines',
    '(3 rows)',
    '',
  ]);
});

test('counts one row as one row and draws an empty table', () => {
  expect(formatTable(columns, [['1', 'x']])).toContain('\n(1 row)\n');
  expect(formatTable(columns, [])).toBe(' id | program \n----+---------\n(0 rows)\n');
});

test('gives wide characters two columns and combining marks none', () => {
  const lines = formatTable(
    [{ name: 'a' }, { name: 'b' }],
    [
      ['日本', 'x'],
      ['e\u0301', 'x'],
      ['✅', 'x'],
    ],
  ).split('\n');
  expect(lines.slice(2, 5)).toEqual([' 日本 | x', ' e\u0301    | x', ' ✅   | x']);
});

test('spells out control characters, so that stored text cannot steer a terminal', () => {
  expect(formatTable([{ name: 'a' }], [['\u001b[2Jgone']])).toContain(' \\x1b[2Jgone');
});

test('quotes CSV fields that need it, and tells null from empty text', () => {
  expect(
    formatCsv(
      [{ name: 'a,b' }, { name: 'c' }],
      [
        ['say "x"', null],
        ['', '1\n2'],
      ],
    ),
  ).toBe('"a,b",c\r\n"say ""x""",\r\n"","1\n2"\r\n');
});

test('keys JSON rows by column', () => {
  expect(JSON.parse(formatJson(columns, [[1, { deep: [null] }]]))).toEqual([
    { id: 1, program: { deep: [null] } },
  ]);
});
