-- Made by "npm run schema" from migrations/, to be read; the migrations are what runs.

CREATE TABLE kr_claim (
  watcher_id integer NOT NULL,
  claim_no bigint NOT NULL,
  part smallint NOT NULL,
  flows text[] COLLATE "C" NOT NULL STORAGE EXTERNAL,
  seqs numeric[] NOT NULL,
  CONSTRAINT kr_claim_pkey PRIMARY KEY (watcher_id, claim_no, part)
) WITH (autovacuum_vacuum_scale_factor=0.02, autovacuum_vacuum_cost_delay=0);

CREATE TABLE kr_fire (
  task_id character varying(256) COLLATE "C" NOT NULL,
  slot timestamp with time zone NOT NULL,
  decision text NOT NULL,
  reason text,
  through timestamp with time zone,
  task_flow_id character varying(256) COLLATE "C",
  live boolean NOT NULL DEFAULT false,
  decided_ts timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT kr_fire_pkey PRIMARY KEY (task_id, slot),
  CONSTRAINT kr_fire_decision_check CHECK ((decision = ANY (ARRAY['fired'::text, 'queued'::text, 'skipped'::text, 'missed'::text, 'cancelled'::text, 'failed'::text])))
) WITH (autovacuum_vacuum_scale_factor=0.02, autovacuum_vacuum_cost_delay=0);
COMMENT ON COLUMN kr_fire.slot IS 'the time that the cron expression names; jitter comes after it';
COMMENT ON COLUMN kr_fire.through IS 'missed: the same is true of every time up to this one';
COMMENT ON COLUMN kr_fire.task_flow_id IS 'the execution that it started';
COMMENT ON COLUMN kr_fire.live IS 'its execution had not ended when it was last looked at';
CREATE INDEX kr_fire_execution ON public.kr_fire USING btree (task_flow_id) WHERE (task_flow_id IS NOT NULL);
CREATE INDEX kr_fire_live ON public.kr_fire USING btree (task_id) WHERE live;
CREATE INDEX kr_fire_queued ON public.kr_fire USING btree (task_id, slot) WHERE (decision = 'queued'::text);

CREATE TABLE kr_flow_stat (
  task_flow_id character varying(256) COLLATE "C" NOT NULL,
  task_id character varying(256) COLLATE "C" NOT NULL,
  tenant text NOT NULL DEFAULT 'local'::text,
  version uuid,
  flow_status text NOT NULL DEFAULT 'open'::text,
  active integer NOT NULL DEFAULT 0,
  irregular boolean NOT NULL DEFAULT false,
  fail_fast boolean NOT NULL DEFAULT false,
  place smallint,
  trigger jsonb,
  input jsonb,
  output jsonb,
  error jsonb,
  parent_flow_id character varying(256),
  parent_exec_seq numeric,
  idempotency_key character varying(256),
  deadline_ts timestamp with time zone,
  registered_ts timestamp with time zone NOT NULL DEFAULT now(),
  finished_ts timestamp with time zone,
  announce smallint,
  reply jsonb,
  CONSTRAINT kr_flow_stat_pkey PRIMARY KEY (task_flow_id),
  CONSTRAINT kr_flow_stat_flow_status_check CHECK ((flow_status = ANY (ARRAY['open'::text, 'paused'::text, 'success'::text, 'failed'::text, 'aborted'::text, 'compensating'::text, 'compensation_failed'::text]))),
  CONSTRAINT kr_flow_stat_place_check CHECK ((place = ANY (ARRAY[0, 1, 2])))
) WITH (fillfactor=45, autovacuum_vacuum_scale_factor=0.02, autovacuum_vacuum_cost_delay=0);
COMMENT ON COLUMN kr_flow_stat.flow_status IS 'open until it ends; whether an open one is pending, running or waiting is read from its tasks; set paused, aborted or open to pause, abort or resume it';
COMMENT ON COLUMN kr_flow_stat.active IS 'tasks that can move by themselves: ready, held, running or waiting for something outside';
COMMENT ON COLUMN kr_flow_stat.irregular IS 'a task failed or a hand was at work: its end is judged by looking at all its tasks';
COMMENT ON COLUMN kr_flow_stat.fail_fast IS 'the first failure that stays stops the other branches';
COMMENT ON COLUMN kr_flow_stat.place IS 'of a flow with max_running: 0 waits for a place, 1 has one, 2 gave it back; null: no limit';
COMMENT ON COLUMN kr_flow_stat.announce IS 'what it tells of itself: 1 failures, 2 all; null: nothing, which costs nothing';
COMMENT ON COLUMN kr_flow_stat.reply IS 'what hook.reply answered: status, headers, body, and by which task; the first one stays';
CREATE INDEX kr_flow_stat_ad_hoc ON public.kr_flow_stat USING btree (version) WHERE ((task_id)::text = 'adhoc'::text);
CREATE INDEX kr_flow_stat_newest ON public.kr_flow_stat USING btree (registered_ts, task_flow_id);
CREATE INDEX kr_flow_stat_parent ON public.kr_flow_stat USING btree (parent_flow_id) WHERE (parent_flow_id IS NOT NULL);
CREATE INDEX kr_flow_stat_place ON public.kr_flow_stat USING btree (task_id, place, task_flow_id) WHERE (place = ANY (ARRAY[0, 1]));
CREATE UNIQUE INDEX kr_flow_stat_idempotency ON public.kr_flow_stat USING btree (tenant, task_id, idempotency_key) WHERE (idempotency_key IS NOT NULL);
CREATE TRIGGER umbel_child_deleted AFTER DELETE ON public.kr_flow_stat FOR EACH ROW WHEN ((old.parent_flow_id IS NOT NULL)) EXECUTE FUNCTION umbel_child_ended();
CREATE TRIGGER umbel_child_ended AFTER UPDATE OF flow_status ON public.kr_flow_stat FOR EACH ROW WHEN (((new.parent_flow_id IS NOT NULL) AND (new.flow_status <> old.flow_status) AND (new.flow_status = ANY (ARRAY['success'::text, 'failed'::text, 'aborted'::text, 'compensation_failed'::text])))) EXECUTE FUNCTION umbel_child_ended();
CREATE TRIGGER umbel_deadline_changed AFTER UPDATE ON public.kr_flow_stat FOR EACH ROW WHEN (((COALESCE(new.deadline_ts, old.deadline_ts) IS NOT NULL) AND ((new.deadline_ts IS DISTINCT FROM old.deadline_ts) OR ((new.finished_ts IS NULL) <> (old.finished_ts IS NULL))))) EXECUTE FUNCTION umbel_deadline();
CREATE TRIGGER umbel_deadline_set AFTER INSERT ON public.kr_flow_stat FOR EACH ROW WHEN ((new.deadline_ts IS NOT NULL)) EXECUTE FUNCTION umbel_deadline();
CREATE TRIGGER umbel_executions_gone AFTER DELETE ON public.kr_flow_stat REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION umbel_executions_gone();
CREATE TRIGGER umbel_executions_truncated AFTER TRUNCATE ON public.kr_flow_stat FOR EACH STATEMENT EXECUTE FUNCTION umbel_executions_gone();
CREATE TRIGGER umbel_failed AFTER UPDATE OF flow_status ON public.kr_flow_stat FOR EACH ROW WHEN (((new.flow_status = 'failed'::text) AND (old.flow_status <> 'failed'::text) AND (new.version IS NOT NULL) AND ((new.trigger ->> 'kind'::text) IS DISTINCT FROM 'failure'::text))) EXECUTE FUNCTION umbel_failed();
CREATE TRIGGER umbel_hand_announce BEFORE INSERT ON public.kr_flow_stat FOR EACH ROW WHEN (((new.version IS NULL) AND (new.announce IS NULL))) EXECUTE FUNCTION umbel_hand_announce();
CREATE TRIGGER umbel_hand_status AFTER UPDATE OF flow_status ON public.kr_flow_stat FOR EACH ROW WHEN (((new.flow_status <> old.flow_status) AND ((new.flow_status = ANY (ARRAY['paused'::text, 'aborted'::text])) OR ((new.flow_status = 'open'::text) AND (old.flow_status = ANY (ARRAY['paused'::text, 'failed'::text, 'aborted'::text])))))) EXECUTE FUNCTION umbel_hand_status();
CREATE TRIGGER umbel_tell_ended AFTER UPDATE OF flow_status ON public.kr_flow_stat FOR EACH ROW WHEN (((new.announce IS NOT NULL) AND (new.flow_status <> old.flow_status) AND ((new.announce = 2) OR (new.flow_status <> 'success'::text)) AND (new.flow_status = ANY (ARRAY['success'::text, 'failed'::text, 'aborted'::text, 'compensation_failed'::text])))) EXECUTE FUNCTION umbel_tell_ended();
CREATE TRIGGER umbel_tell_registered AFTER INSERT ON public.kr_flow_stat FOR EACH ROW WHEN (((new.announce = 2) AND ((new.trigger ->> 'kind'::text) IS DISTINCT FROM 'event'::text))) EXECUTE FUNCTION umbel_tell_registered();

CREATE TABLE kr_hook_rate (
  task_id character varying(256) COLLATE "C" NOT NULL,
  per_ms bigint NOT NULL,
  window_no bigint NOT NULL,
  calls bigint NOT NULL,
  CONSTRAINT kr_hook_rate_pkey PRIMARY KEY (task_id, per_ms, window_no)
) WITH (fillfactor=50, autovacuum_vacuum_cost_delay=0);
COMMENT ON TABLE kr_hook_rate IS 'calls of hooks with a rate, all processes together; a window is so many times per_ms since 1970';

CREATE TABLE kr_hook_seen (
  task_id character varying(256) COLLATE "C" NOT NULL,
  seen text NOT NULL,
  expires_ts timestamp with time zone NOT NULL,
  CONSTRAINT kr_hook_seen_pkey PRIMARY KEY (task_id, seen)
) WITH (autovacuum_vacuum_scale_factor=0.02, autovacuum_vacuum_cost_delay=0);
COMMENT ON TABLE kr_hook_seen IS 'signed calls that were taken, by a hash of what was signed; past expires_ts their time alone refuses them';

CREATE TABLE kr_limit (
  task_flow_id character varying(256) COLLATE "C" NOT NULL,
  task_exec_seq numeric NOT NULL,
  until_ts timestamp with time zone NOT NULL,
  CONSTRAINT kr_limit_pkey PRIMARY KEY (task_flow_id, task_exec_seq)
);
COMMENT ON TABLE kr_limit IS 'when a task must have ended, whatever number of attempts it makes; written at the first of them';

CREATE TABLE kr_signal (
  signal_id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
  task_flow_id character varying(256) COLLATE "C" NOT NULL,
  name character varying(256) NOT NULL,
  value jsonb,
  sender text,
  comment text,
  sent_ts timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
  task_exec_seq numeric,
  delivered_ts timestamp with time zone,
  CONSTRAINT kr_signal_pkey PRIMARY KEY (signal_id)
);
COMMENT ON TABLE kr_signal IS 'signals to executions; a row inserted by hand is one as well';
COMMENT ON COLUMN kr_signal.task_exec_seq IS 'the task that got it; null: kept until one waits for its name';
CREATE INDEX kr_signal_name ON public.kr_signal USING btree (task_flow_id, name, signal_id);
CREATE TRIGGER umbel_signalled AFTER INSERT ON public.kr_signal REFERENCING NEW TABLE AS come FOR EACH STATEMENT EXECUTE FUNCTION umbel_signalled();

CREATE TABLE kr_slot (
  slot text COLLATE "C" NOT NULL,
  watchers integer[] NOT NULL DEFAULT '{}'::integer[],
  held integer[] NOT NULL DEFAULT '{}'::integer[],
  buckets bigint[] NOT NULL DEFAULT '{}'::bigint[],
  starts integer[] NOT NULL DEFAULT '{}'::integer[],
  CONSTRAINT kr_slot_pkey PRIMARY KEY (slot)
) WITH (fillfactor=50, autovacuum_vacuum_scale_factor=0.02, autovacuum_vacuum_cost_delay=0);

CREATE TABLE kr_slot_queue (
  task_flow_id character varying(256) COLLATE "C" NOT NULL,
  task_exec_seq numeric NOT NULL,
  slot text COLLATE "C" NOT NULL,
  pool character varying(256) NOT NULL,
  task_priority numeric NOT NULL,
  limits jsonb NOT NULL,
  CONSTRAINT kr_slot_queue_pkey PRIMARY KEY (task_flow_id, task_exec_seq)
) WITH (autovacuum_vacuum_scale_factor=0.02, autovacuum_vacuum_cost_delay=0);
CREATE INDEX kr_slot_queue_order ON public.kr_slot_queue USING btree (slot, pool, task_priority, task_flow_id, task_exec_seq DESC);

CREATE TABLE kr_start (
  task_flow_id character varying(256) COLLATE "C" NOT NULL,
  tenant text NOT NULL,
  task_id character varying(256) NOT NULL,
  input jsonb NOT NULL,
  start_id text NOT NULL DEFAULT (gen_random_uuid())::text,
  CONSTRAINT kr_start_pkey PRIMARY KEY (task_flow_id)
);
COMMENT ON TABLE kr_start IS 'a flow (task_id) that a watcher is to start, because the execution (task_flow_id) failed';

CREATE TABLE kr_task_log (
  task_flow_id character varying(256) COLLATE "C" NOT NULL,
  task_exec_seq numeric NOT NULL,
  attempt integer NOT NULL,
  line_no integer NOT NULL,
  level text NOT NULL,
  message text NOT NULL,
  fields jsonb,
  logged_ts timestamp with time zone NOT NULL,
  CONSTRAINT kr_task_log_pkey PRIMARY KEY (task_flow_id, task_exec_seq, attempt, line_no),
  CONSTRAINT kr_task_log_level_check CHECK ((level = ANY (ARRAY['debug'::text, 'info'::text, 'warn'::text, 'error'::text])))
);

CREATE TABLE kr_task_stat (
  task_flow_id character varying(256) COLLATE "C" NOT NULL,
  task_exec_seq numeric NOT NULL,
  depends_task_exec_seq numeric NOT NULL,
  task_id character varying(256) NOT NULL,
  task_seq numeric NOT NULL,
  exec_status numeric NOT NULL,
  task_priority numeric NOT NULL DEFAULT 0,
  parameters json NOT NULL,
  registered_ts timestamp with time zone,
  started_ts timestamp with time zone,
  finished_ts timestamp with time zone,
  suspended_ts timestamp with time zone,
  version uuid,
  pool character varying(256) NOT NULL DEFAULT 'default'::character varying,
  depends numeric[],
  edges text[],
  need integer,
  releases numeric[],
  wire_on smallint NOT NULL DEFAULT 0,
  chosen numeric[],
  waiting_on integer,
  live integer,
  unwired boolean NOT NULL DEFAULT true,
  ready boolean NOT NULL DEFAULT false,
  hold boolean NOT NULL DEFAULT false,
  limited boolean NOT NULL DEFAULT false,
  limits jsonb,
  reason text,
  watcher_id integer,
  attempt integer NOT NULL DEFAULT 0,
  lost integer NOT NULL DEFAULT 0,
  retried integer NOT NULL DEFAULT 0,
  revision integer NOT NULL DEFAULT 0,
  input jsonb,
  result jsonb,
  error jsonb,
  checkpoint jsonb,
  delivered jsonb,
  CONSTRAINT kr_task_stat_pkey PRIMARY KEY (task_flow_id, task_exec_seq),
  CONSTRAINT kr_task_stat_task_priority_check CHECK (((('-20'::integer)::numeric <= task_priority) AND (task_priority < (20)::numeric)))
) WITH (fillfactor=50, autovacuum_vacuum_scale_factor=0.02, autovacuum_vacuum_insert_scale_factor=0.2, autovacuum_analyze_scale_factor=0.05, autovacuum_vacuum_cost_delay=0);
COMMENT ON COLUMN kr_task_stat.version IS 'the definition it was registered with; null: inserted by hand, looked up by task_id and task_seq';
COMMENT ON COLUMN kr_task_stat.edges IS 'which end of each of depends counts, in the same order: succeeded, failed, always, goto; null: succeeded';
COMMENT ON COLUMN kr_task_stat.need IS 'arrivals that are enough; null: all';
COMMENT ON COLUMN kr_task_stat.wire_on IS 'whose ends wire the whole execution: 1 a failure, since an edge takes it; 2 any, since an edge asks for a failure';
COMMENT ON COLUMN kr_task_stat.chosen IS 'the dependants that its end let go on, where that was not left to the edges';
COMMENT ON COLUMN kr_task_stat.waiting_on IS 'arrivals still needed; null: to be wired at commit';
COMMENT ON COLUMN kr_task_stat.live IS 'how many predecessors may still fail to arrive before the task is skipped; at 0 it is';
COMMENT ON COLUMN kr_task_stat.unwired IS 'inserted by hand, and its transaction has not committed';
COMMENT ON COLUMN kr_task_stat.ready IS 'may be claimed: exactly the rows of the claim indexes';
COMMENT ON COLUMN kr_task_stat.hold IS 'paused: neither claimed nor handed over';
COMMENT ON COLUMN kr_task_stat.limited IS 'claimed only together with slots of its keys, see umbel_take_v1';
COMMENT ON COLUMN kr_task_stat.limits IS 'the keys that were worked out for it, and their limits';
COMMENT ON COLUMN kr_task_stat.reason IS 'why 2 or 9';
COMMENT ON COLUMN kr_task_stat.attempt IS 'times claimed; fences late answers';
COMMENT ON COLUMN kr_task_stat.lost IS 'times its watcher died; counted apart from retries';
COMMENT ON COLUMN kr_task_stat.retried IS 'times it was tried again after a failure';
COMMENT ON COLUMN kr_task_stat.revision IS 'bumped by every write of the engine; an update that leaves it is a hand at work';
COMMENT ON COLUMN kr_task_stat.checkpoint IS 'what the last attempt left for the next one';
COMMENT ON COLUMN kr_task_stat.delivered IS 'what the task waited for, there until the attempt that sees it ends';
CREATE INDEX kr_task_stat_limited ON public.kr_task_stat USING btree (pool, task_priority, task_flow_id, task_exec_seq DESC) WHERE (ready AND limited);
CREATE INDEX kr_task_stat_ready ON public.kr_task_stat USING btree (pool, task_priority, task_flow_id, task_exec_seq DESC) WHERE (ready AND (NOT limited));
CREATE INDEX kr_task_stat_unwired ON public.kr_task_stat USING btree (task_flow_id) WHERE unwired;
CREATE TRIGGER umbel_hand_delete AFTER DELETE ON public.kr_task_stat REFERENCING OLD TABLE AS gone FOR EACH STATEMENT WHEN ((current_setting('umbel.pruning'::text, true) IS DISTINCT FROM 'on'::text)) EXECUTE FUNCTION umbel_hand_delete();
CREATE TRIGGER umbel_hand_edit BEFORE UPDATE ON public.kr_task_stat FOR EACH ROW WHEN (((new.revision = old.revision) AND ((((((((new.exec_status IS DISTINCT FROM old.exec_status) OR (new.reason IS DISTINCT FROM old.reason)) OR (new.hold IS DISTINCT FROM old.hold)) OR (new.depends_task_exec_seq IS DISTINCT FROM old.depends_task_exec_seq)) OR (new.depends IS DISTINCT FROM old.depends)) OR (new.edges IS DISTINCT FROM old.edges)) OR (new.need IS DISTINCT FROM old.need)) OR (new.chosen IS DISTINCT FROM old.chosen)))) EXECUTE FUNCTION umbel_hand_edit();
CREATE TRIGGER umbel_limit_inserted BEFORE INSERT ON public.kr_task_stat FOR EACH ROW WHEN (new.unwired) EXECUTE FUNCTION umbel_limit_inserted();
CREATE TRIGGER umbel_truncated AFTER TRUNCATE ON public.kr_task_stat FOR EACH STATEMENT EXECUTE FUNCTION umbel_truncated();
CREATE CONSTRAINT TRIGGER umbel_wire AFTER INSERT OR UPDATE ON public.kr_task_stat DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN ((new.waiting_on IS NULL)) EXECUTE FUNCTION umbel_wire_row();

