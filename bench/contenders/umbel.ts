// Umbel itself: its schema. How it is loaded and watched is in umbel/.
import { migrateUp } from '../../src/sql/migrate.ts';
import type { Contender } from '../shape.ts';

export const umbel: Contender = {
  name: 'umbel',
  install: async (url) => void (await migrateUp({ url })),
};
