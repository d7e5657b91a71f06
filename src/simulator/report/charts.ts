import type { Lang } from '../../core/lang.ts';
import { axisNumber, shortNumber } from './numbers.ts';
import { linearScale, logScale, spans, type Scale } from './scale.ts';
import { element, line, picture, textAt, titled } from './svg.ts';

const WIDTH = 860;
/** Room for the labels of rows, left of the plot, and for a number right of it. */
const LEFT = 236;
const RIGHT = 76;
const ROW = 26;
const TOP = 10;
const BOTTOM = 46;

export interface Bar {
  readonly label: string;
  /** Rows with the same heading stand together. */
  readonly heading: string;
  /** Names the colour. */
  readonly series: string;
  readonly value: number;
  /** A second mark on the same line, for example the 95th percentile. */
  readonly mark?: number;
  /** Lowest and highest of the seeds. */
  readonly low?: number;
  readonly high?: number;
}

export interface ChartText {
  readonly label: string;
  readonly unit: string;
  readonly lang: Lang;
}

/** Horizontal bars; logarithmic where the values lie far apart. */
export function barChart(bars: readonly Bar[], { label, unit, lang }: ChartText): string {
  const values = bars.flatMap(({ value, mark = value }) => [value, mark]);
  const log = spans(values);
  const scale = (log ? logScale : linearScale)(values, WIDTH - LEFT - RIGHT);
  const { parts, bottom } = rows(bars, (bar, y) => {
    const x = LEFT + scale.at(bar.value);
    const marks = [
      element('rect', {
        x: LEFT,
        y: y + 5,
        width: Math.max(1, x - LEFT),
        height: ROW - 10,
        rx: 3,
        class: `fill ${bar.series}`,
      }),
    ];
    let end = x;
    if (bar.mark !== undefined && bar.mark > 0) {
      const at = LEFT + scale.at(bar.mark);
      marks.push(line(at, y + 4, at, y + ROW - 4, 'mark'));
      end = Math.max(end, at);
    }
    if (bar.low !== undefined && bar.high !== undefined && bar.high > bar.low) {
      const [a, b] = [LEFT + scale.at(bar.low), LEFT + scale.at(bar.high)];
      marks.push(line(a, y + ROW / 2, b, y + ROW / 2, 'spread'));
      end = Math.max(end, b);
    }
    marks.push(textAt(end + 7, y + ROW / 2 + 4, shortNumber(bar.value, lang), 'number'));
    return titled(marks.join(''), `${bar.heading} · ${bar.label}: ${shortNumber(bar.value, lang)} ${unit}`);
  });
  return picture(WIDTH, bottom + BOTTOM, label, grid(scale, bottom, axisUnit(unit, log, lang), lang) + parts);
}

export interface Dots {
  readonly label: string;
  readonly heading: string;
  readonly series: string;
  /** From the least to the most; the last one is drawn largest. */
  readonly values: readonly number[];
}

/** Several values of one thing on a line: how unevenly a load lies. */
export function dotChart(dots: readonly Dots[], names: readonly string[], text: ChartText): string {
  const { label, unit, lang } = text;
  const scale = logScale(
    dots.flatMap(({ values }) => values).filter((value) => value > 0),
    WIDTH - LEFT - RIGHT,
  );
  const { parts, bottom } = rows(dots, (dot, y) => {
    const places = dot.values.map((value) => LEFT + scale.at(value));
    const [first = LEFT, last = LEFT] = [places[0], places.at(-1)];
    const circles = places.map((cx, at) =>
      element('circle', { cx, cy: y + ROW / 2, r: 3 + 1.5 * at, class: `fill ${dot.series} dot${at}` }),
    );
    const said = dot.values.map((value, at) => `${names[at] ?? ''} ${shortNumber(value, lang)}`).join(', ');
    const most = shortNumber(dot.values.at(-1) ?? 0, lang);
    return titled(
      line(first, y + ROW / 2, last, y + ROW / 2, `stroke ${dot.series}`) +
        circles.join('') +
        textAt(last + 12, y + ROW / 2 + 4, most, 'number'),
      `${dot.heading} · ${dot.label}: ${said} ${unit}`,
    );
  });
  return picture(
    WIDTH,
    bottom + BOTTOM,
    label,
    grid(scale, bottom, axisUnit(unit, true, lang), lang) + parts,
  );
}

function rows<T extends { label: string; heading: string }>(
  list: readonly T[],
  draw: (item: T, y: number) => string,
): { parts: string; bottom: number } {
  const parts: string[] = [];
  let y = TOP;
  let heading = '';
  for (const item of list) {
    if (item.heading !== heading) {
      heading = item.heading;
      parts.push(textAt(LEFT - 10, y + 19, heading, 'heading', 'end'));
      y += ROW + 2;
    }
    parts.push(textAt(LEFT - 10, y + ROW / 2 + 4, item.label, 'label', 'end'), draw(item, y));
    y += ROW;
  }
  return { parts: parts.join(''), bottom: y + 4 };
}

function grid(scale: Scale, bottom: number, unit: string, lang: Lang): string {
  const lines = scale.minor.map((value) => {
    const x = LEFT + scale.at(value);
    return line(x, TOP, x, bottom, 'minor');
  });
  const ticks = scale.ticks.map((value) => {
    const x = LEFT + scale.at(value);
    return (
      line(x, TOP, x, bottom, 'grid') + textAt(x, bottom + 17, axisNumber(value, lang), 'tick', 'middle')
    );
  });
  const middle = LEFT + (WIDTH - LEFT - RIGHT) / 2;
  return [...lines, ...ticks, textAt(middle, bottom + 37, unit, 'axis', 'middle')].join('');
}

export function axisUnit(unit: string, log: boolean, lang: Lang): string {
  return log ? `${unit} (${lang === 'id' ? 'skala logaritma' : 'log scale'})` : unit;
}