CREATE TABLE kr_timer (
  task_flow_id character varying(256) COLLATE "C" NOT NULL,
  task_exec_seq numeric NOT NULL,
  kind text NOT NULL,
  due_ts timestamp with time zone NOT NULL,
  CONSTRAINT kr_timer_pkey PRIMARY KEY (task_flow_id, task_exec_seq, kind),
  CONSTRAINT kr_timer_kind_check CHECK ((kind = ANY (ARRAY['retry'::text, 'sleep'::text, 'wait'::text, 'beat'::text, 'deadline'::text])))
) WITH (autovacuum_vacuum_scale_factor=0.02, autovacuum_vacuum_cost_delay=0);
CREATE INDEX kr_timer_due ON public.kr_timer USING btree (due_ts);

CREATE TABLE kr_wait (
  task_flow_id character varying(256) COLLATE "C" NOT NULL,
  task_exec_seq numeric NOT NULL,
  kind text NOT NULL,
  token text NOT NULL DEFAULT (gen_random_uuid())::text,
  name character varying(256),
  fallback jsonb,
  early jsonb,
  beat double precision,
  since_ts timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT kr_wait_pkey PRIMARY KEY (task_flow_id, task_exec_seq, kind),
  CONSTRAINT kr_wait_kind_check CHECK ((kind = ANY (ARRAY['signal'::text, 'callback'::text, 'sub_execution'::text])))
);
COMMENT ON TABLE kr_wait IS 'what a task at 2 waits for; the reason of the task says which';
COMMENT ON COLUMN kr_wait.token IS 'of a callback: whoever knows it may answer; of a sub_execution: its task_flow_id';
COMMENT ON COLUMN kr_wait.name IS 'of the signal';
COMMENT ON COLUMN kr_wait.fallback IS 'what is delivered when the time is over; null: a TimeoutError';
COMMENT ON COLUMN kr_wait.early IS 'what came before the task stood waiting';
COMMENT ON COLUMN kr_wait.beat IS 'milliseconds: without a sign of life for so long it is over';
CREATE UNIQUE INDEX kr_wait_token ON public.kr_wait USING btree (token);

CREATE TABLE kr_watcher (
  watcher_id integer NOT NULL GENERATED ALWAYS AS IDENTITY,
  name text NOT NULL,
  pool character varying(256) NOT NULL,
  workers integer NOT NULL,
  programs text[] NOT NULL DEFAULT '{}'::text[],
  release text NOT NULL,
  started_ts timestamp with time zone NOT NULL DEFAULT now(),
  lease_until timestamp with time zone NOT NULL,
  CONSTRAINT kr_watcher_pkey PRIMARY KEY (watcher_id)
) WITH (fillfactor=50);

CREATE TABLE ms_component (
  component_id character varying(256) COLLATE "C" NOT NULL,
  tenant text NOT NULL DEFAULT 'local'::text,
  name text,
  description text,
  kind text NOT NULL,
  is_global boolean NOT NULL DEFAULT false,
  settings jsonb NOT NULL DEFAULT '{}'::jsonb,
  status text NOT NULL DEFAULT 'inactive'::text,
  status_ts timestamp with time zone NOT NULL DEFAULT now(),
  created_ts timestamp with time zone NOT NULL DEFAULT now(),
  updated_ts timestamp with time zone NOT NULL DEFAULT now(),
  CONSTRAINT ms_component_pkey PRIMARY KEY (tenant, component_id),
  CONSTRAINT ms_component_component_id_check CHECK ((((component_id)::text !~ '^(\.*|program)$'::text) AND (POSITION(('.'::text) IN (component_id)) = 0))),
  CONSTRAINT ms_component_kind_check CHECK ((kind = ANY (ARRAY['program'::text, 'http'::text, 'process'::text]))),
  CONSTRAINT ms_component_status_check CHECK ((status = ANY (ARRAY['inactive'::text, 'starting'::text, 'active'::text, 'stopping'::text])))
);
COMMENT ON TABLE ms_component IS 'what a node''s componentId names when no program is called componentId.function';
COMMENT ON COLUMN ms_component.settings IS 'of its kind: the address of an http component, the argv of a process';
COMMENT ON COLUMN ms_component.status IS 'of a global one, which is started and stopped by hand; others live and die with their flows';
CREATE INDEX ms_component_moving ON public.ms_component USING btree (status_ts) WHERE (status = ANY (ARRAY['starting'::text, 'stopping'::text]));

CREATE TABLE ms_delivery (
  delivery_id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
  subscription_id character varying(256) COLLATE "C" NOT NULL,
  event_id bigint NOT NULL,
  event jsonb NOT NULL,
  status text NOT NULL DEFAULT 'pending'::text,
  attempts integer NOT NULL DEFAULT 0,
  due_ts timestamp with time zone NOT NULL DEFAULT now(),
  answer integer,
  error text,
  created_ts timestamp with time zone NOT NULL DEFAULT now(),
  settled_ts timestamp with time zone,
  CONSTRAINT ms_delivery_pkey PRIMARY KEY (delivery_id),
  CONSTRAINT ms_delivery_status_check CHECK ((status = ANY (ARRAY['pending'::text, 'delivered'::text, 'dead'::text]))),
  CONSTRAINT ms_delivery_subscription_id_fkey FOREIGN KEY (subscription_id) REFERENCES ms_subscription(subscription_id) ON DELETE CASCADE
) WITH (fillfactor=70, autovacuum_vacuum_scale_factor=0.02, autovacuum_vacuum_cost_delay=0);
COMMENT ON COLUMN ms_delivery.status IS 'dead: given up after too many attempts';
COMMENT ON COLUMN ms_delivery.due_ts IS 'when it is sent next; while it is under way, when another process may take it over';
CREATE INDEX ms_delivery_due ON public.ms_delivery USING btree (due_ts) WHERE (status = 'pending'::text);
CREATE INDEX ms_delivery_of ON public.ms_delivery USING btree (subscription_id, delivery_id);

CREATE TABLE ms_event (
  xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
  event_id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
  name character varying(256) NOT NULL,
  service character varying(256),
  tenant text NOT NULL DEFAULT 'local'::text,
  payload jsonb NOT NULL,
  created_ts timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT ms_event_pkey PRIMARY KEY (event_id)
) WITH (autovacuum_vacuum_scale_factor=0.05, autovacuum_vacuum_cost_delay=0);
COMMENT ON COLUMN ms_event.xid IS 'its transaction: numbers are taken before a commit and seen after it, so consumers remember which transactions they have seen';
COMMENT ON COLUMN ms_event.service IS 'who it comes from; null: this installation, under its SERVICE_NAME';
CREATE INDEX ms_event_xid ON public.ms_event USING btree (xid);

CREATE TABLE ms_event_cursor (
  consumer character varying(256) NOT NULL,
  seen pg_snapshot NOT NULL,
  floor_id bigint NOT NULL,
  upto pg_snapshot,
  after_id bigint,
  holder uuid,
  lease_until timestamp with time zone,
  failures integer NOT NULL DEFAULT 0,
  error text,
  updated_ts timestamp with time zone NOT NULL DEFAULT now(),
  CONSTRAINT ms_event_cursor_pkey PRIMARY KEY (consumer)
) WITH (fillfactor=50, autovacuum_vacuum_scale_factor=0.02, autovacuum_vacuum_cost_delay=0);
COMMENT ON COLUMN ms_event_cursor.floor_id IS 'the largest id handled of what is visible in seen: what was begun later has a larger one';
COMMENT ON COLUMN ms_event_cursor.holder IS 'the process that reads for it, until lease_until';
COMMENT ON COLUMN ms_event_cursor.failures IS 'how often it failed since it last went on; error is the last one';

CREATE TABLE ms_flow (
  task_id character varying(256) COLLATE "C" NOT NULL,
  tenant text NOT NULL DEFAULT 'local'::text,
  name text,
  description text,
  max_running integer,
  revision bigint NOT NULL DEFAULT 1,
  created_ts timestamp with time zone NOT NULL DEFAULT now(),
  updated_ts timestamp with time zone NOT NULL DEFAULT now(),
  settings jsonb,
  announce smallint NOT NULL DEFAULT 0,
  type character varying(256),
  cron character varying(256),
  timezone character varying(256),
  owners jsonb NOT NULL DEFAULT '[]'::jsonb,
  status text NOT NULL DEFAULT 'inactive'::text,
  status_ts timestamp with time zone NOT NULL DEFAULT now(),
  started_by text,
  CONSTRAINT ms_flow_pkey PRIMARY KEY (task_id),
  CONSTRAINT ms_flow_max_running_check CHECK ((max_running > 0)),
  CONSTRAINT ms_flow_status_check CHECK ((status = ANY (ARRAY['inactive'::text, 'starting'::text, 'active'::text, 'stopping'::text])))
);
COMMENT ON COLUMN ms_flow.max_running IS 'executions at once; null: no limit';
COMMENT ON COLUMN ms_flow.revision IS 'bumped by every change of the definition, whoever makes it';
COMMENT ON COLUMN ms_flow.settings IS 'defaults, deadline and the like, as in the flow''s YAML; null: nothing';
COMMENT ON COLUMN ms_flow.announce IS 'what its executions tell: 0 nothing, 1 failures, 2 all; follows from its status, its settings and subscriptions';
COMMENT ON COLUMN ms_flow.owners IS '[{id, type}]; empty: its tenant';
COMMENT ON COLUMN ms_flow.status IS 'inactive, starting, active, stopping; changed by start and stop, never by hand';
COMMENT ON COLUMN ms_flow.status_ts IS 'since when it stands there: a transitional status that is too old is reconciled';
CREATE INDEX ms_flow_moving ON public.ms_flow USING btree (status_ts) WHERE (status = ANY (ARRAY['starting'::text, 'stopping'::text]));
CREATE TRIGGER umbel_flow_announce BEFORE INSERT OR UPDATE ON public.ms_flow FOR EACH ROW EXECUTE FUNCTION umbel_flow_announce();
CREATE TRIGGER umbel_flow_changed BEFORE UPDATE ON public.ms_flow FOR EACH ROW WHEN (((new.revision = old.revision) AND (new.settings IS DISTINCT FROM old.settings))) EXECUTE FUNCTION umbel_flow_changed();
CREATE TRIGGER umbel_flow_gone AFTER DELETE ON public.ms_flow FOR EACH ROW EXECUTE FUNCTION umbel_flow_gone();
CREATE TRIGGER umbel_flow_status AFTER UPDATE OF status, cron, timezone ON public.ms_flow FOR EACH ROW WHEN ((((new.status IS DISTINCT FROM old.status) OR ((new.cron)::text IS DISTINCT FROM (old.cron)::text)) OR ((new.timezone)::text IS DISTINCT FROM (old.timezone)::text))) EXECUTE FUNCTION umbel_flow_status();
CREATE TRIGGER umbel_flows_truncated AFTER TRUNCATE ON public.ms_flow FOR EACH STATEMENT EXECUTE FUNCTION umbel_flow_gone();
CREATE TRIGGER umbel_hook_settings AFTER UPDATE OF settings ON public.ms_flow FOR EACH ROW WHEN ((new.settings IS DISTINCT FROM old.settings)) EXECUTE FUNCTION umbel_hook_changed();

CREATE TABLE ms_flow_version (
  version uuid NOT NULL,
  task_id character varying(256) COLLATE "C" NOT NULL,
  definition jsonb NOT NULL,
  base uuid,
  output character varying(256),
  created_ts timestamp with time zone NOT NULL DEFAULT now(),
  CONSTRAINT ms_flow_version_pkey PRIMARY KEY (version)
);
COMMENT ON COLUMN ms_flow_version.base IS 'of executions that were started with options: the version without them';
COMMENT ON COLUMN ms_flow_version.output IS 'the step whose result is that of its executions; null: the last ones''';
CREATE INDEX ms_flow_version_flow ON public.ms_flow_version USING btree (task_id, created_ts);

CREATE TABLE ms_hook (
  task_id character varying(256) COLLATE "C" NOT NULL,
  queue character varying(256) NOT NULL,
  status text NOT NULL,
  CONSTRAINT ms_hook_pkey PRIMARY KEY (task_id),
  CONSTRAINT ms_hook_status_check CHECK ((status = ANY (ARRAY['closed'::text, 'open'::text]))),
  CONSTRAINT ms_hook_task_id_fkey FOREIGN KEY (task_id) REFERENCES ms_flow(task_id) ON DELETE CASCADE
);
COMMENT ON COLUMN ms_hook.status IS 'open: calls are taken';
CREATE TRIGGER umbel_hook_changed AFTER INSERT OR DELETE OR UPDATE ON public.ms_hook FOR EACH ROW EXECUTE FUNCTION umbel_hook_changed();

CREATE TABLE ms_plan (
  version uuid NOT NULL,
  task_exec_seq numeric NOT NULL,
  task_seq numeric NOT NULL,
  step character varying(256) NOT NULL,
  program character varying(256) NOT NULL,
  task_priority numeric NOT NULL,
  pool character varying(256) NOT NULL,
  parameters json NOT NULL,
  depends numeric[] NOT NULL,
  edges text[],
  need integer,
  releases numeric[] NOT NULL,
  wire_on smallint NOT NULL,
  waiting_on integer NOT NULL,
  live integer NOT NULL,
  selected boolean NOT NULL DEFAULT true,
  limited boolean NOT NULL DEFAULT false,
  options jsonb,
  CONSTRAINT ms_plan_pkey PRIMARY KEY (version, task_exec_seq)
);
COMMENT ON COLUMN ms_plan.selected IS 'false: its executions leave the task out, and what comes after it goes on';

CREATE TABLE ms_schedule (
  task_id character varying(256) COLLATE "C" NOT NULL,
  cron character varying(256) NOT NULL,
  timezone character varying(256) NOT NULL,
  due_execution timestamp with time zone,
  paused boolean NOT NULL DEFAULT false,
  decided_to timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT ms_schedule_pkey PRIMARY KEY (task_id),
  CONSTRAINT ms_schedule_task_id_fkey FOREIGN KEY (task_id) REFERENCES ms_flow(task_id) ON DELETE CASCADE
) WITH (fillfactor=70, autovacuum_vacuum_scale_factor=0.02);
COMMENT ON COLUMN ms_schedule.due_execution IS 'when it fires next; null: not worked out yet, or its flow is not active';
COMMENT ON COLUMN ms_schedule.decided_to IS 'what was to fire up to here has been decided on';
CREATE INDEX ms_schedule_due ON public.ms_schedule USING btree (COALESCE(due_execution, '-infinity'::timestamp with time zone)) WHERE (NOT paused);

CREATE TABLE ms_snapshot (
  task_id character varying(256) COLLATE "C" NOT NULL,
  step character varying(256) NOT NULL,
  snapshot jsonb NOT NULL,
  updated_ts timestamp with time zone NOT NULL DEFAULT now(),
  CONSTRAINT ms_snapshot_pkey PRIMARY KEY (task_id, step)
);

CREATE TABLE ms_subscription (
  subscription_id character varying(256) COLLATE "C" NOT NULL,
  tenant text NOT NULL DEFAULT 'local'::text,
  names text[] NOT NULL,
  task_id character varying(256) COLLATE "C",
  url text NOT NULL,
  secrets text[] NOT NULL,
  announce smallint GENERATED ALWAYS AS (
CASE
    WHEN (umbel_event_matches('flow.executed'::text, names) OR umbel_event_matches('execution.finished'::text, names)) THEN 2
    WHEN (umbel_event_matches('execution.failed'::text, names) OR umbel_event_matches('execution.aborted'::text, names)) THEN 1
    ELSE 0
END) STORED,
  created_ts timestamp with time zone NOT NULL DEFAULT now(),
  CONSTRAINT ms_subscription_pkey PRIMARY KEY (subscription_id),
  CONSTRAINT ms_subscription_names_check CHECK ((cardinality(names) > 0)),
  CONSTRAINT ms_subscription_secrets_check CHECK ((cardinality(secrets) > 0))
);
COMMENT ON COLUMN ms_subscription.task_id IS 'the flow of which events are sent; null: of all';
COMMENT ON COLUMN ms_subscription.secrets IS 'names of the secrets that sign; several while one replaces another';
COMMENT ON COLUMN ms_subscription.announce IS 'what executions must tell of themselves for its sake: 0 nothing, 1 failures, 2 all';
CREATE TRIGGER umbel_subscribed AFTER INSERT OR DELETE OR UPDATE ON public.ms_subscription FOR EACH STATEMENT EXECUTE FUNCTION umbel_subscribed();

