// Which components a flow uses, and whether what it uses is ready. Called by start-stop.ts and reconcile.ts.
import type { JsonObject } from '../../dag/vocabulary.ts';
import type { Component } from '../../sql/components.ts';
import type { Definition } from '../../sql/definitions.ts';
import type { KnownPrograms } from '../../sql/known-programs.ts';
import { toFlow } from '../definition/rows.ts';
import { judgeProgram, poolOf } from '../repository/known-programs.ts';
import { splitProgram } from '../repository/view.ts';

/** Says why a component cannot be used now; null when it can. */
export type FindTrouble = (component: Component) => Promise<string | null>;

export interface Readiness {
  /** What keeps the flow from starting. */
  failures: Trouble[];
  /** Global components that are down. */
  warnings: Trouble[];
}

export interface Trouble {
  componentId: string;
  reason: string;
}

/** Ids of what may be components of the flow. */
export function listComponentIds({ steps }: Pick<Definition, 'steps'>): string[] {
  return [...new Set(steps.map(({ program }) => splitProgram(program).componentId))];
}

/** Its own: they live and die with it. */
export function ownComponents(components: Component[]): Component[] {
  return components.filter(({ isGlobal, kind }) => !isGlobal && kind !== 'program');
}

export async function findReadiness(
  definition: Definition,
  components: Component[],
  known: KnownPrograms,
  findTrouble: FindTrouble,
): Promise<Readiness> {
  const flow = toFlow(definition);
  const used = components.filter(({ kind }) => kind !== 'program');
  const ids = new Map(used.map(({ id, kind }) => [id, kind]));
  const unknown = flow.steps.flatMap((step) => {
    const verdict = judgeProgram(step, poolOf(step, flow), { ...known, components: ids });
    if (verdict?.kind !== 'unknown') return [];
    return [{ componentId: splitProgram(step.program).componentId, reason: verdict.message }];
  });
  const troubles = await Promise.all(used.map((component) => describeTrouble(component, findTrouble)));
  const failing = troubles.filter((trouble) => trouble !== null);
  return {
    failures: [...unknown, ...failing.filter(({ isGlobal }) => !isGlobal).map(toTrouble)],
    warnings: failing.filter(({ isGlobal }) => isGlobal).map(toTrouble),
  };
}

function toTrouble({ componentId, reason }: Trouble): Trouble {
  return { componentId, reason };
}

async function describeTrouble(
  component: Component,
  findTrouble: FindTrouble,
): Promise<(Trouble & { isGlobal: boolean }) | null> {
  const { id, isGlobal, status } = component;
  if (isGlobal) {
    const reason = `the global component "${id}" is ${status}: start it`;
    return status === 'active' ? null : { componentId: id, isGlobal, reason };
  }
  const reason = await findTrouble(component);
  return reason === null ? null : { componentId: id, isGlobal, reason };
}

/** What an event says of one. */
export function tellComponent(
  name: string,
  { id, tenant, kind, isGlobal }: Component,
  rest: JsonObject,
): { name: string; tenant: string; payload: JsonObject } {
  return { name: `component.${name}`, tenant, payload: { id, kind, isGlobal, tenant, ...rest } };
}
