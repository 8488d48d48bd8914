// A watcher process. Asked: `start`, `usage` (since it started), `stop`. Tells: `started` (how many
// tasks have begun, now and then) and, where starts are to be told one by one, `start`.
import { probeNode } from '../probes/node.ts';
import { openWatching, type WatchSettings } from '../umbel/watching.ts';
import { answerParent, readSettings, tell } from './parent.ts';

interface Settings extends WatchSettings {
  /** Tell the starts of this flow's tasks one by one, with the time. */
  tellFlow?: string;
}

const TELL_EVERY_MS = 10;

const settings = readSettings() as Settings;
let started = 0;
let told = 0;
let usage = probeNode();

const watching = openWatching(settings, ({ execution }) => {
  started += 1;
  if (execution.flow === settings.tellFlow)
    tell('start', { id: execution.id, at: String(process.hrtime.bigint()) });
});

function tellStarted(): void {
  if (started === told) return;
  told = started;
  tell('started', { started });
}

answerParent({
  start: async () => {
    usage();
    usage = probeNode();
    setInterval(tellStarted, TELL_EVERY_MS);
    await watching.start();
  },
  usage: async () => ({ ...usage(), ...watching.figures(), started }),
  stop: watching.stop,
});
