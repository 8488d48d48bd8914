// Secrets by name, as a definition writes them.
import { expect, test } from 'vitest';
import { findSecretIn } from '../../src/secrets.ts';

const find = findSecretIn({ SECRET_GITHUB: 'g', SECRET_MY_KEY: 'k', SECRET_EMPTY: '', GITHUB: 'other' });

test('is found whatever the case of its name, and with signs that a variable cannot have', () => {
  expect([find('github'), find('GitHub'), find('my-key'), find('my_key')]).toEqual(['g', 'g', 'k', 'k']);
});

test('there is none of an unknown name, and an empty one counts as none', () => {
  expect([find('gitlab'), find('empty'), find('')]).toEqual([undefined, undefined, undefined]);
});
