// Reads nodes and edges as steps, and says in Open Integration Hub's words what is wrong with them. Called by input.ts.
// What it gives is whole enough to be judged further by definition/check.ts, so that all problems come at once.
import { didYouMean } from '../../dag/near.ts';
import type { Problem } from '../../dag/vocabulary.ts';
import type { StepDefinition } from '../definition/schema.ts';
import { toProgram } from './view.ts';

type Loose = { [key: string]: unknown };
type Report = (path: string, message: string) => void;

const LONGEST_ID = 30;
/** These stand in the edges, or are spelled otherwise. */
const NOT_OF_NODES = ['program', 'params', 'after', 'before', 'conditions', 'edgeIds'];
const EDGE_KEYS = ['id', 'source', 'target', 'config'];

export function readGraph(value: unknown): { steps: StepDefinition[]; problems: Problem[] } {
  const problems: Problem[] = [];
  const report: Report = (path, message) => problems.push({ path, message });
  if (!isObject(value)) report('graph', 'Flows require a graph.');
  const { nodes, edges, ...others } = asObject(value);
  for (const key of Object.keys(others))
    report(`graph.${key}`, `is not known${didYouMean(key, ['nodes', 'edges'])}`);
  const listed = Array.isArray(nodes) ? nodes : [];
  if (isObject(value) && listed.length === 0) report('graph.nodes', 'Flows require at least one node.');
  const steps = listed.map((node, at) => readNode(node, `graph.nodes[${at}]`, at, report));
  const drawn = Array.isArray(edges) ? edges : [];
  if (listed.length > 1 && drawn.length === 0)
    report('graph.edges', 'Flows with more than one node require edges.');
  else if (edges !== undefined && !Array.isArray(edges)) report('graph.edges', 'must be a list');
  for (const [at, edge] of drawn.entries()) readEdge(edge, `graph.edges[${at}]`, steps, report);
  return { steps, problems };
}

function readNode(value: unknown, path: string, at: number, report: Report): StepDefinition {
  const { id, componentId, function: name, fields, ...rest } = asObject(value);
  if (!isText(id)) report(`${path}.id`, 'Flow nodes require an id.');
  else if (id.length > LONGEST_ID)
    report(`${path}.id`, `Flow node ids have at most ${LONGEST_ID} characters.`);
  if (!isText(componentId)) report(`${path}.componentId`, 'Flow nodes require a componentId.');
  else if (componentId.includes('.')) report(`${path}.componentId`, 'must not hold a dot');
  if (!isText(name)) report(`${path}.function`, 'Flow nodes require a function.');
  for (const key of NOT_OF_NODES) {
    if (rest[key] !== undefined) report(`${path}.${key}`, 'is not known in a node');
    delete rest[key];
  }
  const program = isText(componentId) && isText(name) ? toProgram(componentId, name) : 'empty';
  const params = fields === undefined ? {} : { params: fields };
  return { ...rest, id: isText(id) ? id : `node ${at}`, program, ...params } as StepDefinition;
}

/** One without source or target gets no further. */
function readEdge(value: unknown, path: string, steps: StepDefinition[], report: Report): void {
  const { source, target, id, config, ...others } = asObject(value);
  for (const key of Object.keys(others))
    report(`${path}.${key}`, `is not known${didYouMean(key, EDGE_KEYS)}`);
  if (!isText(source)) report(`${path}.source`, 'Flow edges require a source.');
  if (!isText(target)) report(`${path}.target`, 'Flow edges require a target.');
  if (!isText(source) || !isText(target)) return;
  const find = (end: 'source' | 'target', name: string) => {
    const step = steps.find((one) => one.id === name);
    if (step === undefined)
      report(`${path}.${end}`, `Edge ${end} with id "${name}" could not be found among nodes.`);
    return step;
  };
  const from = find('source', source);
  const to = find('target', target);
  if (from === undefined || to === undefined) return;
  if (to.after?.includes(source))
    return report(path, `There is an edge from "${source}" to "${target}" already.`);
  to.after = [...(to.after ?? []), source];
  if (id !== undefined) to.edgeIds = { ...to.edgeIds, [source]: id as string };
  readCondition(config, path, report, (condition) => {
    to.conditions = { ...to.conditions, [source]: condition };
  });
}

function readCondition(
  config: unknown,
  path: string,
  report: Report,
  keep: (condition: string) => void,
): void {
  if (config === undefined) return;
  if (!isObject(config)) return report(`${path}.config`, 'must be an object');
  const { condition, ...others } = config;
  for (const key of Object.keys(others))
    report(`${path}.config.${key}`, `is not known${didYouMean(key, ['condition'])}`);
  if (condition !== undefined) keep(condition as string);
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

function isObject(value: unknown): value is Loose {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function asObject(value: unknown): Loose {
  return isObject(value) ? value : {};
}
