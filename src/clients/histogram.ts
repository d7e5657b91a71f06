// The one class, not the package's index: that also loads pako and a WebAssembly build (100 ms against 10 ms).
import int32 from 'hdr-histogram-js/dist/Int32Histogram.js';
import { CLIENTS } from '../core/config.ts';
import type { Histogram } from '../core/load/report.ts';

/** µs: an hour. Longer than any time-out can let a request take; what is above counts as this. */
const HIGHEST = 3_600_000_000;

/** HDR histogram of whole microseconds, `CLIENTS.histogramDigits` exact digits, about 100 KB whatever is recorded. */
export function createHistogram(): Histogram {
  const histogram = new int32.default(1, HIGHEST, CLIENTS.histogramDigits);
  return {
    record: (micros) => histogram.recordValue(Math.min(micros, HIGHEST)),
    percentile: (percent) => histogram.getValueAtPercentile(percent),
  };
}