CREATE TABLE ms_task_definition (
  task_id character varying(256) NOT NULL,
  task_seq numeric NOT NULL,
  program character varying(256) NOT NULL,
  task_priority numeric NOT NULL DEFAULT 0,
  param1_key character varying(1024),
  param1_value character varying(1024),
  param2_key character varying(1024),
  param2_value character varying(1024),
  param3_key character varying(1024),
  param3_value character varying(1024),
  param4_key character varying(1024),
  param4_value character varying(1024),
  param5_key character varying(1024),
  param5_value character varying(1024),
  step_id character varying(256),
  depends_task_seq numeric[],
  after text[],
  before text[],
  params jsonb,
  pool character varying(256),
  options jsonb,
  CONSTRAINT ms_task_definition_pkey PRIMARY KEY (task_id, task_seq),
  CONSTRAINT ms_task_definition_task_priority_check CHECK (((('-20'::integer)::numeric <= task_priority) AND (task_priority < (20)::numeric)))
);
COMMENT ON COLUMN ms_task_definition.depends_task_seq IS 'predecessors by task_seq; null: the previous step; {}: a root';
COMMENT ON COLUMN ms_task_definition.after IS 'predecessors by step_id; given, it replaces depends_task_seq';
COMMENT ON COLUMN ms_task_definition.params IS 'parameters as any JSON object; given, it replaces the five pairs';
CREATE TRIGGER umbel_definition_deleted AFTER DELETE ON public.ms_task_definition REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION umbel_definition_changed();
CREATE TRIGGER umbel_definition_inserted AFTER INSERT ON public.ms_task_definition REFERENCING NEW TABLE AS come FOR EACH STATEMENT EXECUTE FUNCTION umbel_definition_changed();
CREATE TRIGGER umbel_definition_truncated AFTER TRUNCATE ON public.ms_task_definition FOR EACH STATEMENT EXECUTE FUNCTION umbel_definition_changed();
CREATE TRIGGER umbel_definition_updated AFTER UPDATE ON public.ms_task_definition REFERENCING OLD TABLE AS gone NEW TABLE AS come FOR EACH STATEMENT EXECUTE FUNCTION umbel_definition_changed();

CREATE OR REPLACE FUNCTION public.umbel_admit_v1(flows text[])
 RETURNS integer
 LANGUAGE plpgsql
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET enable_seqscan TO 'off'
 SET enable_bitmapscan TO 'off'
 SET jit TO 'off'
AS $function$
declare
  flow record;
  free bigint;
  lucky text[];
  admitted int := 0;
begin
  for flow in select f.task_id, f.max_running from ms_flow f where f.task_id = any (flows) order by f.task_id for update loop
    select coalesce(flow.max_running, 2147483647) - count(*) into free from kr_flow_stat k where k.task_id = flow.task_id and k.place = 1;
    continue when free <= 0;
    select array_agg(k.task_flow_id order by k.task_flow_id) into lucky from (
      select k.task_flow_id from kr_flow_stat k where k.task_id = flow.task_id and k.place = 0 order by k.registered_ts, k.task_flow_id limit free) k;
    continue when lucky is null;
    perform 1 from kr_task_stat t where t.task_flow_id = any (lucky) order by t.task_flow_id, t.task_exec_seq for update;
    update kr_flow_stat k set place = case when k.flow_status in ('success', 'aborted') then 2 else 1 end where k.task_flow_id = any (lucky);
    update kr_task_stat t set ready = true, revision = t.revision + 1
      from kr_flow_stat k
      where k.task_flow_id = any (lucky) and t.task_flow_id = k.task_flow_id and k.place = 1
        and t.exec_status = 0 and t.waiting_on = 0 and not t.hold and not t.ready;
    admitted := admitted + cardinality(lucky);
  end loop;
  return admitted;
end $function$;

CREATE OR REPLACE FUNCTION public.umbel_advance_v1(watcher integer, serves text, slots integer, want integer, most integer, urgent numeric, from_priority numeric, from_flow text, claim bigint, closed bigint[], flows text[], seqs numeric[], attempts integer[], statuses integer[], reasons text[], ages double precision[], delays double precision[], results jsonb[], errors jsonb[], checkpoints jsonb[], waits jsonb[], choices text[], wires boolean[])
 RETURNS TABLE(kind smallint, task_flow_id character varying, task_exec_seq numeric, task_id character varying, task_seq numeric, task_priority numeric, attempt integer, parameters text, version uuid, input jsonb, depends numeric[], retried integer, checkpoint jsonb, delivered jsonb)
 LANGUAGE plpgsql
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET enable_seqscan TO 'off'
 SET enable_bitmapscan TO 'off'
 SET enable_sort TO 'on'
 SET plan_cache_mode TO 'force_generic_plan'
 SET jit TO 'off'
 SET lock_timeout TO '1s'
AS $function$
#variable_conflict use_column
declare
  best numeric;
  settled int;
  handed int := 0;
  child_flows text[]; child_seqs numeric[]; child_counts int[];
  child_tids tid[]; child_left int[]; child_freed bool[]; child_ours bool[]; child_priorities numeric[]; child_locked_flows text[];
  moved_flows text[]; moved_by int[]; moved_failed bool[];
  wired text[];
begin
  if not exists (select from kr_watcher w where w.watcher_id = watcher) then
    raise exception 'watcher % is not registered, or was declared dead', watcher using errcode = 'UM001';
  end if;
  if cardinality(closed) > 0 then
    delete from kr_claim c using unnest(closed) n where c.watcher_id = watcher and c.claim_no = n;
  end if;

  -- Looking at the head each time would rescan every dead entry that an old snapshot keeps.
  if from_flow = '' then
    select k.task_priority into best from kr_task_stat k where k.ready and not k.limited and k.pool = serves
      order by k.pool, k.task_priority, k.task_flow_id, k.task_exec_seq desc limit 1;
    urgent := coalesce(best, 1000);
    return query select 5::smallint, null::varchar, null::numeric, null::varchar, null::numeric, urgent, null::int, null::text, null::uuid, null::jsonb, null::numeric[], null::int, null::jsonb, null::jsonb;
  end if;

  if cardinality(flows) > 0 then
    -- Who wires locks all tasks of the execution: in order, before any other of its rows.
    if true = any (wires) then
      select array_agg(distinct u.flow) into wired from unnest(flows, wires) u(flow, wires) where u.wires;
      perform 1 from kr_task_stat t where t.task_flow_id = any (wired) order by t.task_flow_id, t.task_exec_seq for update;
    end if;

    -- settle
    with settled as (
      update kr_task_stat t set
        exec_status = u.status,
        started_ts = clock_timestamp() - u.age * interval '1 millisecond',
        finished_ts = case when u.status in (3, 9) then clock_timestamp() end,
        suspended_ts = case when u.status = 2 then clock_timestamp() end,
        reason = case when u.status <> 0 then u.reason end,
        retried = case when u.reason = 'retry' then t.retried + 1 else t.retried end,
        result = u.result, error = u.error, chosen = u.choice::numeric[], revision = t.revision + 1,
        checkpoint = case when u.status <> 3 then coalesce(u.checkpoint, t.checkpoint) end,
        delivered = case when u.reason = 'retry' and t.delivered ? 'value' then t.delivered end
      from unnest(flows, seqs, attempts, statuses, reasons, ages, results, errors, checkpoints, waits, choices)
        u(flow, seq, attempt, status, reason, age, result, error, checkpoint, wait, choice)
      where t.task_flow_id = u.flow and t.task_exec_seq = u.seq
        and t.exec_status = 1 and t.watcher_id = watcher and t.attempt = u.attempt
      returning t.task_flow_id flow, t.exec_status status, t.releases, t.waiting_on, u.wait is not null outside,
        (t.wire_on = 2 and (t.exec_status in (3, 9) or t.reason = 'failed')) or (t.wire_on = 1 and t.reason = 'failed')
          or t.reason = 'skipped' or t.chosen is not null wires
    ), edge as (
      select s.flow, child, count(*)::int arrivals from settled s, unnest(s.releases) child where s.status in (3, 9) and s.wires is not true group by 1, 2
    ), ended as (
      select s.flow, -count(*)::int moved, bool_or(s.status = 2) failed from settled s where (s.status <> 0 or s.waiting_on > 0) and not s.outside group by 1
    ), ordered as (
      select array_agg(e.flow order by e.flow, e.child) f, array_agg(e.child order by e.flow, e.child) s, array_agg(e.arrivals order by e.flow, e.child) n from edge e
    )
    select (select count(*) from settled), o.f, o.s, o.n, e.f, e.m, e.x, (select array_agg(distinct s.flow order by s.flow) from settled s where s.wires)
      into settled, child_flows, child_seqs, child_counts, moved_flows, moved_by, moved_failed, wired
      from ordered o, (select array_agg(flow) f, array_agg(moved) m, array_agg(failed) x from ended) e;

    if settled < cardinality(flows) then
      return query select 3::smallint, u.flow::varchar, u.seq, null::varchar, null::numeric, null::numeric, u.attempt, null::text, null::uuid, null::jsonb, null::numeric[], null::int, null::jsonb, null::jsonb
        from unnest(flows, seqs, attempts, statuses) u(flow, seq, attempt, status)
        where not exists (select from kr_task_stat t where t.task_flow_id = u.flow and t.task_exec_seq = u.seq
                            and t.exec_status = u.status and t.watcher_id = watcher and t.attempt = u.attempt);
    end if;

    -- wait for a time
    if 0 = any (statuses) then
      insert into kr_timer as k (task_flow_id, task_exec_seq, kind, due_ts)
        select u.flow, u.seq, u.reason, clock_timestamp() + u.delay * interval '1 millisecond'
        from unnest(flows, seqs, attempts, statuses, reasons, delays) u(flow, seq, attempt, status, reason, delay)
        where u.status = 0 and exists (select from kr_task_stat t where t.task_flow_id = u.flow and t.task_exec_seq = u.seq
                                         and t.exec_status = 0 and t.watcher_id = watcher and t.attempt = u.attempt
                                         and t.waiting_on = 0 and not t.ready)
        on conflict (task_flow_id, task_exec_seq, kind) do update set due_ts = excluded.due_ts;
    end if;
    if waits is not null then
      perform umbel_wait_v1(watcher, flows, seqs, attempts, delays, waits);
    end if;

    -- release and hand over; who waits for nothing any more, since not all had to arrive, takes no notice
    if child_flows is not null then
      select array_agg(k.tid), array_agg(u.flow), array_agg(greatest(0, k.waiting_on - u.arrivals)),
             array_agg(k.exec_status = 0 and k.waiting_on > 0 and k.waiting_on <= u.arrivals),
             array_agg(not k.hold and not k.limited and k.pool = serves and k.task_priority <= urgent), array_agg(k.task_priority)
        into child_tids, child_locked_flows, child_left, child_freed, child_ours, child_priorities
        from unnest(child_flows, child_seqs, child_counts) u(flow, seq, arrivals)
        cross join lateral (
          select t.ctid tid, t.waiting_on, t.exec_status, t.hold, t.limited, t.pool, t.task_priority from kr_task_stat t
          where t.task_flow_id = u.flow and t.task_exec_seq = u.seq for update) k
        where k.waiting_on > 0;

      return query with child as (
        select u.*, u.freed and u.ours and row_number() over claim_order <= want handed, row_number() over claim_order <= slots at_once
        from unnest(child_tids, child_locked_flows, child_left, child_freed, child_ours, child_priorities) u(tid, flow, remaining, freed, ours, priority)
        window claim_order as (order by not (u.freed and u.ours), u.priority, u.flow)
      ), released as (
        update kr_task_stat t set
          waiting_on = c.remaining,
          ready = c.freed and not c.handed and not t.hold,
          exec_status = case when c.handed then 1 else t.exec_status end,
          watcher_id = case when c.handed then watcher else t.watcher_id end,
          attempt = case when c.handed then t.attempt + 1 else t.attempt end,
          started_ts = case when not c.handed then t.started_ts when c.at_once then clock_timestamp() end,
          finished_ts = case when not c.handed then t.finished_ts end, suspended_ts = case when not c.handed then t.suspended_ts end,
          result = case when not c.handed then t.result end,
          revision = t.revision + 1
        from child c where t.ctid = c.tid
        returning t.task_flow_id, t.task_exec_seq, t.task_id, t.task_seq, t.task_priority, t.attempt, t.parameters, t.version, t.input, t.depends,
          t.retried, t.checkpoint, t.delivered, c.handed
      ), noted as (
        insert into kr_claim (watcher_id, claim_no, part, flows, seqs)
        select watcher, claim, 0, array_agg(r.task_flow_id), array_agg(r.task_exec_seq) from released r where r.handed having count(*) > 0
      )
      select 2::smallint, r.task_flow_id, r.task_exec_seq, r.task_id, r.task_seq, r.task_priority, r.attempt, r.parameters::text, r.version, r.input, r.depends,
        r.retried, r.checkpoint, r.delivered
        from released r where r.handed;
      get diagnostics handed = row_count;
    end if;

    -- wire, where counting does not do: the edges of a task that ended ask for more than that it did
    if wired is not null then
      return query select 4::smallint, null::varchar, null::numeric, f.flow, null::numeric, null::numeric, null::int, null::text, null::uuid, null::jsonb, null::numeric[], null::int, null::jsonb, null::jsonb
        from umbel_wire_ended_v1(wired) f(flow);
    end if;

    -- count, and end what cannot move any more
    select array_agg(m.flow order by m.flow), array_agg(m.moved order by m.flow), array_agg(m.failed order by m.flow)
      into moved_flows, moved_by, moved_failed from (
      select u.flow, sum(u.moved)::int moved, bool_or(u.failed) failed from (
        select * from unnest(moved_flows, moved_by, moved_failed) e(flow, moved, failed)
        union all
        select c.flow, 1, false from unnest(child_locked_flows, child_freed) c(flow, freed) where c.freed
      ) u where wired is null or u.flow <> all (wired) group by u.flow having sum(u.moved) <> 0 or bool_or(u.failed)
    ) m;
    if moved_flows is not null then
      return query select 4::smallint, null::varchar, null::numeric, f.flow, null::numeric, null::numeric, null::int, null::text, null::uuid, null::jsonb, null::numeric[], null::int, null::jsonb, null::jsonb
        from umbel_count_v1(moved_flows, moved_by, moved_failed) f(flow);
    end if;
  end if;

  -- claim
  if least(want, most) > handed then
    return query with candidate as materialized (
      select k.ctid tid from kr_task_stat k
      where k.ready and not k.limited and k.pool = serves and (k.task_priority, k.task_flow_id) >= (from_priority, from_flow)
      order by k.pool, k.task_priority, k.task_flow_id, k.task_exec_seq desc
      limit least(want, most) - handed for update skip locked
    ), numbered as (
      select c.tid, row_number() over () <= slots - handed at_once from candidate c
    ), claimed as (
      update kr_task_stat t set
        exec_status = 1, ready = false, watcher_id = watcher, attempt = t.attempt + 1, revision = t.revision + 1,
        started_ts = case when n.at_once then clock_timestamp() end,
        finished_ts = null, suspended_ts = null, result = null
      from numbered n where t.ctid = n.tid
      returning t.task_flow_id, t.task_exec_seq, t.task_id, t.task_seq, t.task_priority, t.attempt, t.parameters, t.version, t.input, t.depends,
          t.retried, t.checkpoint, t.delivered
    ), noted as (
      insert into kr_claim (watcher_id, claim_no, part, flows, seqs)
      select watcher, claim, 1, array_agg(c.task_flow_id), array_agg(c.task_exec_seq) from claimed c having count(*) > 0
    )
    select 1::smallint, c.task_flow_id, c.task_exec_seq, c.task_id, c.task_seq, c.task_priority, c.attempt, c.parameters::text, c.version, c.input, c.depends,
        c.retried, c.checkpoint, c.delivered
      from claimed c;
  end if;
end $function$;

CREATE OR REPLACE FUNCTION public.umbel_announce(flow jsonb)
 RETURNS smallint
 LANGUAGE sql
 STABLE
AS $function$
  select greatest(
    case when flow ->> 'status' <> 'inactive' or flow -> 'settings' @> '{"announce": true}' then 2 else 0 end,
    (select max(s.announce) from ms_subscription s where s.tenant = flow ->> 'tenant' and (s.task_id is null or s.task_id = flow ->> 'task_id')))::smallint
$function$;

CREATE OR REPLACE FUNCTION public.umbel_beat_v1(of_token text)
 RETURNS boolean
 LANGUAGE plpgsql
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET enable_seqscan TO 'off'
 SET enable_bitmapscan TO 'off'
 SET jit TO 'off'
AS $function$
begin
  update kr_timer k set due_ts = clock_timestamp() + w.beat * interval '1 millisecond'
    from kr_wait w
    where w.token = of_token and w.kind = 'callback' and k.task_flow_id = w.task_flow_id and k.task_exec_seq = w.task_exec_seq and k.kind = 'beat';
  return found or exists (select from kr_wait w where w.token = of_token and w.kind = 'callback');
end $function$;

CREATE OR REPLACE FUNCTION public.umbel_call_back_v1(of_token text, message jsonb)
 RETURNS text
 LANGUAGE plpgsql
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET enable_seqscan TO 'off'
 SET enable_bitmapscan TO 'off'
 SET jit TO 'off'
