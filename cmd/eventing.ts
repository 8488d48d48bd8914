// What a register server does with events: gives them to who listens, to brokers and to subscribers. Called by serving.ts.
import { startBell } from '../src/events/bell.ts';
import { type Broker, startBridge } from '../src/events/bridge.ts';
import type { ConsumerDeps, Running } from '../src/events/consumer.ts';
import { type Hub, makeHub } from '../src/events/hub.ts';
import { makeInbox } from '../src/events/inbox.ts';
import { makeNats } from '../src/events/nats.ts';
import { type Post, startDelivering } from '../src/events/deliver.ts';
import { startEventPruner } from '../src/events/pruner.ts';
import { makeRabbit } from '../src/events/rabbitmq.ts';
import { makeCallOut } from '../src/programs/outbound.ts';
import type { Register } from '../src/registrar/register.ts';
import { findFlowTenant, rebaseEvents } from '../src/sql/events.ts';
import type { Base } from './service.ts';

export interface Eventing {
  hub: Hub;
  start: () => Promise<void>;
  /** Resolves when nothing is under way any more; the hub is closed with the server. */
  stop: () => Promise<void>;
}

export function makeEventing(base: Base, register: Register): Eventing {
  const { settings, db, url, log } = base;
  const { serviceName: service, eventRetention: retention } = settings;
  const bell = startBell(url, log);
  const deps = { db, bell, log, service };
  const running: Running[] = [];
  return {
    hub: makeHub(deps),
    async start() {
      if (await rebaseEvents(db))
        log.warn('the database was restored from a dump: consumers may get events twice');
      if (retention !== 'never') running.push(startEventPruner({ db, retention, log }));
      running.push(...startBridges(base, deps, register));
      running.push(startDelivering({ ...deps, post: makePost(settings), findSecret: settings.findSecret }));
    },
    async stop() {
      await Promise.all(running.map((one) => one.stop()));
      await bell.stop();
    },
  };
}

function startBridges({ settings, db, log }: Base, deps: ConsumerDeps, register: Register): Running[] {
  const { rabbitmqUrl, natsUrl } = settings;
  const { service } = deps;
  const inbox = makeInbox({ service, register, findTenant: (flow) => findFlowTenant(db, flow), log });
  const bridge = (name: string, broker: Broker) => startBridge(deps, { name, broker, inbox });
  return [
    ...(rabbitmqUrl === undefined
      ? []
      : [bridge('bridge.rabbitmq', makeRabbit({ url: rabbitmqUrl, service }))]),
    ...(natsUrl === undefined ? [] : [bridge('bridge.nats', makeNats({ url: natsUrl, service }))]),
  ];
}

/** As the HTTP programs call: where OUTBOUND_ALLOW lets them. A redirect is an answer like others: what is signed goes to one place. */
function makePost({ outboundAllow }: Base['settings']): Post {
  const callOut = makeCallOut(outboundAllow);
  return async (call) => (await callOut({ ...call, method: 'POST', expects: () => true })).status;
}
