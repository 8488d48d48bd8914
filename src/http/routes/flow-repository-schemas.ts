// Shapes of what the repository of flows takes and answers, and how its lists are asked for. Called by flow-repository.ts and life-cycle.ts.
import { type Static, Type } from 'typebox';
import type { FlowOrder, FlowPage } from '../../registrar/repository/repository.ts';
import { UmbelError } from '../../errors.ts';

const AnyObject = Type.Unsafe<object>({ type: 'object', additionalProperties: true });
const Warnings = Type.Array(Type.Object({ path: Type.String(), message: Type.String() }));

export const OneFlow = Type.Object({
  data: AnyObject,
  meta: Type.Object({ warnings: Type.Optional(Warnings) }),
});
/** Each a flow, or `{id, errors}`. */
export const Graphs = Type.Object({ data: Type.Array(AnyObject), meta: Type.Object({}) });
export const FlowList = Type.Object({
  data: Type.Array(AnyObject),
  meta: Type.Object({
    total: Type.Integer(),
    page: Type.Integer(),
    perPage: Type.Integer(),
    totalPages: Type.Integer(),
  }),
});

/** For the documentation; the registrar judges it. */
export const FlowGraph = Type.Unsafe<unknown>({
  type: 'object',
  additionalProperties: true,
  description: 'keys of a flow, with a graph in place of its steps',
  properties: {
    graph: {
      type: 'object',
      properties: {
        nodes: {
          type: 'array',
          items: {
            type: 'object',
            additionalProperties: true,
            required: ['id', 'componentId', 'function'],
            properties: {
              id: { type: 'string', maxLength: 30 },
              componentId: { type: 'string' },
              function: { type: 'string' },
              fields: { type: 'object', additionalProperties: true, description: 'parameters' },
            },
          },
        },
        edges: {
          type: 'array',
          items: {
            type: 'object',
            required: ['source', 'target'],
            properties: {
              id: { type: 'string' },
              source: { type: 'string' },
              target: { type: 'string' },
              config: { type: 'object', properties: { condition: { type: 'string' } } },
            },
          },
        },
      },
    },
  },
});
const Flows = Type.Array(FlowGraph);
export const FlowOrFlows = Type.Unsafe<unknown>(Type.Union([FlowGraph, Flows]));
export const FlowChanges = Type.Unsafe<unknown>(Flows);

export function describeMany(summary: string, rest: object) {
  return { tags: ['flows'], summary, ...rest };
}

const SIZE = 10;
/** 1 to 100. */
const SIZES = '^([1-9]\\d?|100)$';
const NUMBERS = '^[1-9]\\d{0,8}$';
const STATUSES = {
  '1': 'active',
  '0': 'inactive',
  active: 'active',
  inactive: 'inactive',
  starting: 'starting',
  stopping: 'stopping',
} as const;
const KEYS: FlowOrder['key'][] = ['createdAt', 'updatedAt', 'name'];

const text = (description: string) => Type.Optional(Type.String({ description }));

export const ListQuery = Type.Object(
  {
    'page[size]': Type.Optional(Type.String({ pattern: SIZES, description: '1 to 100; 10' })),
    'page[number]': Type.Optional(Type.String({ pattern: NUMBERS, description: 'from 1' })),
    'filter[status]': Type.Optional(
      Type.String({ enum: Object.keys(STATUSES), description: '1 is active, 0 inactive' }),
    ),
    'filter[type]': text('the type of the flows'),
    'filter[user]': text('flows that this user owns'),
    sort: Type.Optional(
      Type.String({ enum: KEYS.flatMap((key) => [key, `-${key}`]), description: '- is descending' }),
    ),
    search: text('in name or description, whatever the case'),
  },
  { additionalProperties: false },
);

/** The page that a query asks for, which fits the schema. */
export function readPage(query: Static<typeof ListQuery>): { page: number; size: number; request: FlowPage } {
  const size = Number(query['page[size]'] ?? SIZE);
  const page = Number(query['page[number]'] ?? 1);
  const sort = query.sort ?? 'createdAt';
  const status = query['filter[status]'] as keyof typeof STATUSES | undefined;
  const request = {
    filter: {
      status: status === undefined ? undefined : STATUSES[status],
      type: query['filter[type]'],
      user: query['filter[user]'],
      search: query.search,
    },
    order: { key: sort.replace(/^-/, '') as FlowOrder['key'], descending: sort.startsWith('-') },
    offset: (page - 1) * size,
    limit: size,
  };
  return { page, size, request };
}

/** Errors: `BODY_INVALID`. */
export function requireList(body: unknown): unknown[] {
  if (Array.isArray(body)) return body;
  throw new UmbelError('BODY_INVALID', { problems: [{ path: '', message: 'must be a list' }] });
}