AS $function$
declare
  wait record;
  task record;
begin
  select w.task_flow_id flow, w.task_exec_seq seq into wait from kr_wait w where w.token = of_token and w.kind = 'callback';
  if not found then return 'unknown'; end if;
  select t.exec_status, t.reason into task from kr_task_stat t where t.task_flow_id = wait.flow and t.task_exec_seq = wait.seq for update;
  select w.task_flow_id flow, w.task_exec_seq seq, w.early into wait from kr_wait w where w.token = of_token and w.kind = 'callback';
  if not found then return 'unknown'; end if;
  if wait.early is not null then return 'used'; end if;
  if task.exec_status in (3, 9) or (task.exec_status = 2 and task.reason = 'failed') then return 'ended'; end if;
  if umbel_deliver_v1(array[wait.flow], array[wait.seq], array[message || '{"kind": "callback"}']) = 1 then return 'delivered'; end if;
  update kr_wait w set early = message || '{"kind": "callback"}' where w.token = of_token;
  return 'kept';
end $function$;

CREATE OR REPLACE FUNCTION public.umbel_checkpoint_v1(watcher integer, flows text[], seqs numeric[], attempts integer[], checkpoints jsonb[])
 RETURNS SETOF integer
 LANGUAGE plpgsql
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET enable_seqscan TO 'off'
 SET enable_bitmapscan TO 'off'
 SET jit TO 'off'
AS $function$
begin
  return query with free as materialized (
    select u.*, k.tid from unnest(flows, seqs, attempts, checkpoints) with ordinality u(flow, seq, attempt, checkpoint, ordinal)
    cross join lateral (
      select t.ctid tid from kr_task_stat t where t.task_flow_id = u.flow and t.task_exec_seq = u.seq
        and t.exec_status = 1 and t.watcher_id = watcher and t.attempt = u.attempt for no key update skip locked) k
  )
  update kr_task_stat t set checkpoint = f.checkpoint, revision = t.revision + 1
    from free f where t.ctid = f.tid
    returning f.ordinal::int - 1;
end $function$;

CREATE OR REPLACE FUNCTION public.umbel_child_ended()
 RETURNS trigger
 LANGUAGE plpgsql
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET enable_seqscan TO 'off'
 SET enable_bitmapscan TO 'off'
 SET jit TO 'off'
AS $function$
declare
  child constant text := old.task_flow_id;
  message constant jsonb := jsonb_build_object('kind', 'sub_execution', 'execution', child);
  wait record;
begin
  select w.task_flow_id flow, w.task_exec_seq seq into wait from kr_wait w where w.token = child and w.kind = 'sub_execution' and w.early is null;
  if not found then return null; end if;
  perform 1 from kr_task_stat t where t.task_flow_id = wait.flow and t.task_exec_seq = wait.seq for update;
  if umbel_deliver_v1(array[wait.flow], array[wait.seq], array[message]) = 0 then
    update kr_wait w set early = message where w.token = child and w.kind = 'sub_execution';
  end if;
  return null;
end $function$;

CREATE OR REPLACE FUNCTION public.umbel_claim_schedules_v1(up_to timestamp with time zone, most integer)
 RETURNS TABLE(flow character varying, tenant text, cron character varying, timezone character varying, "decidedTo" timestamp with time zone, policy jsonb)
 LANGUAGE plpgsql
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET enable_seqscan TO 'off'
 SET enable_bitmapscan TO 'off'
 SET enable_sort TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
 SET jit TO 'off'
AS $function$
begin
  return query select s.task_id, f.tenant, s.cron, s.timezone, s.decided_to, f.settings #> '{flowSettings,schedule}'
    from ms_schedule s join ms_flow f on f.task_id = s.task_id
    where not s.paused and coalesce(s.due_execution, '-infinity') <= up_to and f.status = 'active'
    order by coalesce(s.due_execution, '-infinity') limit most for update of s, f skip locked;
end $function$;

CREATE OR REPLACE FUNCTION public.umbel_count_v1(flows text[], moved integer[], failed boolean[])
 RETURNS SETOF character varying
 LANGUAGE plpgsql
AS $function$
declare
  ended record;
begin
  for ended in with counted as (
    -- The arrays drive the only plan there is, so rows are locked in their order; what another call counted meanwhile is counted on.
    update kr_flow_stat f set
      active = f.active + u.moved,
      irregular = f.irregular or u.failed,
      flow_status = case when f.active + u.moved = 0 and f.flow_status = 'open' and not (f.irregular or u.failed) then 'success' else f.flow_status end,
      finished_ts = case when f.active + u.moved = 0 and f.flow_status = 'open' and not (f.irregular or u.failed) then clock_timestamp() else f.finished_ts end,
      place = case when f.active + u.moved = 0 and f.flow_status = 'open' and not (f.irregular or u.failed) and f.place is not null then 2 else f.place end
    from unnest(flows, moved, failed) u(flow, moved, failed)
    where f.task_flow_id = u.flow
    returning f.task_flow_id, f.flow_status, f.active, f.place
  ) select * from counted c where c.place = 2 or (c.active = 0 and c.flow_status = 'open') loop
    -- Nothing moves, and a task failed or a hand was at work: the tasks tell how it ended.
    if ended.flow_status = 'open' then
      perform umbel_wire(ended.task_flow_id);
    end if;
    return query select f.task_id from kr_flow_stat f where f.task_flow_id = ended.task_flow_id and f.place = 2;
  end loop;
end $function$;

CREATE OR REPLACE FUNCTION public.umbel_deadline()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  if new.deadline_ts is null or new.finished_ts is not null then
    delete from kr_timer k where k.task_flow_id = new.task_flow_id and k.kind = 'deadline';
  else
    insert into kr_timer (task_flow_id, task_exec_seq, kind, due_ts) values (new.task_flow_id, -1, 'deadline', new.deadline_ts)
      on conflict (task_flow_id, task_exec_seq, kind) do update set due_ts = excluded.due_ts;
  end if;
  return null;
end $function$;

CREATE OR REPLACE FUNCTION public.umbel_definition_changed()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  if tg_op = 'TRUNCATE' then
    update ms_flow set revision = revision + 1, updated_ts = now();
  elsif tg_op = 'DELETE' then
    insert into ms_flow as f (task_id) select distinct task_id from gone order by 1
      on conflict (task_id) do update set revision = f.revision + 1, updated_ts = now();
  elsif tg_op = 'INSERT' then
    insert into ms_flow as f (task_id) select distinct task_id from come order by 1
      on conflict (task_id) do update set revision = f.revision + 1, updated_ts = now();
  else
    insert into ms_flow as f (task_id) select task_id from come union select task_id from gone order by 1
      on conflict (task_id) do update set revision = f.revision + 1, updated_ts = now();
  end if;
  return null;
end $function$;

CREATE OR REPLACE FUNCTION public.umbel_deliver_v1(flows text[], seqs numeric[], messages jsonb[])
 RETURNS integer
 LANGUAGE plpgsql
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET enable_seqscan TO 'off'
 SET enable_bitmapscan TO 'off'
 SET jit TO 'off'
AS $function$
declare
  woken_flows text[]; woken_seqs numeric[]; pools text[]; priorities numeric[]; kinds text[];
  undone text[];
begin
  with woken as (
    update kr_task_stat t set
      exec_status = 0, reason = null, suspended_ts = null, delivered = u.message, revision = t.revision + 1,
      ready = coalesce(t.waiting_on = 0 and t.live > 0 and not t.hold, false)
        and not exists (select from kr_flow_stat f where f.task_flow_id = u.flow and f.place = 0)
    from unnest(flows, seqs, messages) u(flow, seq, message)
    where t.task_flow_id = u.flow and t.task_exec_seq = u.seq and t.exec_status = 2 and t.reason = u.message ->> 'kind'
    returning t.task_flow_id flow, t.task_exec_seq seq, u.message ->> 'kind' kind, t.pool, t.task_priority priority, t.ready,
      t.waiting_on > 0 or t.live = 0 undone
  )
  select array_agg(w.flow), array_agg(w.seq), array_agg(w.kind),
         array_agg(w.pool) filter (where w.ready), array_agg(w.priority) filter (where w.ready),
         array_agg(distinct w.flow order by w.flow) filter (where w.undone)
    into woken_flows, woken_seqs, kinds, pools, priorities, undone from woken w;
  if woken_flows is null then return 0; end if;
  delete from kr_wait w using unnest(woken_flows, woken_seqs, kinds) u(flow, seq, kind)
    where w.task_flow_id = u.flow and w.task_exec_seq = u.seq and w.kind = u.kind;
  delete from kr_timer k using unnest(woken_flows, woken_seqs) u(flow, seq)
    where k.task_flow_id = u.flow and k.task_exec_seq = u.seq and k.kind in ('wait', 'beat');
  perform pg_notify('umbel', json_build_object('pool', u.pool, 'priority', min(u.priority))::text)
    from unnest(pools, priorities) u(pool, priority) group by u.pool;
  perform umbel_wire_undone(undone);
  return cardinality(woken_flows);
end $function$;

CREATE OR REPLACE FUNCTION public.umbel_deliver_v1(ids bigint[])
 RETURNS integer
 LANGUAGE plpgsql
 SET enable_seqscan TO 'on'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET jit TO 'off'
AS $function$
declare
  made int;
begin
  insert into ms_delivery (subscription_id, event_id, event)
    select s.subscription_id, e.event_id, jsonb_build_object('id', e.event_id::text,
        'headers', jsonb_build_object('name', e.name, 'createdAt', umbel_iso(e.created_ts), 'serviceName', e.service), 'payload', e.payload)
    from unnest(ids) with ordinality u(id, ordinal)
    cross join lateral (select k.* from ms_event k where k.event_id = u.id) e
    join ms_subscription s on s.tenant = e.tenant and umbel_event_matches(e.name, s.names)
      and (s.task_id is null or s.task_id = umbel_event_flow(e.payload))
    order by u.ordinal;
  get diagnostics made = row_count;
  return made;
end $function$;

CREATE OR REPLACE FUNCTION public.umbel_edge(kind text, exec_status numeric, reason text, chosen numeric[], child numeric)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
  select case
    when exec_status not in (3, 9) or (exec_status = 9 and reason = 'aborted') then 'open'
    when exec_status = 9 and reason = 'skipped' then 'skipped'
    when child = any (chosen) then 'met'
    when kind = 'goto' then 'skipped'
    when kind = 'always' then 'met'
    when chosen is not null then 'unmet'
    when kind = 'failed' then case when exec_status = 9 and reason in ('handled', 'allowed_failure') then 'met' else 'unmet' end
    when exec_status = 9 and reason = 'handled' then 'unmet'
    else 'met'
  end
$function$;

CREATE OR REPLACE FUNCTION public.umbel_emit_v1(names text[], tenants text[], payloads jsonb[])
 RETURNS void
 LANGUAGE sql
AS $function$
  insert into ms_event (name, tenant, payload) select e.name, e.tenant, e.payload
  from unnest(names, tenants, payloads) with ordinality e(name, tenant, payload, ordinal) order by e.ordinal;
  select pg_notify('umbel', '{"events": ""}') where cardinality(names) > 0
$function$;

CREATE OR REPLACE FUNCTION public.umbel_event_flow(payload jsonb)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
  select coalesce(case jsonb_typeof(payload -> 'flow') when 'string' then payload ->> 'flow' when 'object' then payload -> 'flow' ->> 'id' end, payload ->> 'id')
$function$;

CREATE OR REPLACE FUNCTION public.umbel_event_matches(name text, patterns text[])
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
  select exists (select from unnest(patterns) p where name like replace(replace(p, '_', '\_'), '*', '%'))
$function$;

CREATE OR REPLACE FUNCTION public.umbel_event_unread(event_id bigint, xid xid8, c ms_event_cursor)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
  select not pg_visible_in_snapshot(xid, c.seen) and (event_id > c.floor_id or xid < pg_snapshot_xmax(c.seen))
$function$;

CREATE OR REPLACE FUNCTION public.umbel_executions_gone()
 RETURNS trigger
 LANGUAGE plpgsql
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET enable_seqscan TO 'off'
 SET enable_bitmapscan TO 'off'
 SET jit TO 'off'
AS $function$
begin
  if tg_op = 'TRUNCATE' then
    delete from kr_fire r where r.task_flow_id is not null;
  else
    delete from kr_fire r using gone g where r.task_flow_id = g.task_flow_id;
  end if;
  return null;
end $function$;

CREATE OR REPLACE FUNCTION public.umbel_expire_v1(execution text)
 RETURNS void
 LANGUAGE plpgsql
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET enable_seqscan TO 'off'
 SET enable_bitmapscan TO 'off'
 SET jit TO 'off'
AS $function$
declare
  failure constant jsonb := '{"name": "DeadlineError", "message": "the execution did not end before its deadline"}';
begin
  perform umbel_lock_executions(umbel_family(array[execution]));
  delete from kr_timer k where k.task_flow_id = execution and k.kind = 'deadline' and k.due_ts <= clock_timestamp();
  if not found then return; end if;
  perform 1 from kr_flow_stat f where f.task_flow_id = execution and f.flow_status in ('open', 'paused');
  if not found then return; end if;
  delete from kr_timer k where k.task_flow_id = execution;
  delete from kr_wait w where w.task_flow_id = execution;
  delete from kr_limit l where l.task_flow_id = execution;
  update kr_task_stat t set exec_status = 2, reason = 'failed', ready = false, watcher_id = null, delivered = null, error = failure,
      finished_ts = null, suspended_ts = clock_timestamp(), revision = t.revision + 1
    where t.task_flow_id = execution and (t.exec_status = 1 or (t.exec_status = 0 and t.waiting_on = 0) or (t.exec_status = 2 and t.reason <> 'failed'));
  update kr_flow_stat f set error = failure where f.task_flow_id = execution;
  update kr_flow_stat f set flow_status = 'aborted' where f.parent_flow_id = execution and f.flow_status in ('open', 'paused');
  update kr_flow_stat f set flow_status = 'open' where f.task_flow_id = execution and f.flow_status = 'paused';
  perform umbel_wire(execution);
end $function$;

CREATE OR REPLACE FUNCTION public.umbel_failed()
 RETURNS trigger
 LANGUAGE plpgsql
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET enable_seqscan TO 'off'
 SET enable_bitmapscan TO 'off'
 SET jit TO 'off'
AS $function$
begin
  insert into kr_start (task_flow_id, tenant, task_id, input)
    select new.task_flow_id, new.tenant, v.definition #>> '{settings,onFailure}', jsonb_build_object(
      'execution', new.task_flow_id, 'flow', new.task_id, 'error', coalesce(new.error, (
        select t.error from kr_task_stat t where t.task_flow_id = new.task_flow_id and t.exec_status = 2 and t.reason = 'failed'
        order by t.task_exec_seq limit 1)))
    from ms_flow_version v where v.version = new.version and v.definition #>> '{settings,onFailure}' is not null
    on conflict do nothing;
  return null;
end $function$;

CREATE OR REPLACE FUNCTION public.umbel_family(executions text[])
 RETURNS text[]
 LANGUAGE sql
 STABLE
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET enable_seqscan TO 'off'
 SET enable_bitmapscan TO 'off'
 SET jit TO 'off'
AS $function$
  with recursive family as (
    select e::varchar collate "C" flow from unnest(executions) e
    union
    select f.task_flow_id from family p join kr_flow_stat f on f.parent_flow_id = p.flow where f.flow_status in ('open', 'paused')
  ) select array_agg(flow order by flow) from family
$function$;

CREATE OR REPLACE FUNCTION public.umbel_filled(watchers integer[], held integer[])
 RETURNS integer
 LANGUAGE sql
 STABLE
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET enable_seqscan TO 'off'
 SET enable_bitmapscan TO 'off'
AS $function$
  select coalesce(sum(u.n), 0)::int from unnest(watchers, held) u(watcher, n) where exists (select from kr_watcher w where w.watcher_id = u.watcher)
$function$;

CREATE OR REPLACE FUNCTION public.umbel_fire_v1(most integer)
 RETURNS TABLE(pool character varying, task_priority numeric)
 LANGUAGE plpgsql
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET enable_seqscan TO 'off'
 SET jit TO 'off'
AS $function$
#variable_conflict use_column
declare
  due_flows text[]; due_seqs numeric[];
  late_flows text[]; late_seqs numeric[];
  undone text[];
begin
  perform umbel_expire_v1(k.task_flow_id) from kr_timer k where k.kind = 'deadline' and k.due_ts <= clock_timestamp() order by k.due_ts limit most;
  -- Tasks are locked before their timers, as by everybody; those that somebody else is at now are left for the next time.
  select array_agg(u.flow), array_agg(u.seq) into due_flows, due_seqs from (
      select distinct d.flow, d.seq from (
        select k.task_flow_id flow, k.task_exec_seq seq from kr_timer k where k.due_ts <= clock_timestamp() and k.kind <> 'deadline' order by k.due_ts limit most) d
      order by d.flow, d.seq) u
    cross join lateral (select 1 from kr_task_stat t where t.task_flow_id = u.flow and t.task_exec_seq = u.seq for update skip locked) k;
  if due_flows is null then return; end if;
  with gone as (
    delete from kr_timer k using unnest(due_flows, due_seqs) u(flow, seq)
    where k.task_flow_id = u.flow and k.task_exec_seq = u.seq and k.due_ts <= clock_timestamp() returning u.flow, u.seq, k.kind
  )
  select array_agg(g.flow) filter (where g.kind in ('retry', 'sleep')), array_agg(g.seq) filter (where g.kind in ('retry', 'sleep')),
         array_agg(g.flow) filter (where g.kind in ('wait', 'beat')), array_agg(g.seq) filter (where g.kind in ('wait', 'beat'))
    into due_flows, due_seqs, late_flows, late_seqs from gone g;
  return query with fired as (
    update kr_task_stat t set ready = true, revision = t.revision + 1
    from unnest(due_flows, due_seqs) u(flow, seq)
    where t.task_flow_id = u.flow and t.task_exec_seq = u.seq and t.exec_status = 0 and t.waiting_on = 0 and t.live > 0 and not t.hold and not t.ready
    returning t.pool, t.task_priority
  )
  select f.pool, min(f.task_priority) from fired f group by f.pool;
  -- All of its predecessors were skipped while it waited.
  select array_agg(distinct u.flow) into undone from unnest(due_flows, due_seqs) u(flow, seq)
    cross join lateral (select 1 from kr_task_stat t where t.task_flow_id = u.flow and t.task_exec_seq = u.seq and t.exec_status = 0 and t.live = 0) k;
  perform umbel_wire_undone(undone);
  if late_flows is not null then
    perform umbel_time_out_v1(late_flows, late_seqs);
  end if;
