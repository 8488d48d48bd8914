import { Writable } from 'node:stream';
import { expect, test } from 'vitest';
import { makeLogger, withoutPassword } from '../../src/log.ts';

function logged(logFormat: 'json' | 'pretty', write: (log: ReturnType<typeof makeLogger>) => void): string {
  const chunks: string[] = [];
  const sink = new Writable({
    write(chunk, _encoding, done) {
      chunks.push(String(chunk));
      done();
    },
  });
  write(makeLogger({ logLevel: 'info', logFormat }, sink));
  return chunks.join('');
}

test('writes one JSON object a line, from the set level on', () => {
  const text = logged('json', (log) => {
    log.debug('unseen');
    log.info({ flow: 'example' }, 'registered');
  });
  expect(
    text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line)),
  ).toEqual([expect.objectContaining({ level: 30, flow: 'example', msg: 'registered' })]);
});

test('writes lines for people', () => {
  const text = logged('pretty', (log) => log.info({ flow: 'example' }, 'registered'));
  expect(text).toMatch(/INFO.*registered.*"flow":"example"/);
});

test.each(['json', 'pretty'] as const)('keeps secrets out of %s lines', (format) => {
  const text = logged(format, (log) =>
    log.info(
      { password: 'p1', settings: { databaseUrl: 'p2' }, req: { headers: { authorization: 'p3' } } },
      'x',
    ),
  );
  expect(text).toContain('[secret]');
  expect(text).not.toMatch(/p[123]/);
});

test.each([
  ['postgres://flower:s3cret@db:5432/flower', 'flower@db:5432/flower'],
  ['postgres://db/flower', 'db/flower'],
  ['postgres:///flower?host=%2Frun%2Fpg&user=me&password=s3cret', 'me@/run/pg/flower'],
  ['s3cret', '(not an address)'],
])('shows %s as %s', (url, shown) => {
  expect(withoutPassword(url)).toBe(shown);
});
