// All routes of the application, one file a resource. Called by app.ts.
import { addComponentRoutes } from './routes/components.ts';
import { addLifeCycleRoutes } from './routes/life-cycle.ts';
import type { App, AppDeps } from './app.ts';
import { addCallbackRoutes } from './routes/callbacks.ts';
import { addControlRoutes } from './routes/control.ts';
import { addDocs } from './routes/docs.ts';
import { addEchoRoutes } from './routes/echo.ts';
import { addEventRoutes } from './routes/events.ts';
import { addExecuteRoutes } from './routes/execute.ts';
import { addExecutionRoutes } from './routes/executions.ts';
import { addFlowRepositoryRoutes } from './routes/flow-repository.ts';
import { addFlowRoutes } from './routes/flows.ts';
import { addHealthRoutes } from './routes/health.ts';
import { addHookRoutes } from './routes/hooks.ts';
import { addLogRoutes } from './routes/logs.ts';
import { addMetricsRoute } from './routes/metrics.ts';
import { addRegisterRoute } from './routes/register.ts';
import { addScheduleRoutes } from './routes/schedule.ts';
import { addSubscriptionRoutes } from './routes/subscriptions.ts';

export async function addRoutes(app: App, deps: AppDeps): Promise<void> {
  await addDocs(app);
  addRegisterRoute(app, deps);
  addHookRoutes(app, deps);
  addFlowRoutes(app, deps);
  addScheduleRoutes(app, deps);
  addFlowRepositoryRoutes(app, deps);
  addLifeCycleRoutes(app, deps);
  addComponentRoutes(app, deps);
  addExecuteRoutes(app, deps);
  addExecutionRoutes(app, deps);
  addLogRoutes(app, deps);
  addControlRoutes(app, deps);
  addCallbackRoutes(app, deps);
  addEventRoutes(app, deps);
  addSubscriptionRoutes(app, deps);
  addHealthRoutes(app, deps);
  addMetricsRoute(app, deps);
  addEchoRoutes(app);
}
