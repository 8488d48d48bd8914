-- Up Migration
-- What a flow says of all its steps, and that a change of it is a change of the definition.

alter table ms_flow add column settings jsonb;
comment on column ms_flow.settings is 'defaults, deadline and the like, as in the flow''s YAML; null: nothing';

create function umbel_flow_changed() returns trigger language plpgsql as $$
begin
  new.revision := old.revision + 1;
  new.updated_ts := now();
  return new;
end $$;

create trigger umbel_flow_changed before update on ms_flow for each row
  when (new.revision = old.revision and new.settings is distinct from old.settings)
  execute function umbel_flow_changed();

-- Down Migration
drop trigger umbel_flow_changed on ms_flow;
drop function umbel_flow_changed();
alter table ms_flow drop column settings;
