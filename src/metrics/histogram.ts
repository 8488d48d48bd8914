// Counters that cost nothing where they are counted: plain numbers, turned into Prometheus's form only when somebody asks. prom-client's
// own would hash their labels at every observation.
import type { Metric, MetricObjectWithValues, MetricValueWithName, Registry } from 'prom-client';

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

/** Registers a histogram; the function it returns gives the series with those labels, to be kept by the caller. */
export function addHistogram(registry: Registry, options: HistogramOptions): (labels?: Labels) => Series {
  const all: Counts[] = [];
  registry.registerMetric(asMetric(options, all));
  return (labels = {}) => {
    const series = { labels, counts: new Float64Array(options.buckets.length + 1), sum: 0 };
    all.push(series);
    return { observe: (value) => count(series, options.buckets, value) };
  };
}

function count(series: Counts, buckets: readonly number[], value: number): void {
  let at = 0;
  while (at < buckets.length && value > buckets[at]!) at += 1;
  series.counts[at]! += 1;
  series.sum += value;
}

/** The part of a metric that a registry uses. */
function asMetric({ name, help, buckets }: HistogramOptions, all: Counts[]): Metric {
  const get = async (): Promise<MetricObjectWithValues<MetricValueWithName<string>>> => ({
    name,
    help,
    type: 'histogram' as never,
    aggregator: 'sum',
    values: all.flatMap((series) => valuesOf(name, buckets, series)),
  });
  return { name, help, get, reset: () => undefined } as unknown as Metric;
}

function valuesOf(name: string, buckets: readonly number[], { labels, counts, sum }: Counts) {
  let total = 0;
  const values = [...buckets, '+Inf'].map((le, at) => {
    total += counts[at] ?? 0;
    return { metricName: `${name}_bucket`, labels: { ...labels, le }, value: total };
  });
  return [
    ...values,
    { metricName: `${name}_sum`, labels, value: sum },
    { metricName: `${name}_count`, labels, value: total },
  ];
}
