// The registrar of a process: what the outside may ask for, bound to its database. Made in cmd/, used by http/ and cmd/.
import type { Database } from '../sql/database.ts';
import { readDefinition, readDefinitions, storePlan } from '../sql/definitions.ts';
import { listExecutions, readExecution } from '../sql/executions.ts';
import { readEnds, readTrigger } from '../sql/ends.ts';
import { editFlow, listVersions } from '../sql/flows.ts';
import { type Hint, sendHint } from '../sql/wake.ts';
import { registerSurely } from '../sql/register-surely.ts';
import { readTaskResult } from '../sql/results.ts';
import { makeRerunMany, type RerunMany } from './bulk.ts';
import { type Callbacks, makeCallbacks } from './callbacks.ts';
import { type Control, makeControl } from './control.ts';
import { type Flows, makeFlows } from './definition/flows.ts';
import { type Execute, makeExecute } from './execute.ts';
import { makeExecutionReader, type ExecutionReader } from './executions.ts';
import { type LogReader, makeLogReader } from './logs.ts';
import { findUnreadiness } from './readiness.ts';
import { type Components, makeComponents } from './components/components.ts';
import { type LifeCycle, makeLifeCycle } from './life-cycle/start-stop.ts';
import { type FlowRepository, makeFlowRepository } from './repository/repository.ts';
import { makeReadResult, type ReadResult } from './results.ts';
import { makeRegister, type Register, type RegisterDeps } from './register.ts';

export interface Registrar {
  register: Register;
  execute: Execute;
  executions: ExecutionReader;
  logs: LogReader;
  readResult: ReadResult;
  control: Control;
  callbacks: Callbacks;
  rerunMany: RerunMany;
  flows: Flows;
  flowRepository: FlowRepository;
  lifeCycle: LifeCycle;
  components: Components;
  /** Why requests cannot be served now, in words that may be shown to anybody; null when they can. */
  findUnreadiness: () => Promise<string | null>;
}

export interface RegistrarDeps {
  db: Database;
  wake: RegisterDeps['wake'];
  /** Told that something starts or stops: a reconciler of this process need not wait for its poll. */
  onMoving?: (() => void) | undefined;
}

function makeOwnRegister(db: Database, wake: RegisterDeps['wake']): Register {
  return makeRegister({
    readDefinitions: (flows) => readDefinitions(db, flows),
    storePlan: (plan) => storePlan(db, plan),
    registerExecutions: (batch) => registerSurely(db, batch),
    wake,
  });
}

export function makeRegistrar({ db, wake, onMoving: wakeOwn }: RegistrarDeps): Registrar {
  // Only hints: whoever misses one looks by itself.
  const tell = (hint: Hint) => sendHint(db, hint).catch(() => {});
  const onMoving = () => {
    wakeOwn?.();
    return tell({ moving: true });
  };
  const register = makeOwnRegister(db, wake);
  return {
    register,
    execute: makeExecute({
      register,
      readEnds: (ids) => readEnds(db, ids),
      readTrigger: (id) => readTrigger(db.kysely, id),
    }),
    flows: makeFlows({
      editFlow: (which, edit) => editFlow(db, which, edit),
      readDefinition: (flow) => readDefinition(db.kysely, flow),
      listVersions: (flow) => listVersions(db.kysely, flow),
      storePlan: (plan) => storePlan(db, plan),
    }),
    logs: makeLogReader(db),
    flowRepository: makeFlowRepository(db),
    lifeCycle: makeLifeCycle(db, onMoving),
    components: makeComponents(db, { onMoving, onChanged: () => tell({ components: true }) }),
    control: makeControl(db),
    callbacks: makeCallbacks(db),
    rerunMany: makeRerunMany(db),
    findUnreadiness: () => findUnreadiness(db),
    readResult: makeReadResult((which) => readTaskResult(db.kysely, which)),
    executions: makeExecutionReader({
      listExecutions: (filter) => listExecutions(db.kysely, filter),
      readExecution: (which) => readExecution(db.kysely, which),
    }),
  };
}
