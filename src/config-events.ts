// The settings of events: a part of the table in config.ts.
import { optional, setting } from './setting.ts';
import { brokerUrl, durationOr, text } from './setting-kinds.ts';

export const EVENT_SETTINGS = {
  eventRetention: setting(durationOr('never', '1m', '3650d'), {
    env: 'EVENT_RETENTION',
    flag: '--event-retention <duration>',
    default: 604_800_000,
    defaultText: '`7d`',
    description:
      'Events that are older and that every consumer has handled are deleted by the register servers.',
  }),
  serviceName: setting(text, {
    env: 'SERVICE_NAME',
    flag: '--service-name <name>',
    default: 'umbel',
    description:
      'Under which events tell where they come from; on a shared broker each installation needs its own.',
  }),
  rabbitmqUrl: optional(brokerUrl('amqp:', 'amqps:'), {
    env: 'RABBITMQ_URL',
    flag: null,
    secret: true,
    defaultText: 'none',
    description:
      'RabbitMQ that gets every event on the exchange `event-bus`, and from which `flow.executed` is taken.',
  }),
  natsUrl: optional(brokerUrl('nats:', 'tls:'), {
    env: 'NATS_URL',
    flag: null,
    secret: true,
    defaultText: 'none',
    description:
      'NATS with JetStream that gets every event under its name, and from which `flow.executed` is taken.',
  }),
} as const;
