/**
 * The Prometheus text format 0.0.4: families of lines with a help text and a type. Label values must be few and not of
 * a client's choosing, so that the number of series is bounded.
 */
export class MetricsText {
  readonly #prefix: string;
  readonly #lines: string[] = [];

  /** `prefix` as in `kelana_server_`. */
  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  /** Rows are labels, as `labels` makes them, and a value. */
  family(
    name: string,
    type: 'counter' | 'gauge',
    help: string,
    rows: Iterable<readonly [string, number]>,
  ): void {
    this.#head(name, type, help);
    for (const [label, value] of rows)
      this.#lines.push(`${this.#prefix}${name}${label === '' ? '' : `{${label}}`} ${value}`);
  }

  /** Rows are labels, counts per bound (not summed up), how many in all, and the sum of the values. */
  histogram(name: string, help: string, bounds: readonly number[], rows: Iterable<HistogramRow>): void {
    this.#head(name, 'histogram', help);
    const full = `${this.#prefix}${name}`;
    for (const { labels: label, counts, count, sum } of rows) {
      const more = label === '' ? '' : `${label},`;
      let total = 0;
      for (const [index, bound] of bounds.entries()) {
        total += counts[index] ?? 0;
        this.#lines.push(`${full}_bucket{${more}le="${bound}"} ${total}`);
      }
      this.#lines.push(`${full}_bucket{${more}le="+Inf"} ${count}`);
      const braces = label === '' ? '' : `{${label}}`;
      this.#lines.push(`${full}_sum${braces} ${sum}`, `${full}_count${braces} ${count}`);
    }
  }

  toString(): string {
    return `${this.#lines.join('\n')}\n`;
  }

  #head(name: string, type: string, help: string): void {
    this.#lines.push(`# HELP ${this.#prefix}${name} ${help}`, `# TYPE ${this.#prefix}${name} ${type}`);
  }
}

export interface HistogramRow {
  readonly labels: string;
  readonly counts: readonly number[];
  readonly count: number;
  readonly sum: number;
}

/** `a="1",b="x"`, with what the format needs escaped. */
export function labels(values: Readonly<Record<string, string | number>>): string {
  return Object.entries(values)
    .map(([name, value]) => `${name}="${escape(String(value))}"`)
    .join(',');
}

function escape(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
