// Which flows there are, a page at a time. Called by registrar/repository/.
import { sql } from 'kysely';
import type { Db } from './database.ts';
import type { LifeStatus } from './definitions.ts';

/** Absent: any. */
export interface FlowFilter {
  status?: LifeStatus | undefined;
  type?: string | undefined;
  /** Owned by this user. */
  user?: string | undefined;
  /** In the name or the description, whatever the case. */
  search?: string | undefined;
}

export interface FlowOrder {
  key: 'createdAt' | 'updatedAt' | 'name';
  descending: boolean;
}

/** Whose flows: all, those of a tenant, or those that a user or its tenant owns. */
export type Sight =
  { all: true } | { all: false; tenant: string; wholeTenant: boolean; user: string | undefined };

export interface FlowPage {
  filter: FlowFilter;
  order: FlowOrder;
  offset: number;
  limit: number;
}

/** Ids of the page in order, and how many flows fit altogether. Flows without steps do not count. */
export async function listFlows(
  db: Db,
  sight: Sight,
  { filter, order: { key, descending }, offset, limit }: FlowPage,
): Promise<{ ids: string[]; total: number }> {
  const { rows } = await sql<{ ids: string[] | null; total: string }>`
    with fitting as materialized (
      select f.task_id, f.name, f.created_ts, f.updated_ts from ms_flow f
      where exists (select from ms_task_definition d where d.task_id = f.task_id)
        and ${isSeen(sight)}
        and (${filter.status ?? null}::text is null or f.status = ${filter.status ?? null})
        and (${filter.type ?? null}::text is null or f.type = ${filter.type ?? null})
        and (${filter.user ?? null}::text is null or f.owners @> ${ownerOf('user', filter.user)}::jsonb)
        and (${filter.search ?? null}::text is null
          or position(lower(${filter.search ?? null}) in lower(concat_ws(e'\n', f.name, f.description))) > 0)
    ), page as (
      select task_id, row_number() over (order by
        case when ${key} = 'createdAt' and not ${descending} then created_ts end,
        case when ${key} = 'createdAt' and ${descending} then created_ts end desc,
        case when ${key} = 'updatedAt' and not ${descending} then updated_ts end,
        case when ${key} = 'updatedAt' and ${descending} then updated_ts end desc,
        case when ${key} = 'name' and not ${descending} then lower(name) end,
        case when ${key} = 'name' and ${descending} then lower(name) end desc nulls last,
        task_id) place
      from fitting order by place offset ${offset} limit ${limit}
    )
    select (select count(*) from fitting) total, (select array_agg(task_id order by place) from page) ids`.execute(
    db,
  );
  return { ids: rows[0]?.ids ?? [], total: Number(rows[0]?.total ?? 0) };
}

/** The same rule as `maySee` of registrar/viewer.ts. */
function isSeen(sight: Sight) {
  const { tenant, wholeTenant, user } = sight.all
    ? { tenant: null, wholeTenant: true, user: undefined }
    : sight;
  return sql`(${sight.all}
    or f.tenant = ${tenant} and (${wholeTenant || user === undefined} or f.owners = '[]')
    or ${!wholeTenant && user !== undefined}
      and (f.owners @> ${ownerOf('user', user)}::jsonb or f.owners @> ${ownerOf('tenant', tenant)}::jsonb))`;
}

function ownerOf(type: string, id: string | null | undefined): string {
  return JSON.stringify([{ id: id ?? null, type }]);
}