end $function$;

CREATE OR REPLACE FUNCTION public.umbel_flow_announce()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  new.announce := umbel_announce(to_jsonb(new));
  return new;
end $function$;

CREATE OR REPLACE FUNCTION public.umbel_flow_changed()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  new.revision := old.revision + 1;
  new.updated_ts := now();
  return new;
end $function$;

CREATE OR REPLACE FUNCTION public.umbel_flow_gone()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  if tg_op = 'TRUNCATE' then
    delete from kr_fire;
  else
    delete from kr_fire r where r.task_id = old.task_id;
  end if;
  return null;
end $function$;

CREATE OR REPLACE FUNCTION public.umbel_flow_status()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  if new.status in ('stopping', 'inactive') or new.cron is not null then
    delete from ms_hook h where h.task_id = new.task_id;
  end if;
  if new.status in ('stopping', 'inactive') or new.cron is null then
    delete from ms_schedule s where s.task_id = new.task_id;
    update kr_fire r set decision = 'cancelled', reason = 'the schedule ended' where r.task_id = new.task_id and r.decision = 'queued';
  end if;
  if new.status in ('starting', 'active') and new.cron is not null then
    insert into ms_schedule as s (task_id, cron, timezone) values (new.task_id, new.cron, coalesce(new.timezone, 'UTC'))
      on conflict (task_id) do update
      set cron = excluded.cron, timezone = excluded.timezone, due_execution = null, decided_to = excluded.decided_to
      where (s.cron, s.timezone) is distinct from (excluded.cron, excluded.timezone) or new.status is distinct from old.status;
    perform pg_notify('umbel', '{"schedules":true}');
  elsif new.status in ('starting', 'active') then
    insert into ms_hook as h (task_id, queue, status) values (new.task_id, new.task_id, case new.status when 'active' then 'open' else 'closed' end)
      on conflict (task_id) do update set status = excluded.status where h.status <> excluded.status;
  end if;
  return null;
end $function$;

CREATE OR REPLACE FUNCTION public.umbel_hand_announce()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  new.announce := (select nullif(f.announce, 0) from ms_flow f where f.task_id = new.task_id);
  return new;
end $function$;

CREATE OR REPLACE FUNCTION public.umbel_hand_delete()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  delete from kr_timer k using gone g where k.task_flow_id = g.task_flow_id and k.task_exec_seq = g.task_exec_seq;
  delete from kr_slot_queue q using gone g where q.task_flow_id = g.task_flow_id and q.task_exec_seq = g.task_exec_seq;
  delete from kr_task_log l using gone g where l.task_flow_id = g.task_flow_id and l.task_exec_seq = g.task_exec_seq;
  delete from kr_wait w using gone g where w.task_flow_id = g.task_flow_id and w.task_exec_seq = g.task_exec_seq;
  delete from kr_limit l using gone g where l.task_flow_id = g.task_flow_id and l.task_exec_seq = g.task_exec_seq;
  update kr_task_stat t set waiting_on = null, revision = t.revision + 1
    from (select distinct g.task_flow_id from gone g where g.exec_status <> 3 or g.wire_on = 2 or g.chosen is not null or g.waiting_on is null) e
    cross join lateral (select k.task_exec_seq from kr_task_stat k where k.task_flow_id = e.task_flow_id order by k.task_exec_seq limit 1) k
    where t.task_flow_id = e.task_flow_id and t.task_exec_seq = k.task_exec_seq;
  with ended as (
    delete from kr_flow_stat f using (select distinct g.task_flow_id from gone g) e
      where f.task_flow_id = e.task_flow_id and not exists (select from kr_task_stat t where t.task_flow_id = e.task_flow_id)
    returning f.task_flow_id
  ), signals as (
    delete from kr_signal s using ended e where s.task_flow_id = e.task_flow_id
  )
  delete from kr_timer k using ended e where k.task_flow_id = e.task_flow_id;
  return null;
end $function$;

