// Finds components for programs that call them, and remembers them for a while. Made by cmd/.
import type { FindComponent, FoundComponent } from '../programs/component-program.ts';
import { findComponent } from '../sql/components.ts';
import type { Database } from '../sql/database.ts';

/** Milliseconds that a component is remembered: how long a change may go unseen whose hint was lost. */
const REMEMBERED = 5_000;
const KEPT = 1_000;

export interface ComponentFinder {
  find: FindComponent;
  /** A component changed. */
  forget: () => void;
}

export function makeComponentFinder(db: Database): ComponentFinder {
  const known = new Map<string, { component: FoundComponent; until: number }>();
  return {
    async find(execution, componentId) {
      // Two executions of a flow have one tenant.
      const key = `${componentId}\0${execution.flow}`;
      const remembered = known.get(key);
      if (remembered !== undefined && remembered.until > performance.now()) return remembered.component;
      known.delete(key);
      const component = await findComponent(db.kysely, execution, componentId);
      // One that is missing may be there the next moment.
      if (component !== null) known.set(key, { component, until: performance.now() + REMEMBERED });
      if (known.size > KEPT) known.delete(known.keys().next().value!);
      return component;
    },
    forget: () => known.clear(),
  };
}
