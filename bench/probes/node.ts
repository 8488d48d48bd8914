// What a stretch of work cost this process.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Figures } from '../shape.ts';

export interface NodeUsage {
  cpuSeconds: number;
  peakRssMb: number;
  loopDelayP99Ms: number;
}

const RESOLUTION_MS = 10;
const RSS_EVERY_MS = 50;

/** Starts measuring; the function it returns stops and tells. */
export function probeNode(): () => NodeUsage {
  const cpu = process.cpuUsage();
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
  let rss = process.memoryUsage.rss();
  const sample = () => (rss = Math.max(rss, process.memoryUsage.rss()));
  const timer = setInterval(sample, RSS_EVERY_MS);
  return () => {
    clearInterval(timer);
    delay.disable();
    sample();
    const { user, system } = process.cpuUsage(cpu);
    return {
      cpuSeconds: (user + system) / 1e6,
      peakRssMb: rss / 1e6,
      // The histogram holds the time between two looks: what exceeds the resolution is delay.
      loopDelayP99Ms: Math.max(0, delay.percentile(99) / 1e6 - RESOLUTION_MS),
    };
  };
}

/** CPU of all, the largest and the most delayed of them. */
export function nodeFigures(usages: NodeUsage[]): Figures {
  return {
    nodeCpuSeconds: usages.reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0),
    peakRssMb: Math.max(...usages.map(({ peakRssMb }) => peakRssMb)),
    loopDelayP99Ms: Math.max(...usages.map(({ loopDelayP99Ms }) => loopDelayP99Ms)),
  };
}