CREATE OR REPLACE FUNCTION public.umbel_hand_edit()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  new.revision := old.revision + 1;
  new.waiting_on := null;
  new.ready := false;
  delete from kr_slot_queue q where q.task_flow_id = old.task_flow_id and q.task_exec_seq = old.task_exec_seq;
  if new.depends_task_exec_seq <> old.depends_task_exec_seq and new.depends is not distinct from old.depends then
    new.depends := null;
  end if;
  if new.depends is distinct from old.depends and new.edges is not distinct from old.edges then
    new.edges := null;
  end if;
  if (new.exec_status, new.reason) is distinct from (old.exec_status, old.reason) and new.chosen is not distinct from old.chosen then
    new.chosen := null;
  end if;
  if new.exec_status is not distinct from old.exec_status then
    return new;
  end if;
  new.watcher_id := null;
  delete from kr_timer k where k.task_flow_id = old.task_flow_id and k.task_exec_seq = old.task_exec_seq;
  perform umbel_wait_no_more(old.task_flow_id, old.task_exec_seq, old.exec_status in (1, 2));
  new.delivered := null;
  if new.reason is not distinct from old.reason then
    new.reason := case when new.exec_status in (2, 9) then 'operator' end;
  end if;
  if new.exec_status = 3 and new.finished_ts is not distinct from old.finished_ts then new.finished_ts := now(); end if;
  if new.exec_status = 2 and new.suspended_ts is not distinct from old.suspended_ts then new.suspended_ts := now(); end if;
  if new.exec_status in (0, 1) then
    new.exec_status := 0;
    new.error := null;
    new.lost := 0;
    new.retried := 0;
    -- Who begins again does so with the step itself, wherever its fallback was; see watcher/fallback.ts.
    if new.checkpoint ? 'umbel:fallback' then
      new.checkpoint := nullif(new.checkpoint #> '{umbel:fallback,own}', 'null');
    end if;
  end if;
  return new;
end $function$;

CREATE OR REPLACE FUNCTION public.umbel_hand_status()
 RETURNS trigger
 LANGUAGE plpgsql
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET enable_seqscan TO 'off'
 SET enable_bitmapscan TO 'off'
 SET jit TO 'off'
AS $function$
declare
  flow constant varchar := new.task_flow_id;
begin
  case new.flow_status
  when 'paused' then
    update kr_task_stat t set hold = true where t.task_flow_id = flow and not t.hold and t.exec_status in (0, 1, 2);
  when 'aborted' then
    if old.flow_status = 'paused' or exists (select from kr_task_stat t where t.task_flow_id = flow
        and (t.exec_status in (1, 2) or t.exec_status = 0 and coalesce(t.waiting_on, 0) = 0)) then
      update kr_task_stat t set hold = false,
          exec_status = case when t.exec_status in (0, 1, 2) then 9 else t.exec_status end,
          reason = case when t.exec_status in (0, 1, 2) then 'aborted' else t.reason end
        where t.task_flow_id = flow and (t.exec_status in (0, 1, 2) or t.hold);
      update kr_flow_stat f set flow_status = 'aborted' where f.parent_flow_id = flow and f.flow_status in ('open', 'paused');
      perform umbel_wire(flow);
    end if;
  when 'open' then
    if old.flow_status = 'paused' then
      update kr_task_stat t set hold = false where t.task_flow_id = flow and t.hold;
      perform umbel_wire(flow);
    elsif new.active = 0 and (case old.flow_status
        when 'failed' then exists (select from kr_task_stat t where t.task_flow_id = flow and t.exec_status = 2 and t.reason = 'failed')
        else not exists (select from kr_task_stat t where t.task_flow_id = flow and t.exec_status = 2) end) then
      update kr_flow_stat f set error = null, output = null where f.task_flow_id = flow;
      update kr_task_stat t set hold = false where t.task_flow_id = flow and t.hold;
      update kr_task_stat t set exec_status = 0, reason = null
        where t.task_flow_id = flow and (t.exec_status = 2 and t.reason in ('failed', 'operator') or t.exec_status = 9 and t.reason = 'aborted');
    end if;
  end case;
  return null;
end $function$;

CREATE OR REPLACE FUNCTION public.umbel_hook_changed()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  perform pg_notify('umbel_hooks', json_build_object('hook', case tg_op when 'DELETE' then old.task_id else new.task_id end)::text);
  return null;
end $function$;

CREATE OR REPLACE FUNCTION public.umbel_hook_reply_v1(execution text, reply jsonb)
 RETURNS boolean
 LANGUAGE plpgsql
AS $function$
declare
  stored jsonb;
begin
  update kr_flow_stat f set reply = umbel_hook_reply_v1.reply where f.task_flow_id = execution and f.reply is null returning f.reply into stored;
  if found then
    perform pg_notify('umbel_hooks', json_build_object('reply', execution)::text);
    return true;
  end if;
  -- The answer of an attempt whose own end was lost counts as this one's.
  return coalesce((select f.reply ->> 'by' = umbel_hook_reply_v1.reply ->> 'by' from kr_flow_stat f where f.task_flow_id = execution), false);
end $function$;

CREATE OR REPLACE FUNCTION public.umbel_inserted_edges(flows text[])
 RETURNS TABLE(flow text, seq numeric, depends numeric[], releases numeric[], waiting_on integer)
 LANGUAGE sql
 SET enable_nestloop TO 'off'
 SET enable_hashjoin TO 'on'
 SET enable_seqscan TO 'off'
 SET jit TO 'off'
AS $function$
  with task as materialized (
    select t.task_flow_id::text flow, t.task_exec_seq seq,
           coalesce(t.depends, case when t.depends_task_exec_seq = -1 then '{}' else array[t.depends_task_exec_seq] end) depends
    from kr_task_stat t join unnest(flows) u(flow) on u.flow = t.task_flow_id where t.unwired
  ), wish as materialized (
    select c.flow, c.seq child, d.seq parent from task c cross join lateral unnest(c.depends) d(seq)
  ), edge as materialized (
    select w.flow, w.child, w.parent from wish w join task p on p.flow = w.flow and p.seq = w.parent
  ), incoming as materialized (
    select e.flow, e.child, count(*)::int waiting_on from edge e group by 1, 2
  ), outgoing as materialized (
    select e.flow, e.parent, array_agg(e.child order by e.child) releases from edge e group by 1, 2
  )
  select t.flow, t.seq, t.depends, coalesce(o.releases, '{}'), coalesce(i.waiting_on, 0)
  from task t
  left join incoming i on i.flow = t.flow and i.child = t.seq
  left join outgoing o on o.flow = t.flow and o.parent = t.seq
  order by 1, 2
$function$;

CREATE OR REPLACE FUNCTION public.umbel_iso(at timestamp with time zone)
 RETURNS text
 LANGUAGE sql
 STABLE PARALLEL SAFE
AS $function$
  select to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
$function$;

CREATE OR REPLACE FUNCTION public.umbel_limit_inserted()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  new.limited := exists (select from ms_task_definition d where d.task_id = new.task_id and d.task_seq = new.task_seq
                           and (d.options ? 'concurrency' or d.options ? 'rate'));
  return new;
end $function$;

CREATE OR REPLACE FUNCTION public.umbel_lock_executions(executions text[])
 RETURNS void
 LANGUAGE plpgsql
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET enable_seqscan TO 'off'
 SET enable_bitmapscan TO 'off'
 SET jit TO 'off'
AS $function$
begin
  perform 1 from kr_task_stat t where t.task_flow_id = any (executions) order by t.task_flow_id, t.task_exec_seq for update;
  perform 1 from kr_flow_stat f where f.task_flow_id = any (executions) order by f.task_flow_id for update;
end $function$;

CREATE OR REPLACE FUNCTION public.umbel_lock_slots(slots text[])
 RETURNS void
 LANGUAGE plpgsql
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET enable_seqscan TO 'off'
 SET enable_bitmapscan TO 'off'
 SET jit TO 'off'
AS $function$
declare
  locked int;
begin
  loop
    insert into kr_slot (slot) select u.slot from unnest(slots) u(slot) order by u.slot collate "C" on conflict do nothing;
    select count(*) into locked from (
      select k.slot from (select distinct u.slot collate "C" slot from unnest(slots) u(slot) order by 1) u
      cross join lateral (select s.slot from kr_slot s where s.slot = u.slot for update) k) l;
    -- Otherwise one was dropped in between.
    exit when locked = cardinality(array(select distinct u.slot from unnest(slots) u(slot)));
  end loop;
end $function$;

CREATE OR REPLACE FUNCTION public.umbel_match_v1(executions text[])
 RETURNS integer
 LANGUAGE plpgsql
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET enable_seqscan TO 'off'
 SET enable_bitmapscan TO 'off'
 SET jit TO 'off'
AS $function$
declare
  flows text[]; seqs numeric[]; messages jsonb[];
begin
  perform 1 from kr_wait w
    join kr_task_stat t on t.task_flow_id = w.task_flow_id and t.task_exec_seq = w.task_exec_seq
    where w.task_flow_id = any (executions) and w.kind = 'signal' order by t.task_flow_id, t.task_exec_seq for update of t;
  with waiting as (
    select w.task_flow_id flow, w.task_exec_seq seq, w.name,
      row_number() over (partition by w.task_flow_id, w.name order by w.since_ts, w.task_exec_seq) n
    from kr_wait w
    join kr_task_stat t on t.task_flow_id = w.task_flow_id and t.task_exec_seq = w.task_exec_seq
    where w.task_flow_id = any (executions) and w.kind = 'signal' and t.exec_status = 2 and t.reason = 'signal'
  ), kept as (
    select s.signal_id, s.task_flow_id flow, s.name, row_number() over (partition by s.task_flow_id, s.name order by s.signal_id) n
    from kr_signal s where s.task_flow_id = any (executions) and s.task_exec_seq is null
  ), matched as (
    update kr_signal s set task_exec_seq = w.seq, delivered_ts = clock_timestamp()
    from waiting w join kept k on k.flow = w.flow and k.name = w.name and k.n = w.n
    where s.signal_id = k.signal_id
    returning s.task_flow_id flow, w.seq, jsonb_build_object('kind', 'signal', 'value', s.value, 'by', s.sender, 'comment', s.comment,
      'at', to_char(s.sent_ts at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')) message
  )
  select array_agg(m.flow), array_agg(m.seq), array_agg(m.message) into flows, seqs, messages from matched m;
  return case when flows is null then 0 else umbel_deliver_v1(flows, seqs, messages) end;
end $function$;

CREATE OR REPLACE FUNCTION public.umbel_override(parameters json, override jsonb)
 RETURNS json
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
  select coalesce((select json_object_agg(p.key, coalesce(override -> p.key, p.value::jsonb)) from json_each(parameters) p), parameters)
$function$;

CREATE OR REPLACE FUNCTION public.umbel_prunable(flow_status text, finished_ts timestamp with time zone, place smallint, ended_before timestamp with time zone)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
  select finished_ts < ended_before and flow_status in ('success', 'failed', 'aborted') and place is distinct from 1::smallint
$function$;

CREATE OR REPLACE FUNCTION public.umbel_prune_events_v1(created_before timestamp with time zone, after bigint, most integer, OUT events integer, OUT next bigint)
 RETURNS record
 LANGUAGE plpgsql
 SET enable_seqscan TO 'off'
 SET enable_bitmapscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET jit TO 'off'
AS $function$
begin
  with old as materialized (
    select e.event_id, e.xid from (select k.* from ms_event k where k.event_id > after order by k.event_id limit most) e
    where e.created_ts < created_before
  ), gone as (
    delete from ms_event e using old o where e.event_id = o.event_id
      and not exists (select from ms_event_cursor c where umbel_event_unread(o.event_id, o.xid, c))
    returning 1
  )
  select (select count(*) from gone), (select max(o.event_id) from old o having count(*) = most) into events, next;
end $function$;

CREATE OR REPLACE FUNCTION public.umbel_prune_fires_v1(flows text[], kept integer)
 RETURNS void
 LANGUAGE plpgsql
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET enable_seqscan TO 'off'
 SET enable_bitmapscan TO 'off'
 SET jit TO 'off'
AS $function$
begin
  delete from kr_fire r using unnest(flows) u(flow)
    cross join lateral (select k.slot from kr_fire k where k.task_id = u.flow order by k.slot desc offset kept limit 1) cut
    where r.task_id = u.flow and r.slot <= cut.slot and r.decision <> 'queued'
      and not exists (select from kr_flow_stat f where f.task_flow_id = r.task_flow_id and f.flow_status in ('open', 'paused', 'compensating'));
end $function$;

CREATE OR REPLACE FUNCTION public.umbel_prune_v1(ended_before timestamp with time zone, of_flow text, after_ts timestamp with time zone, after_flow text, most_executions integer, most_tasks integer, OUT executions integer, OUT tasks integer, OUT next_ts timestamp with time zone, OUT next_flow text)
 RETURNS record
 LANGUAGE plpgsql
 SET enable_mergejoin TO 'off'
 SET enable_seqscan TO 'off'
 SET enable_bitmapscan TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
 SET jit TO 'off'
 SET "umbel.pruning" TO 'on'
AS $function$
declare
  seen_times timestamptz[]; seen text[]; old text[]; looked int;
  tids tid[]; tid_flows text[]; cut text;
begin
  executions := 0; tasks := 0;
  select array_agg(w.registered_ts), array_agg(w.task_flow_id),
         array_agg(w.task_flow_id) filter (where umbel_prunable(w.flow_status, w.finished_ts, w.place, ended_before) and (of_flow is null or w.task_id = of_flow))
    into seen_times, seen, old
    from (
      select f.* from kr_flow_stat f where f.registered_ts < ended_before and (f.registered_ts, f.task_flow_id) > (after_ts, after_flow)
      order by f.registered_ts, f.task_flow_id limit most_executions) w;
  if seen is null then return; end if;
  looked := cardinality(seen);

  -- Tasks before executions, as everywhere.
  if old is not null then
    select array_agg(t.tid), array_agg(t.flow) into tids, tid_flows from (
      select k.tid, o.flow from unnest(old) o(flow)
      cross join lateral (
        select t.ctid tid from kr_task_stat t where t.task_flow_id = o.flow order by t.task_exec_seq for update skip locked) k
      limit most_tasks + 1) t;
    if cardinality(tids) > most_tasks then
      cut := tid_flows[most_tasks + 1];
      if tid_flows[1] = cut then
        select array_agg(k.tid), array_agg(cut) into tids, tid_flows from (
          select t.ctid tid from kr_task_stat t where t.task_flow_id = cut order by t.task_exec_seq for update skip locked) k;
        looked := array_position(seen, cut);
        old := old[: array_position(old, cut)];
      else
        looked := array_position(seen, cut) - 1;
        old := old[: array_position(old, cut) - 1];
      end if;
    end if;

    -- Whole ones only: a task that was passed over or has just come keeps its execution.
    old := array(
      select w.flow from (
        select u.flow, 1 n from unnest(tid_flows) u(flow)
        union all
        select o.flow, -(select count(*)::int from kr_task_stat t where t.task_flow_id = o.flow) from unnest(old) o(flow)) w
      group by w.flow having sum(w.n) = 0 order by w.flow);
    old := array(
      select k.flow from unnest(old) o(flow)
      cross join lateral (
        select f.task_flow_id flow from kr_flow_stat f
        where f.task_flow_id = o.flow and umbel_prunable(f.flow_status, f.finished_ts, f.place, ended_before) for update skip locked) k);

    delete from kr_task_stat t using unnest(tids, tid_flows) u(tid, flow) join unnest(old) o(flow) on o.flow = u.flow where t.ctid = u.tid;
    get diagnostics tasks = row_count;
    delete from kr_timer k using unnest(old) o(flow) where k.task_flow_id = o.flow;
    delete from kr_slot_queue q using unnest(old) o(flow) where q.task_flow_id = o.flow;
    delete from kr_task_log l using unnest(old) o(flow) where l.task_flow_id = o.flow;
    delete from kr_wait w using unnest(old) o(flow) where w.task_flow_id = o.flow;
    delete from kr_limit l using unnest(old) o(flow) where l.task_flow_id = o.flow;
    delete from kr_signal s using unnest(old) o(flow) where s.task_flow_id = o.flow;
    delete from kr_flow_stat f using unnest(old) o(flow) where f.task_flow_id = o.flow;
    get diagnostics executions = row_count;
  end if;

  if looked = cardinality(seen) and looked < most_executions then return; end if;
  next_ts := seen_times[looked]; next_flow := seen[looked];
end $function$;

CREATE OR REPLACE FUNCTION public.umbel_queue_v1()
 RETURNS TABLE(pool text, priority integer, state text, depth bigint)
 LANGUAGE sql
 STABLE
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET enable_seqscan TO 'off'
 SET enable_bitmapscan TO 'off'
 SET jit TO 'off'
AS $function$
  with recursive lane as (
    (select t.pool, t.task_priority from kr_task_stat t where t.ready and not t.limited order by t.pool, t.task_priority limit 1)
    union all
    select n.pool, n.task_priority from lane l cross join lateral (
      select t.pool, t.task_priority from kr_task_stat t where t.ready and not t.limited and (t.pool, t.task_priority) > (l.pool, l.task_priority)
      order by t.pool, t.task_priority limit 1) n
  )
  select l.pool, l.task_priority::int, 'ready', (
      select count(*) from (
        select from kr_task_stat t where t.ready and not t.limited and t.pool = l.pool and t.task_priority = l.task_priority limit 50000) c)
    from lane l
  union all
  select t.pool, t.task_priority::int, case when t.started_ts is null then 'ahead' else 'running' end, count(*)
    from (select distinct c.watcher_id, h.flow, h.seq from kr_claim c cross join lateral unnest(c.flows, c.seqs) h(flow, seq)) h
    join kr_task_stat t on t.task_flow_id = h.flow and t.task_exec_seq = h.seq and t.exec_status = 1 and t.watcher_id = h.watcher_id
    group by 1, 2, 3
$function$;

CREATE OR REPLACE FUNCTION public.umbel_read_events_v1(seen pg_snapshot, floor_id bigint, upto pg_snapshot, after_id bigint, patterns text[], most integer)
 RETURNS TABLE(event_id bigint, xid xid8, name text, service text, tenant text, payload jsonb, created text, upto_now text)
 LANGUAGE plpgsql
 STABLE
 SET enable_seqscan TO 'off'
 SET enable_bitmapscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
 SET jit TO 'off'
AS $function$
#variable_conflict use_column
declare
  limits constant pg_snapshot := coalesce(umbel_read_events_v1.upto, pg_current_snapshot());
begin
  return query
    with found as (
      (select e.* from pg_snapshot_xip(seen) x(xid)
         cross join lateral (select k.* from ms_event k where k.xid = x.xid) e
         where e.event_id <= umbel_read_events_v1.floor_id and e.event_id > coalesce(umbel_read_events_v1.after_id, 0)
           and pg_visible_in_snapshot(e.xid, limits)
         order by e.event_id limit most)
      union all
      (select e.* from ms_event e
         where e.event_id > greatest(umbel_read_events_v1.floor_id, umbel_read_events_v1.after_id)
           and not pg_visible_in_snapshot(e.xid, seen) and pg_visible_in_snapshot(e.xid, limits)
         order by e.event_id limit most)
    ), next as (
      select f.*, patterns is null or umbel_event_matches(f.name, patterns) wanted from found f order by f.event_id limit most
    )
    select n.event_id, n.xid, case when n.wanted then n.name::text end, case when n.wanted then n.service::text end,
           case when n.wanted then n.tenant end, case when n.wanted then n.payload end,
           case when n.wanted then umbel_iso(n.created_ts) end, coalesce(umbel_read_events_v1.upto, (select umbel_remember(limits)))::text
    from next n order by n.event_id;
end $function$;

CREATE OR REPLACE FUNCTION public.umbel_rebase_events_v1()
 RETURNS boolean
 LANGUAGE plpgsql
AS $function$
declare
  newest constant xid8 := pg_snapshot_xmax(pg_current_snapshot());
begin
  if not exists (select from ms_event_cursor c where pg_snapshot_xmax(c.seen) > newest or pg_snapshot_xmax(c.upto) > newest)
     and coalesce((select e.xid < newest from ms_event e order by e.xid desc limit 1), true) then
    return false;
  end if;
  lock table ms_event, ms_event_cursor in exclusive mode;
  update ms_event_cursor c set seen = '3:3:', upto = null, after_id = null, holder = null, floor_id = coalesce(
    (select min(e.event_id) - 1 from ms_event e where umbel_event_unread(e.event_id, e.xid, c) or e.event_id > greatest(c.floor_id, c.after_id)),
    c.floor_id);
  update ms_event e set xid = '3' where e.xid >= newest;
  return true;
end $function$;

CREATE OR REPLACE FUNCTION public.umbel_register_v1(ids text[], flows text[], revisions bigint[], versions uuid[], tenants text[], inputs jsonb[], overrides jsonb[], priorities numeric[], keys text[], triggers jsonb[], parents text[], parent_seqs numeric[], timeouts double precision[])
 RETURNS TABLE(ordinal integer, outcome text, task_flow_id character varying)
 LANGUAGE plpgsql
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET enable_seqscan TO 'off'
 SET enable_bitmapscan TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
 SET jit TO 'off'
AS $function$
#variable_conflict use_column
declare
  limited text[];
begin
  return query with given as (
    select * from unnest(ids, flows, revisions, versions, tenants, inputs, overrides, priorities, keys, triggers, parents, parent_seqs, timeouts)
      with ordinality as u(id, flow, revision, version, tenant, input, override, priority, key, trigger, parent, parent_seq, timeout, ordinal)
  ), fresh as (
    select g.*, f.max_running, f.fail_fast, f.announce, p.roots from given g
    cross join lateral (
      select d.max_running, d.settings -> 'failFast' is not distinct from 'true' fail_fast, d.announce from ms_flow d where d.task_id = g.flow and d.revision = g.revision
      union all
      select null, v.definition #> '{settings,failFast}' is not distinct from 'true', 0::smallint from ms_flow_version v where g.revision = 0 and v.version = g.version) f
    cross join lateral (select count(*) roots from ms_plan q where q.version = g.version and q.waiting_on = 0 and q.selected) p
    where p.roots > 0
  ), execution as (
    insert into kr_flow_stat (
      task_flow_id, task_id, tenant, version, trigger, input, idempotency_key, parent_flow_id, parent_exec_seq, deadline_ts, registered_ts, place, active, fail_fast, announce)
    select f.id, f.flow, f.tenant, f.version, f.trigger, f.input, f.key, f.parent, f.parent_seq, now() + f.timeout * interval '1 millisecond', now(), case when f.max_running is not null then 0 end,
           f.roots, f.fail_fast, nullif(f.announce, 0)
    from fresh f
    order by f.key, f.ordinal -- batches that share keys wait for each other instead of locking each other out
    on conflict (tenant, task_id, idempotency_key) where idempotency_key is not null do nothing
    returning task_flow_id
  ), task as (
    insert into kr_task_stat (
      task_flow_id, task_exec_seq, depends_task_exec_seq, task_id, task_seq, exec_status, reason, task_priority, parameters, registered_ts,
      version, pool, depends, edges, need, releases, wire_on, waiting_on, live, unwired, ready, limited, input)
    select f.id, p.task_exec_seq, coalesce(p.depends[1], -1), f.flow, p.task_seq, case when p.selected then 0 else 9 end, case when not p.selected then 'not_selected' end, coalesce(f.priority, p.task_priority),
           case when f.override is null then p.parameters else umbel_override(p.parameters, f.override) end, now(),
           f.version, p.pool, p.depends, p.edges, p.need, p.releases, p.wire_on, p.waiting_on, p.live, false, p.waiting_on = 0 and p.selected and f.max_running is null, p.limited,
           case when p.waiting_on = 0 then f.input end
    from fresh f
    cross join lateral (select * from ms_plan q where q.version = f.version) p
    where f.key is null or f.id in (select task_flow_id from execution)
  )
  select f.ordinal::int, 'registered', f.id::varchar from fresh f where f.key is null
  union all
  select g.ordinal::int, 'stale', null from given g where g.key is null and g.ordinal not in (select f.ordinal from fresh f);

  return query select g.ordinal::int, case when k.task_flow_id is null then 'stale' when k.task_flow_id = g.id then 'registered' else 'existing' end, k.task_flow_id
    from unnest(ids, flows, tenants, keys) with ordinality as g(id, flow, tenant, key, ordinal)
    left join kr_flow_stat k on k.tenant = g.tenant and k.task_id = g.flow and k.idempotency_key = g.key
    where g.key is not null;

  select array_agg(f.task_id) into limited from ms_flow f where f.task_id = any (flows) and f.max_running is not null;
  if limited is not null then
    perform umbel_admit_v1(limited);
  end if;
end $function$;

CREATE OR REPLACE FUNCTION public.umbel_remember(s pg_snapshot)
 RETURNS pg_snapshot
 LANGUAGE sql
 STABLE
AS $function$
  select format('%s:%s:%s', pg_snapshot_xmin(s), pg_current_xact_id(), (
    select string_agg(x.xid::text, ',' order by x.xid) from (
      select k.xid::text::bigint xid from pg_snapshot_xip(s) k(xid)
      union all
      select generate_series(pg_snapshot_xmax(s)::text::bigint, pg_current_xact_id()::text::bigint - 1)) x))::pg_snapshot
$function$;

CREATE OR REPLACE FUNCTION public.umbel_rescue_v1(lost_limit integer)
 RETURNS TABLE(watcher_id integer, task_flow_id character varying, task_exec_seq numeric, exec_status numeric)
 LANGUAGE plpgsql
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET enable_seqscan TO 'off'
 SET enable_bitmapscan TO 'off'
 SET jit TO 'off'
AS $function$
#variable_conflict use_column
declare
  dead int;
  held_flows text[]; held_seqs numeric[];
  free_flows text[]; free_seqs numeric[];
  lost_flows text[]; lost_seqs numeric[]; lost_statuses numeric[];
  undone text[];
begin
  for dead in select w.watcher_id from kr_watcher w where w.lease_until < clock_timestamp() for update skip locked loop
    delete from kr_watcher w where w.watcher_id = dead;
  end loop;
  for dead in
    select distinct c.watcher_id from kr_claim c where not exists (select from kr_watcher w where w.watcher_id = c.watcher_id) order by 1
  loop
    -- Deleted before they are read: a last call that the dead watcher had under way may still add one, and that is for the next rescue.
    with taken as (
      delete from kr_claim c where c.watcher_id = dead returning c.flows, c.seqs
    )
    select array_agg(h.flow order by h.flow, h.seq), array_agg(h.seq order by h.flow, h.seq) into held_flows, held_seqs
      from (select distinct u.flow, u.seq from taken c cross join lateral unnest(c.flows, c.seqs) u(flow, seq)) h;
    select array_agg(h.flow), array_agg(h.seq) into free_flows, free_seqs from unnest(held_flows, held_seqs) h(flow, seq)
      cross join lateral (select 1 from kr_task_stat t where t.task_flow_id = h.flow and t.task_exec_seq = h.seq for update skip locked) k;
    -- What somebody keeps locked stays in the books for the next rescue, and holds up no other.
    insert into kr_claim (watcher_id, claim_no, part, flows, seqs)
      select dead, 0, 0, array_agg(h.flow), array_agg(h.seq) from unnest(held_flows, held_seqs) h(flow, seq)
      where not exists (select from unnest(free_flows, free_seqs) f(flow, seq) where f.flow = h.flow and f.seq = h.seq)
        and exists (select from kr_task_stat t where t.task_flow_id = h.flow and t.task_exec_seq = h.seq and t.exec_status = 1 and t.watcher_id = dead)
      having count(*) > 0;
    with lost as (
      update kr_task_stat t set
        exec_status = case when t.lost + 1 < lost_limit then 0 else 2 end,
        ready = t.lost + 1 < lost_limit and t.waiting_on = 0 and t.live > 0 and not t.hold,
        reason = case when t.lost + 1 < lost_limit then null else 'failed' end,
        suspended_ts = case when t.lost + 1 < lost_limit then null else clock_timestamp() end,
        error = case when t.lost + 1 < lost_limit then null else jsonb_build_object('name', 'LostError',
          'message', format('its watcher died %s times while it ran', t.lost + 1)) end,
        watcher_id = null, lost = t.lost + 1, revision = t.revision + 1
      from unnest(free_flows, free_seqs) h(flow, seq)
      where t.task_flow_id = h.flow and t.task_exec_seq = h.seq and t.exec_status = 1 and t.watcher_id = dead
      returning t.task_flow_id, t.task_exec_seq, t.exec_status, t.exec_status = 2 or t.waiting_on > 0 or t.live = 0 undone
    )
    select array_agg(l.task_flow_id), array_agg(l.task_exec_seq), array_agg(l.exec_status),
           array_agg(distinct l.task_flow_id order by l.task_flow_id) filter (where l.undone)
      into lost_flows, lost_seqs, lost_statuses, undone from lost l;
    perform umbel_wire_undone(undone);
    return query select dead, l.flow::varchar, l.seq, l.status from unnest(lost_flows, lost_seqs, lost_statuses) l(flow, seq, status);
  end loop;
end $function$;

CREATE OR REPLACE FUNCTION public.umbel_return_strays_v1(watcher integer, flows text[], seqs numeric[], upto bigint)
 RETURNS integer
 LANGUAGE plpgsql
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET enable_seqscan TO 'off'
 SET enable_bitmapscan TO 'off'
 SET jit TO 'off'
AS $function$
declare
  stray_flows text[]; stray_seqs numeric[]; stray_attempts int[];
  returned int := 0;
begin
  select array_agg(t.task_flow_id), array_agg(t.task_exec_seq), array_agg(t.attempt)
    into stray_flows, stray_seqs, stray_attempts
    from kr_claim c
    cross join lateral unnest(c.flows, c.seqs) held(flow, seq)
    join kr_task_stat t on t.task_flow_id = held.flow and t.task_exec_seq = held.seq and t.exec_status = 1 and t.watcher_id = watcher
    where c.watcher_id = watcher and c.claim_no <= upto
      and not exists (select from kr_claim n cross join lateral unnest(n.flows, n.seqs) later(flow, seq)
                      where n.watcher_id = watcher and n.claim_no > upto and later.flow = held.flow and later.seq = held.seq)
      and not exists (select from unnest(umbel_return_strays_v1.flows, umbel_return_strays_v1.seqs) known(flow, seq)
                      where known.flow = held.flow and known.seq = held.seq);
  if stray_flows is not null then
    returned := umbel_return_v1(watcher, stray_flows, stray_seqs, stray_attempts, false);
  end if;
  -- Nobody will close a batch that nobody knows of.
  delete from kr_claim c where c.watcher_id = watcher and c.claim_no <= upto and not exists (
    select from unnest(c.flows, c.seqs) held(flow, seq)
    join kr_task_stat t on t.task_flow_id = held.flow and t.task_exec_seq = held.seq and t.exec_status = 1 and t.watcher_id = watcher);
  return returned;
end $function$;

CREATE OR REPLACE FUNCTION public.umbel_return_v1(watcher integer, flows text[], seqs numeric[], attempts integer[], begun boolean)
 RETURNS integer
 LANGUAGE plpgsql
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET enable_seqscan TO 'off'
 SET enable_bitmapscan TO 'off'
 SET jit TO 'off'
AS $function$
declare
  returned int;
  undone text[];
begin
  select array_agg(u.flow), array_agg(u.seq), array_agg(u.attempt) into flows, seqs, attempts
    from (select * from unnest(flows, seqs, attempts) u(flow, seq, attempt) order by u.flow collate "C", u.seq) u
    cross join lateral (select 1 from kr_task_stat t where t.task_flow_id = u.flow and t.task_exec_seq = u.seq for update skip locked) k;
  with back as (
    update kr_task_stat t set
      exec_status = 0, ready = t.waiting_on = 0 and t.live > 0 and not t.hold, watcher_id = null, started_ts = null, revision = t.revision + 1,
      attempt = case when begun then t.attempt else t.attempt - 1 end
    from unnest(flows, seqs, attempts) u(flow, seq, attempt)
    where t.task_flow_id = u.flow and t.task_exec_seq = u.seq
      and t.exec_status = 1 and t.watcher_id = watcher and t.attempt = u.attempt
    returning t.task_flow_id, t.waiting_on > 0 or t.live = 0 undone
  )
  select count(*), array_agg(distinct b.task_flow_id order by b.task_flow_id) filter (where b.undone) into returned, undone from back b;
  perform umbel_wire_undone(undone);
  return returned;
end $function$;

CREATE OR REPLACE FUNCTION public.umbel_satisfies(exec_status numeric, reason text)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
  select exec_status = 3 or (exec_status = 9 and reason is distinct from 'aborted')
$function$;

CREATE OR REPLACE FUNCTION public.umbel_signal_v1(of_tenant text, execution text, signal text, value jsonb, sender text, comment text)
 RETURNS text
 LANGUAGE plpgsql
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET enable_seqscan TO 'off'
 SET enable_bitmapscan TO 'off'
 SET jit TO 'off'
AS $function$
declare
  status text;
begin
  perform 1 from kr_wait w
    join kr_task_stat t on t.task_flow_id = w.task_flow_id and t.task_exec_seq = w.task_exec_seq
    where w.task_flow_id = execution and w.kind = 'signal' order by t.task_exec_seq for update of t;
  select f.flow_status into status from kr_flow_stat f where f.task_flow_id = execution and f.tenant = of_tenant for update;
  if status in ('open', 'paused') then
    insert into kr_signal (task_flow_id, name, value, sender, comment) values (execution, signal, value, sender, comment);
  end if;
  return status;
end $function$;

CREATE OR REPLACE FUNCTION public.umbel_signalled()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
declare
  unknown text;
begin
  select s.task_flow_id into unknown from come s where not exists (select from kr_flow_stat f where f.task_flow_id = s.task_flow_id) limit 1;
  if unknown is not null then
    raise exception 'there is no execution "%"', unknown using errcode = 'foreign_key_violation';
  end if;
  perform 1 from kr_flow_stat f where f.task_flow_id in (select s.task_flow_id from come s) order by f.task_flow_id for update;
  perform umbel_match_v1(array(select distinct s.task_flow_id::text from come s where s.task_exec_seq is null));
  return null;
end $function$;

CREATE OR REPLACE FUNCTION public.umbel_started(buckets bigint[], starts integer[], now_bucket bigint)
 RETURNS integer
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
  select coalesce(sum(u.n), 0)::int from unnest(buckets, starts) u(bucket, n) where u.bucket >= now_bucket - 100
$function$;

CREATE OR REPLACE FUNCTION public.umbel_subscribed()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  lock table ms_flow in share row exclusive mode;
  update ms_flow f set announce = umbel_announce(to_jsonb(f)) where f.announce <> umbel_announce(to_jsonb(f));
  return null;
end $function$;

CREATE OR REPLACE FUNCTION public.umbel_take_v1(watcher integer, serves text, want integer, claim bigint, mine text[], held integer[], flows text[], seqs numeric[], limits jsonb[], looks boolean, after text, peek integer)
 RETURNS TABLE(kind smallint, task_flow_id character varying, task_exec_seq numeric, task_id character varying, task_seq numeric, task_priority numeric, attempt integer, parameters text, version uuid, input jsonb, depends numeric[], retried integer, checkpoint jsonb, delivered jsonb, tenant text, limits_of jsonb)
 LANGUAGE plpgsql
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET enable_seqscan TO 'off'
 SET enable_bitmapscan TO 'off'
 SET enable_sort TO 'on'
 SET plan_cache_mode TO 'force_generic_plan'
 SET jit TO 'off'
 SET lock_timeout TO '1s'
AS $function$
#variable_conflict use_column
declare
  now_ms constant float8 := extract(epoch from clock_timestamp()) * 1000;
  popped text[] := mine; seen text[];
  c_flows text[]; c_seqs numeric[]; c_limits jsonb[];
  names text[]; used int[];
  granted bool[] := '{}'; full_at text[] := '{}';
  taken int := 0; fits bool; blocked text;
  lim record; at int;
begin
  if not exists (select from kr_watcher w where w.watcher_id = watcher) then
    raise exception 'watcher % is not registered, or was declared dead', watcher using errcode = 'UM001';
  end if;

  if looks then
    -- Each key that somebody waits for once, however many wait for it.
    with recursive found as (
      (select q.slot from kr_slot_queue q where q.slot > after order by q.slot limit 1)
      union all
      select n.slot from found f cross join lateral (select q.slot from kr_slot_queue q where q.slot > f.slot order by q.slot limit 1) n
    ) select array_agg(l.slot) into seen from (select f.slot from found f limit 200) l;
    popped := popped || coalesce(seen, '{}');
    return query select 6::smallint, null::varchar, null::numeric, (case when cardinality(seen) = 200 then seen[200] else '' end)::varchar,
      null::numeric, null::numeric, null::int, null::text, null::uuid, null::jsonb, null::numeric[], null::int, null::jsonb, null::jsonb, null::text, null::jsonb;
  end if;

  -- candidates: what was worked out, and what waits for these keys; the most urgent first, and no task that somebody is at
  with waiting as (
    select distinct on (w.task_flow_id, w.task_exec_seq) w.task_flow_id flow, w.task_exec_seq seq, w.limits from (
      select distinct u.slot from unnest(popped) u(slot)) u
    cross join lateral (
      select q.* from kr_slot_queue q where q.slot = u.slot and q.pool = serves
      order by q.slot, q.pool, q.task_priority, q.task_flow_id, q.task_exec_seq desc limit greatest(want, 1)) w
  ), wanted as (
    select coalesce(g.flow, w.flow) flow, coalesce(g.seq, w.seq) seq, coalesce(g.limits, w.limits) limits
    from unnest(umbel_take_v1.flows, umbel_take_v1.seqs, umbel_take_v1.limits) g(flow, seq, limits)
    full join waiting w on w.flow = g.flow and w.seq = g.seq
  ), locked as (
    select o.flow, o.seq, o.limits, k.* from (select * from wanted order by flow collate "C", seq) o
    cross join lateral (
      select t.task_priority priority, t.exec_status = 0 and t.waiting_on = 0 and t.live > 0 and not t.hold and t.limited and t.pool = serves
        and (t.ready or exists (select from kr_slot_queue q where q.task_flow_id = o.flow and q.task_exec_seq = o.seq)) able
      from kr_task_stat t where t.task_flow_id = o.flow and t.task_exec_seq = o.seq for update skip locked) k
  ), stale as (
    delete from kr_slot_queue q using locked l where not l.able and q.task_flow_id = l.flow and q.task_exec_seq = l.seq
  )
  select array_agg(l.flow order by l.priority, l.flow collate "C", l.seq desc), array_agg(l.seq order by l.priority, l.flow collate "C", l.seq desc),
         array_agg(l.limits order by l.priority, l.flow collate "C", l.seq desc)
    into c_flows, c_seqs, c_limits from locked l where l.able;

  select array_agg(n.slot) into names from (
    select u.slot from unnest(mine) u(slot)
    union select l.slot from unnest(c_limits) c(limits) cross join lateral jsonb_to_recordset(c.limits) l(slot text)
    order by 1) n;
  if names is not null then
    perform umbel_lock_slots(names);
    if cardinality(mine) > 0 then
      update kr_slot s set
        watchers = array(select w from unnest(s.watchers, s.held) h(w, n) where w <> watcher) || case when m.n > 0 then array[watcher] else '{}' end,
        held = array(select n from unnest(s.watchers, s.held) h(w, n) where w <> watcher) || case when m.n > 0 then array[m.n] else '{}' end
      from unnest(mine, umbel_take_v1.held) m(slot, n) where s.slot = m.slot;
    end if;
    select array_agg(case when l.per is null then umbel_filled(s.watchers, s.held) else umbel_started(s.buckets, s.starts, floor(now_ms * 100 / l.per)::bigint) end order by n.ordinal)
      into used
      from unnest(names) with ordinality n(slot, ordinal) join kr_slot s on s.slot = n.slot
      cross join lateral (select nullif(split_part(n.slot, e'\x1f', 3), '')::float8 per) l;
  end if;

  -- grant
  for i in 1 .. coalesce(cardinality(c_flows), 0) loop
    fits := true; blocked := null;
    for lim in select * from jsonb_to_recordset(c_limits[i]) l(slot text, "limit" int) loop
      at := array_position(names, lim.slot);
      if used[at] >= lim."limit" then fits := false; blocked := lim.slot; exit; end if;
    end loop;
    full_at[i] := blocked;
    granted[i] := fits and taken < want;
    if granted[i] then
      taken := taken + 1;
      for lim in select * from jsonb_to_recordset(c_limits[i]) l(slot text) loop
        at := array_position(names, lim.slot);
        used[at] := used[at] + 1;
      end loop;
    end if;
  end loop;

  if taken > 0 then
    with grown as (
      select l.slot, count(*)::int n, nullif(split_part(l.slot, e'\x1f', 3), '')::float8 per
      from unnest(c_limits, granted) c(limits, granted) cross join lateral jsonb_to_recordset(c.limits) l(slot text)
      where c.granted group by l.slot
    )
    update kr_slot s set
      watchers = case when g.per is not null or watcher = any (s.watchers) then s.watchers else s.watchers || watcher end,
      held = case when g.per is not null then s.held
                  when watcher = any (s.watchers) then array(select case when w = watcher then n + g.n else n end from unnest(s.watchers, s.held) h(w, n))
                  else s.held || g.n end,
      buckets = case when g.per is null then s.buckets
                     else array(select b from unnest(s.buckets, s.starts) h(b, n) where b >= floor(now_ms * 100 / g.per)::bigint - 100) || floor(now_ms * 100 / g.per)::bigint end,
      starts = case when g.per is null then s.starts
                    else array(select n from unnest(s.buckets, s.starts) h(b, n) where b >= floor(now_ms * 100 / g.per)::bigint - 100) || g.n end
    from grown g where s.slot = g.slot;
  end if;
  if c_flows is not null then
    return query with taken_tasks as (
      update kr_task_stat t set
        exec_status = 1, ready = false, watcher_id = watcher, attempt = t.attempt + 1, revision = t.revision + 1,
        started_ts = clock_timestamp(), finished_ts = null, suspended_ts = null, result = null, limits = c.limits
      from unnest(c_flows, c_seqs, c_limits, granted) c(flow, seq, limits, granted)
      where c.granted and t.task_flow_id = c.flow and t.task_exec_seq = c.seq
      returning t.*
    ), noted as (
      insert into kr_claim (watcher_id, claim_no, part, flows, seqs)
      select watcher, claim, 1, array_agg(n.task_flow_id), array_agg(n.task_exec_seq) from taken_tasks n having count(*) > 0
    ), gone as (
      delete from kr_slot_queue q using taken_tasks n where q.task_flow_id = n.task_flow_id and q.task_exec_seq = n.task_exec_seq
    )
    select 1::smallint, n.task_flow_id, n.task_exec_seq, n.task_id, n.task_seq, n.task_priority, n.attempt, n.parameters::text, n.version, n.input, n.depends,
      n.retried, n.checkpoint, n.delivered, null::text, n.limits
      from taken_tasks n;
    with put_off as (
      update kr_task_stat t set ready = false, limits = c.limits, revision = t.revision + 1
      from unnest(c_flows, c_seqs, c_limits, full_at) c(flow, seq, limits, slot)
      where c.slot is not null and t.task_flow_id = c.flow and t.task_exec_seq = c.seq
      returning t.task_flow_id, t.task_exec_seq, t.pool, t.task_priority, c.slot, c.limits
    )
    insert into kr_slot_queue as q (task_flow_id, task_exec_seq, slot, pool, task_priority, limits)
      select p.task_flow_id, p.task_exec_seq, p.slot, p.pool, p.task_priority, p.limits from put_off p
      on conflict (task_flow_id, task_exec_seq) do update set slot = excluded.slot, limits = excluded.limits, task_priority = excluded.task_priority;
  end if;

  -- What has room left, and tasks that wait for it: another watcher may take them, this one when it has workers again.
  if cardinality(popped) > 0 then
    return query select distinct 4::smallint, null::varchar, null::numeric, q.pool, null::numeric, null::numeric, null::int, null::text, null::uuid, null::jsonb,
        null::numeric[], null::int, null::jsonb, null::jsonb, null::text, null::jsonb
      from unnest(popped) u(slot) join kr_slot s on s.slot = u.slot
      cross join lateral (
        select h.* from kr_slot_queue h where h.slot = u.slot and (h.pool <> serves or taken >= want)
        order by h.task_priority, h.task_flow_id limit 1) q
      cross join lateral (select l."limit", l.per from jsonb_to_recordset(q.limits) l(slot text, "limit" int, per float8) where l.slot = u.slot) l
      where case when l.per is null then umbel_filled(s.watchers, s.held) else umbel_started(s.buckets, s.starts, floor(now_ms * 100 / l.per)::bigint) end < l."limit";
    return query select 7::smallint, null::varchar, null::numeric, null::varchar, null::numeric, greatest(0, ceil(min((b.first + 101) * l.per / 100 - now_ms)))::numeric,
        null::int, null::text, null::uuid, null::jsonb, null::numeric[], null::int, null::jsonb, null::jsonb, null::text, null::jsonb
      from (select distinct n.slot from unnest(names) n(slot)) u join kr_slot s on s.slot = u.slot
      cross join lateral (select nullif(split_part(u.slot, e'\x1f', 3), '')::float8 per) l
      cross join lateral (select min(x) first from unnest(s.buckets) x where x >= floor(now_ms * 100 / l.per)::bigint - 100) b
      where l.per is not null and b.first is not null and exists (select from kr_slot_queue q where q.slot = u.slot)
      having count(*) > 0;
  end if;

  if peek > 0 then
    return query select 2::smallint, t.task_flow_id, t.task_exec_seq, t.task_id, t.task_seq, t.task_priority, t.attempt, null::text, t.version, null::jsonb, t.depends,
        null::int, null::jsonb, null::jsonb, f.tenant, null::jsonb
      from (select k.* from kr_task_stat k where k.ready and k.limited and k.pool = serves
            order by k.pool, k.task_priority, k.task_flow_id, k.task_exec_seq desc limit peek) t
      join kr_flow_stat f on f.task_flow_id = t.task_flow_id;
  end if;
end $function$;

CREATE OR REPLACE FUNCTION public.umbel_tell_ended()
 RETURNS trigger
 LANGUAGE plpgsql
 SET enable_seqscan TO 'off'
 SET enable_bitmapscan TO 'off'
 SET jit TO 'off'
AS $function$
declare
  failure jsonb;
begin
  if new.flow_status in ('failed', 'compensation_failed') then
    select jsonb_build_object('step', coalesce(p.step, t.task_seq::text), 'name', t.error -> 'name', 'message', t.error -> 'message') into failure
      from kr_task_stat t left join ms_plan p on p.version = t.version and p.task_exec_seq = t.task_exec_seq
      where t.task_flow_id = new.task_flow_id and t.exec_status = 2 and t.reason = 'failed' order by t.task_exec_seq limit 1;
    failure := coalesce(new.error, failure);
  end if;
  insert into ms_event (name, tenant, payload) values (
    case new.flow_status when 'success' then 'execution.finished' when 'aborted' then 'execution.aborted' else 'execution.failed' end,
    new.tenant, jsonb_build_object(
      'id', new.task_flow_id, 'flow', new.task_id, 'version', new.version, 'status', new.flow_status, 'error', failure,
      'trigger', new.trigger - 'request', 'parent', new.parent_flow_id,
      'registeredAt', umbel_iso(new.registered_ts), 'finishedAt', umbel_iso(coalesce(new.finished_ts, now()))));
  return null;
end $function$;

CREATE OR REPLACE FUNCTION public.umbel_tell_registered()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  insert into ms_event (name, tenant, payload) values ('flow.executed', new.tenant, jsonb_build_object(
    'flow', new.task_id, 'executionId', new.task_flow_id, 'version', new.version, 'trigger', new.trigger - 'request',
    'parent', new.parent_flow_id, 'registeredAt', umbel_iso(new.registered_ts)));
  return null;
end $function$;

CREATE OR REPLACE FUNCTION public.umbel_time_out_v1(flows text[], seqs numeric[])
 RETURNS integer
 LANGUAGE plpgsql
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET enable_seqscan TO 'off'
 SET enable_bitmapscan TO 'off'
 SET jit TO 'off'
AS $function$
declare
  messages jsonb[];
begin
  select array_agg(w.task_flow_id), array_agg(w.task_exec_seq), array_agg(jsonb_build_object('kind', w.kind, 'timedOut', true)
      || coalesce(w.fallback, jsonb_build_object('error', jsonb_build_object('name', 'TimeoutError', 'message', case w.kind
        when 'signal' then format('the signal "%s" did not come in time', w.name)
        when 'callback' then 'the callback did not come in time'
        else 'the execution that it started did not end in time' end))))
    into flows, seqs, messages
    from unnest(flows, seqs) u(flow, seq)
    join kr_task_stat t on t.task_flow_id = u.flow and t.task_exec_seq = u.seq and t.exec_status = 2
    join kr_wait w on w.task_flow_id = u.flow and w.task_exec_seq = u.seq and w.kind = t.reason;
  return case when flows is null then 0 else umbel_deliver_v1(flows, seqs, messages) end;
end $function$;

CREATE OR REPLACE FUNCTION public.umbel_truncated()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  delete from kr_flow_stat;
  delete from kr_claim;
  delete from kr_timer;
  truncate kr_task_log;
  delete from kr_slot_queue;
  delete from kr_wait;
  delete from kr_limit;
  delete from kr_start;
  delete from kr_signal;
  return null;
end $function$;

CREATE OR REPLACE FUNCTION public.umbel_wait_no_more(execution text, seq numeric, unfinished boolean)
 RETURNS void
 LANGUAGE plpgsql
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET enable_seqscan TO 'off'
 SET enable_bitmapscan TO 'off'
 SET jit TO 'off'
AS $function$
declare
  child text;
begin
  delete from kr_limit l where l.task_flow_id = execution and l.task_exec_seq = seq;
  for child in delete from kr_wait w where w.task_flow_id = execution and w.task_exec_seq = seq
      returning case when w.kind = 'sub_execution' and w.early is null and unfinished then w.token end loop
    continue when child is null;
    update kr_flow_stat f set flow_status = 'aborted' where f.task_flow_id = child and f.flow_status in ('open', 'paused');
  end loop;
end $function$;

CREATE OR REPLACE FUNCTION public.umbel_wait_v1(watcher integer, flows text[], seqs numeric[], attempts integer[], timeouts double precision[], waits jsonb[])
 RETURNS void
 LANGUAGE plpgsql
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET enable_seqscan TO 'off'
 SET enable_bitmapscan TO 'off'
 SET jit TO 'off'
AS $function$
declare
  since constant timestamptz := clock_timestamp();
  early_flows text[]; early_seqs numeric[]; messages jsonb[];
begin
  select array_agg(u.flow), array_agg(u.seq), array_agg(u.timeout), array_agg(u.wait) into flows, seqs, timeouts, waits
    from unnest(flows, seqs, attempts, timeouts, waits) u(flow, seq, attempt, timeout, wait)
    where u.wait is not null and exists (
      select from kr_task_stat t where t.task_flow_id = u.flow and t.task_exec_seq = u.seq
        and t.exec_status = 2 and t.reason = u.wait ->> 'kind' and t.watcher_id = watcher and t.attempt = u.attempt);
  if flows is null then return; end if;
  perform 1 from kr_flow_stat f where f.task_flow_id = any (flows) order by f.task_flow_id for update;
  insert into kr_wait (task_flow_id, task_exec_seq, kind, token, name, since_ts, beat, fallback)
    select u.flow, u.seq, u.wait ->> 'kind', coalesce(u.wait ->> 'token', gen_random_uuid()::text), u.wait ->> 'name', since, (u.wait ->> 'beat')::float8,
      case when u.wait ? 'default' then jsonb_build_object('value', u.wait -> 'default') end
    from unnest(flows, seqs, waits) u(flow, seq, wait)
    on conflict (task_flow_id, task_exec_seq, kind) do update set name = excluded.name, beat = excluded.beat, fallback = excluded.fallback;
  insert into kr_timer (task_flow_id, task_exec_seq, kind, due_ts)
    select u.flow, u.seq, 'wait', since + u.timeout * interval '1 millisecond'
    from unnest(flows, seqs, timeouts) u(flow, seq, timeout) where u.timeout is not null
    union all
    select u.flow, u.seq, 'beat', since + (u.wait ->> 'beat')::float8 * interval '1 millisecond'
    from unnest(flows, seqs, waits) u(flow, seq, wait) where u.wait ? 'beat'
    on conflict do nothing;
  perform umbel_match_v1(flows);
  select array_agg(u.flow), array_agg(u.seq), array_agg(w.early) into early_flows, early_seqs, messages
    from unnest(flows, seqs, waits) u(flow, seq, wait)
    join kr_wait w on w.task_flow_id = u.flow and w.task_exec_seq = u.seq and w.kind = u.wait ->> 'kind' and w.early is not null;
  if early_flows is not null then
    perform umbel_deliver_v1(early_flows, early_seqs, messages);
  end if;
end $function$;

CREATE OR REPLACE FUNCTION public.umbel_wire(execution text)
 RETURNS void
 LANGUAGE plpgsql
 SET enable_seqscan TO 'off'
 SET enable_bitmapscan TO 'off'
 SET enable_nestloop TO 'off'
 SET enable_hashjoin TO 'on'
 SET enable_mergejoin TO 'on'
 SET jit TO 'off'
AS $function$
declare
  gated boolean;
  fast boolean;
  expired boolean;
  changed bigint;
  counts record;
begin
  -- Before the locks: who adds to the same new execution at the same time waits here, and then sees the other's tasks.
  insert into kr_flow_stat (task_flow_id, task_id, registered_ts, place)
    select execution, t.task_id, coalesce(t.registered_ts, now()), (select 0 from ms_flow f where f.task_id = t.task_id and f.max_running is not null)
    from kr_task_stat t where t.task_flow_id = execution order by t.task_exec_seq limit 1
    on conflict (task_flow_id) do nothing;
  -- Twice: the first pass may wait for somebody who added tasks, which only the second one sees.
  for pass in 1..2 loop
    perform 1 from kr_task_stat t where t.task_flow_id = execution order by t.task_exec_seq for update;
  end loop;
  update kr_flow_stat f set place = 0
    where f.task_flow_id = execution and f.place = 2
      and exists (select from kr_task_stat t where t.task_flow_id = execution and t.exec_status in (0, 1, 2));
  select f.place is not distinct from 0, f.fail_fast, coalesce(f.error ->> 'name' = 'DeadlineError', false) into gated, fast, expired
    from kr_flow_stat f where f.task_flow_id = execution;

  -- Running with no watcher behind it is not running; what a hand inserted without a reason has the operator's.
  update kr_task_stat t set
      exec_status = case when t.exec_status = 1 then 0 else t.exec_status end,
      reason = case when t.exec_status = 1 then null else 'operator' end,
      revision = t.revision + 1
    where t.task_flow_id = execution
      and (t.exec_status = 1 and t.watcher_id is null or t.exec_status in (2, 9) and t.reason is null);

  -- Until nothing follows any more. A failure that an edge takes is handled, unless whoever would take it was skipped: so skips come first.
  -- Past the deadline of the execution nothing is.
  loop
    with edge as (
      select t.task_exec_seq child, p.task_exec_seq parent, d.kind, t.need,
             case when p.task_exec_seq is null then 'met' else umbel_edge(d.kind, p.exec_status, p.reason, p.chosen, t.task_exec_seq) end state,
             case when d.kind in ('failed', 'always') then not (t.exec_status = 9 and t.reason in ('skipped', 'not_selected')) end takes
      from kr_task_stat t
      cross join lateral unnest(coalesce(t.depends, array[t.depends_task_exec_seq]), t.edges) d(seq, kind)
      left join kr_task_stat p on p.task_flow_id = execution and p.task_exec_seq = d.seq
      where t.task_flow_id = execution and d.seq is not null
    ), arrived as (
      select child, need, count(*) edges, count(*) filter (where state = 'open') open, count(*) filter (where state = 'met') met,
             count(*) filter (where state = 'unmet') unmet
      from edge group by child, need
    ), incoming as (
      select child, case when need is null then open else greatest(0, need - met) end waiting_on,
             case when need is not null then greatest(0, open + met - need + 1) when unmet > 0 then 0 else open + met end live
      from arrived
    ), outgoing as (
      select parent, array_agg(child order by child) releases, bool_or(takes) taken,
             max(case kind when 'failed' then 2 when 'goto' then 2 when 'always' then 1 else 0 end) wire_on
      from edge where parent is not null group by parent
    ), counted as (
      select t.task_exec_seq seq, t.exec_status, t.reason, t.hold, coalesce(i.waiting_on, 0)::int waiting_on, coalesce(i.live, 1)::int live,
             coalesce(o.releases, '{}') releases, greatest(coalesce(o.wire_on, 0), fast::int)::smallint wire_on, o.taken,
             coalesce(i.waiting_on, 0) = 0 and exists (
               select from kr_timer k where k.task_flow_id = execution and k.task_exec_seq = t.task_exec_seq and k.kind in ('retry', 'sleep')) timed
      from kr_task_stat t
      left join incoming i on i.child = t.task_exec_seq
      left join outgoing o on o.parent = t.task_exec_seq
      where t.task_flow_id = execution
    ), fated as (
      select c.*, c.exec_status = 0 and c.waiting_on = 0 and c.live > 0 and not c.hold and not gated and not c.timed ready,
             case when c.exec_status = 0 and c.live = 0 and not c.timed then 'skipped'
                  when c.exec_status = 9 and c.reason = 'handled' and not c.taken then 'failed'
                  when c.exec_status = 2 and c.reason = 'failed' and c.taken and not expired then 'handled' end fate
      from counted c
    ), fresh as (
      select f.*, f.fate is not null and (f.fate = 'skipped' or f.fate = 'failed' and not bool_or(f.fate = 'skipped') over ()
                    or not coalesce(bool_or(f.fate <> 'handled') over (), false)) changes
      from fated f
    ), wired as (
      update kr_task_stat t set
        depends = coalesce(t.depends, case when t.depends_task_exec_seq = -1 then '{}' else array[t.depends_task_exec_seq] end),
        unwired = false, releases = f.releases, wire_on = f.wire_on, waiting_on = f.waiting_on, live = f.live, ready = f.ready,
        revision = t.revision + 1,
        exec_status = case when not f.changes then t.exec_status when f.fate = 'failed' then 2 else 9 end,
        reason = case when f.changes then f.fate else t.reason end,
        finished_ts = case when not f.changes then t.finished_ts when f.fate = 'handled' then clock_timestamp() end,
        suspended_ts = case when f.changes and f.fate = 'failed' then clock_timestamp() else t.suspended_ts end
      from fresh f
      where t.task_flow_id = execution and t.task_exec_seq = f.seq
        and (f.changes or (t.waiting_on, t.live, t.releases, t.wire_on, t.ready) is distinct from (f.waiting_on, f.live, f.releases, f.wire_on, f.ready))
      returning f.changes
    )
    select count(*) filter (where w.changes) into changed from wired w;
    exit when changed = 0;
  end loop;

  -- A failure that nobody takes stops the others, where that is asked for: what it stopped, a resume lets go on.
  if fast and exists (select from kr_task_stat t where t.task_flow_id = execution and t.exec_status = 2 and t.reason = 'failed') then
    with stopped as (
      update kr_task_stat t set exec_status = 9, reason = 'aborted', ready = false, hold = false, watcher_id = null, delivered = null, revision = t.revision + 1
      where t.task_flow_id = execution and (t.exec_status in (0, 1) or t.exec_status = 2 and t.reason in ('signal', 'callback', 'sub_execution'))
      returning t.task_exec_seq seq
    )
    delete from kr_wait w using stopped s where w.task_flow_id = execution and w.task_exec_seq = s.seq;
    update kr_flow_stat f set flow_status = 'aborted' where f.parent_flow_id = execution and f.flow_status in ('open', 'paused');
  end if;

  -- Who waits for a predecessor again does not wait for a time as well.
  delete from kr_timer k using kr_task_stat t
    where k.task_flow_id = execution and t.task_flow_id = execution and t.task_exec_seq = k.task_exec_seq
      and case when k.kind in ('wait', 'beat') then t.exec_status <> 2 else t.exec_status <> 0 or t.waiting_on > 0 end;

  select count(*) filter (where exec_status = 1 or (exec_status = 0 and waiting_on = 0)
           or (exec_status = 2 and reason in ('signal', 'callback', 'sub_execution'))) active,
         count(*) filter (where exec_status = 2 and reason = 'failed') failed,
         count(*) filter (where exec_status = 2) suspended,
         count(*) filter (where exec_status = 0) waiting,
         count(*) filter (where not umbel_satisfies(exec_status, reason)) unsatisfied
    into counts from kr_task_stat where task_flow_id = execution;

  -- Only a circle of hand-made rows can wait when nothing moves and nothing else stands in its way. A paused execution is not judged yet.
  if counts.active = 0 and counts.waiting > 0 and counts.waiting = counts.unsatisfied
     and not exists (select from kr_flow_stat f where f.task_flow_id = execution and f.flow_status = 'paused') then
    update kr_task_stat t set exec_status = 2, reason = 'failed', suspended_ts = now(), revision = t.revision + 1,
      error = jsonb_build_object('name', 'DependencyError', 'message', 'waits for itself: its predecessors depend on it in a circle; correct depends_task_exec_seq')
      where t.task_flow_id = execution and t.exec_status = 0;
    perform umbel_wire(execution);
    return;
  end if;

  update kr_flow_stat f set
    active = counts.active,
    irregular = true,
    flow_status = s.status,
    finished_ts = case when s.status in ('success', 'failed', 'aborted') then coalesce(f.finished_ts, now()) end,
    place = case when s.status in ('success', 'aborted') and f.place is not null then 2 else f.place end
  from (select case
      when f.flow_status in ('paused', 'compensating') then f.flow_status
      when counts.active > 0 then 'open'
      when counts.failed > 0 then 'failed'
      when counts.suspended > 0 then 'open'
      when counts.unsatisfied > 0 then 'aborted'
      else 'success' end status
    from kr_flow_stat f where f.task_flow_id = execution) s
  where f.task_flow_id = execution;

  -- Who is woken takes what is ready, or lets executions in: this one when it waits for a place, another when it gave one back.
  perform pg_notify('umbel', json_build_object('pool', pool, 'priority', min(task_priority))::text)
    from kr_task_stat where task_flow_id = execution and ready group by pool;
  perform pg_notify('umbel', json_build_object('places', task_id)::text) from kr_flow_stat where task_flow_id = execution and place in (0, 2);
end $function$;

CREATE OR REPLACE FUNCTION public.umbel_wire_ended_v1(flows text[])
 RETURNS SETOF character varying
 LANGUAGE plpgsql
AS $function$
declare
  flow text;
begin
  foreach flow in array flows loop
    perform umbel_wire(flow);
  end loop;
  return query select f.task_id from kr_flow_stat f where f.task_flow_id = any (flows) and f.place = 2;
end $function$;

CREATE OR REPLACE FUNCTION public.umbel_wire_inserted()
 RETURNS void
 LANGUAGE plpgsql
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET enable_seqscan TO 'off'
 SET enable_bitmapscan TO 'off'
 SET jit TO 'off'
AS $function$
declare
  fresh text[];
  roots int[];
  circular text;
begin
  with execution as materialized (
    select t.task_flow_id flow, min(t.task_exec_seq) first from kr_task_stat t where t.unwired
    group by 1 having bool_and(t.exec_status = 0 and not t.hold and t.edges is null and t.need is null)
  ), inserted as (
    insert into kr_flow_stat (task_flow_id, task_id, registered_ts, irregular, place)
    select e.flow, t.task_id, coalesce(t.registered_ts, now()), true, (select 0 from ms_flow f where f.task_id = t.task_id and f.max_running is not null)
    from execution e
    cross join lateral (select k.task_id, k.registered_ts from kr_task_stat k where k.task_flow_id = e.flow and k.task_exec_seq = e.first) t
    order by e.flow
    on conflict (task_flow_id) do nothing returning task_flow_id
  )
  select array_agg(i.task_flow_id order by i.task_flow_id) into fresh from inserted i;
  if fresh is null then return; end if;

  with wired as (
    update kr_task_stat t set
      unwired = false, depends = k.depends, releases = k.releases, waiting_on = k.waiting_on, live = greatest(1, cardinality(k.depends)),
      ready = k.waiting_on = 0 and (select f.place is null from kr_flow_stat f where f.task_flow_id = k.flow), revision = t.revision + 1
    from umbel_inserted_edges(fresh) k
    where t.task_flow_id = k.flow and t.task_exec_seq = k.seq
    returning t.task_flow_id flow, t.task_id, t.waiting_on, t.ready, t.pool, t.task_priority
  ), woken as (
    select pg_notify('umbel', json_build_object('pool', w.pool, 'priority', min(w.task_priority))::text) from wired w where w.ready group by w.pool
  ), queued as (
    select pg_notify('umbel', json_build_object('places', w.task_id)::text) from wired w where w.waiting_on = 0 and not w.ready group by w.task_id
  ), counted as (
    select w.flow, (count(*) filter (where w.waiting_on = 0))::int roots from wired w group by 1
  )
  select array_agg(c.flow order by c.flow), array_agg(c.roots order by c.flow) into fresh, roots
    from counted c, (select count(*) from woken) w, (select count(*) from queued) q;
  update kr_flow_stat f set active = u.roots from unnest(fresh, roots) u(flow, roots) where f.task_flow_id = u.flow;

  -- Nothing can begin: a circle.
  for circular in select u.flow from unnest(fresh, roots) u(flow, roots) where u.roots = 0 loop
    perform umbel_wire(circular);
  end loop;
end $function$;

CREATE OR REPLACE FUNCTION public.umbel_wire_row()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  -- Once a transaction, for all that it inserted.
  if new.unwired and current_setting('umbel.inserted_by', true) is distinct from pg_current_xact_id()::text then
    perform set_config('umbel.inserted_by', pg_current_xact_id()::text, true);
    perform umbel_wire_inserted();
  end if;
  if exists (select from kr_task_stat t
             where t.task_flow_id = new.task_flow_id and t.task_exec_seq = new.task_exec_seq and t.waiting_on is null) then
    perform umbel_wire(new.task_flow_id);
  end if;
  return null;
end $function$;

CREATE OR REPLACE FUNCTION public.umbel_wire_undone(flows text[])
 RETURNS void
 LANGUAGE plpgsql
AS $function$
declare
  flow text;
begin
  foreach flow in array coalesce(flows, '{}') loop
    perform umbel_wire(flow);
  end loop;
end $function$;
