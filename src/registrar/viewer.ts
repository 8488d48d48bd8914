// Which flows a caller sees: those that it or its tenant owns. Called by whatever is asked for a flow; sql/flow-list.ts has the same rule.
import type { Definition } from '../sql/definitions.ts';
import type { Sight } from '../sql/flow-list.ts';

/** Who asks. Without a user it is somebody at the command line, who sees the flows of the tenant. */
export interface Viewer {
  tenant: string;
  user?: string | undefined;
  permissions?: 'all' | ReadonlySet<string> | undefined;
}

export function sightOf({ tenant, user, permissions }: Viewer): Sight {
  if (permissions === 'all') return { all: true };
  return { all: false, tenant, user, wholeTenant: permissions?.has('tenant.all') ?? false };
}

/** A flow that nobody owns is its tenant's. */
export function maySee(viewer: Viewer, { tenant, owners }: Pick<Definition, 'tenant' | 'owners'>): boolean {
  const sight = sightOf(viewer);
  if (sight.all) return true;
  const { user, wholeTenant } = sight;
  if (wholeTenant || user === undefined || owners.length === 0) if (tenant === sight.tenant) return true;
  if (wholeTenant || user === undefined) return false;
  return owners.some(
    ({ id, type }) => (type === 'user' && id === user) || (type === 'tenant' && id === sight.tenant),
  );
}
