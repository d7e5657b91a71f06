/** An axis: where a value lies, in pixels from its beginning, and which values are named. */
export interface Scale {
  readonly at: (value: number) => number;
  readonly ticks: readonly number[];
  /** Lines without a name: 2 to 9 of each decade. */
  readonly minor: readonly number[];
}

/** From the decade below the least to the one above the most; values of 0 and below lie at the beginning. */
export function logScale(values: readonly number[], length: number): Scale {
  const positive = values.filter((value) => value > 0);
  const low = Math.floor(Math.log10(Math.min(1, ...positive)) + 1e-9);
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(1, ...positive)) - 1e-9));
  const decades = Array.from({ length: high - low + 1 }, (_, at) => 10 ** (low + at));
  const step = Math.ceil(decades.length / 8);
  return {
    at: (value) => {
      if (value <= 0) return 0;
      return Math.max(0, Math.min(1, (Math.log10(value) - low) / (high - low))) * length;
    },
    ticks: decades.filter((_, at) => at % step === 0),
    minor: decades.slice(0, -1).flatMap((decade) => [2, 3, 4, 5, 6, 7, 8, 9].map((times) => times * decade)),
  };
}

/** From 0 (or `low`) to a round number. */
export function linearScale(values: readonly number[], length: number, low = 0): Scale {
  const most = Math.max(low + 1e-9, ...values);
  const raw = (most - low) / 5;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((times) => times * power).find((one) => one >= raw) ?? raw;
  const count = Math.ceil((most - low) / step - 1e-9);
  const ticks = Array.from({ length: count + 1 }, (_, at) => Number((low + at * step).toPrecision(12)));
  const high = ticks.at(-1) ?? most;
  return { at: (value) => ((value - low) / (high - low)) * length, ticks, minor: [] };
}

/** Few and far apart: one scale of sizes, three decades apart or more, reads better in logarithms. */
export function spans(values: readonly number[]): boolean {
  const positive = values.filter((value) => value > 0);
  return positive.length > 1 && Math.max(...positive) / Math.min(...positive) > 30;
}
