import { MetricsText } from '../core/render/metrics.ts';

/** Bounds of the request histogram in seconds: from a message on a fast disk to a large file. */
const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60] as const;

interface Histogram {
  readonly counts: number[];
  sum: number;
  count: number;
}

export interface Gauges {
  readonly connections: number;
  readonly streams: number;
  readonly transfers: number;
  readonly searches: number;
  readonly neighbours: number;
}

/**
 * The server's figures in the Prometheus text format 0.0.4. Labels are route patterns, methods, statuses and error
 * codes only: nothing a client chooses, so that the number of series is bounded.
 */
export class Metrics {
  readonly #requests = new Map<string, number>();
  readonly #seconds = new Map<string, Histogram>();
  readonly #refused = new Map<string, number>();
  #messages = 0;
  #repeated = 0;
  #received = 0;
  #sent = 0;
  #stored = 0;

  request(method: string, route: string, status: number, seconds: number): void {
    const labels = `method="${method}",route="${route}"`;
    count(this.#requests, `${labels},status="${status}"`);
    let histogram = this.#seconds.get(labels);
    if (histogram === undefined) {
      histogram = { counts: BUCKETS.map(() => 0), sum: 0, count: 0 };
      this.#seconds.set(labels, histogram);
    }
    histogram.sum += seconds;
    histogram.count += 1;
    const bucket = BUCKETS.findIndex((bound) => seconds <= bound);
    if (bucket >= 0) histogram.counts[bucket] = (histogram.counts[bucket] ?? 0) + 1;
  }

  refused(code: string): void {
    count(this.#refused, `code="${code}"`);
  }

  message(repeated: boolean): void {
    if (repeated) this.#repeated += 1;
    else this.#messages += 1;
  }

  stored(): void {
    this.#stored += 1;
  }

  received(bytes: number): void {
    this.#received += bytes;
  }

  sent(bytes: number): void {
    this.#sent += bytes;
  }

  render(gauges: Gauges): string {
    const text = new MetricsText('kelana_server_');
    const total = (name: string, help: string, value: number): void =>
      text.family(name, 'counter', help, [['', value]]);
    text.family('requests_total', 'counter', 'Requests answered.', this.#requests);
    text.family('refused_total', 'counter', 'Requests ended by an error, by its code.', this.#refused);
    total('messages_total', 'Messages acknowledged after their commit.', this.#messages);
    total('messages_repeated_total', 'Messages sent again with a known key.', this.#repeated);
    total('files_stored_total', 'Files taken in.', this.#stored);
    total('file_bytes_received_total', 'Bytes of files uploaded.', this.#received);
    total('file_bytes_sent_total', 'Bytes of files downloaded.', this.#sent);
    for (const [name, value] of Object.entries(gauges))
      text.family(name, 'gauge', `Now open or under way: ${name}.`, [['', Number(value)]]);
    const seconds = [...this.#seconds].map(([row, histogram]) => ({ labels: row, ...histogram }));
    text.histogram(
      'request_seconds',
      "Time from a request's head to the end of its answer.",
      BUCKETS,
      seconds,
    );
    return text.toString();
  }
}

function count(map: Map<string, number>, key: string): void {
  map.set(key, (map.get(key) ?? 0) + 1);
}
