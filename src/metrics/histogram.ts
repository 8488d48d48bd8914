// Histograms of plain numbers. Used by watcher.ts and server.ts.
import type { Registry } from 'prom-client';
import { addMetric, type Sample } from './metric.ts';

type Labels = Record<string, string>;

export interface Series {
  observe(value: number): void;
}

export interface HistogramOptions {
  name: string;
  help: string;
  /** Upper bounds, ascending. */
  buckets: readonly number[];
}

interface Counts {
  labels: Labels;
  /** Observations by bucket, not cumulative; the last is beyond every bound. */
  counts: Float64Array;
  sum: number;
}

/** Registers a histogram; the function it returns makes the series with those labels, to be kept by the caller. */
export function addHistogram(
  registry: Registry,
  { name, help, buckets }: HistogramOptions,
): (labels?: Labels) => Series {
  const all: Counts[] = [];
  const read = () => all.flatMap((series) => listSamples(name, buckets, series));
  addMetric(registry, { name, help, type: 'histogram', read });
  return (labels = {}) => {
    const series = { labels, counts: new Float64Array(buckets.length + 1), sum: 0 };
    all.push(series);
    return { observe: (value) => count(series, buckets, value) };
  };
}

function count(series: Counts, buckets: readonly number[], value: number): void {
  let at = 0;
  while (at < buckets.length && value > buckets[at]!) at += 1;
  series.counts[at]! += 1;
  series.sum += value;
}

function listSamples(name: string, buckets: readonly number[], { labels, counts, sum }: Counts): Sample[] {
  let total = 0;
  const samples: Sample[] = [...buckets, '+Inf'].map((le, at) => {
    total += counts[at] ?? 0;
    return { metricName: `${name}_bucket`, labels: { ...labels, le: String(le) }, value: total };
  });
  samples.push({ metricName: `${name}_sum`, labels, value: sum });
  samples.push({ metricName: `${name}_count`, labels, value: total });
  return samples;
}
