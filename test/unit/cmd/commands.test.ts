// The command line loads a command by its name alone: the names must be those that the commands have.
import { expect, test } from 'vitest';
import { ENTRIES } from '../../../cmd/commands.ts';

test.each(ENTRIES)('$names are what is loaded for them', async ({ names, load }) => {
  const commands = await load();
  expect(commands.map((command) => command.name())).toEqual(names);
});

test('no name is there twice', () => {
  const names = ENTRIES.flatMap((entry) => entry.names);
  expect(new Set(names).size).toBe(names.length);
});
