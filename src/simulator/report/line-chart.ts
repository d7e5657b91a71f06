import { axisUnit, type ChartText } from './charts.ts';
import { axisNumber, shortNumber } from './numbers.ts';
import { linearScale, logScale } from './scale.ts';
import { element, line, picture, textAt, titled } from './svg.ts';

const WIDTH = 860;
const HEIGHT = 400;
const LEFT = 76;
/** Room for the names of the lines at their ends. */
const RIGHT = 168;
const TOP = 16;
const BOTTOM = 56;
/** Least distance between two names. */
const NAME = 16;

export interface Line {
  readonly name: string;
  readonly series: string;
  readonly points: readonly (readonly [number, number])[];
}

export interface LineText extends ChartText {
  readonly xUnit: string;
  readonly log: boolean;
  /** How a value is written; a number by default. */
  readonly text?: (value: number) => string;
  readonly xText?: (value: number) => string;
}

/** Lines over a common axis, each named at its end; the names make way for each other. */
export function lineChart(lines: readonly Line[], about: LineText): string {
  const { label, unit, xUnit, log, lang } = about;
  const say = about.text ?? ((value: number) => axisNumber(value, lang));
  const sayX = about.xText ?? ((value: number) => axisNumber(value, lang));
  const points = lines.flatMap((one) => one.points);
  const [width, height] = [WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM];
  const scale = log ? logScale : linearScale;
  const x = scale(
    points.map(([at]) => at),
    width,
  );
  const y = scale(
    points.map(([, at]) => at),
    height,
  );
  // Sizes begin where the data do: nobody asks for a network of one node.
  const first = log ? Math.min(...points.map(([at]) => at)) : 0;
  const shift = log ? x.at(first) : 0;
  const stretch = width / Math.max(1, width - shift);
  const px = (value: number): number => LEFT + (x.at(value) - shift) * stretch;
  const py = (value: number): number => TOP + height - y.at(value);
  const marks = [
    ...y.minor.map((value) => line(LEFT, py(value), LEFT + width, py(value), 'minor')),
    ...y.ticks.map(
      (value) =>
        line(LEFT, py(value), LEFT + width, py(value), 'grid') +
        textAt(LEFT - 8, py(value) + 4, say(value), 'tick', 'end'),
    ),
    ...x.ticks
      .filter((value) => value >= first)
      .map(
        (value) =>
          line(px(value), TOP, px(value), TOP + height, 'grid') +
          textAt(px(value), TOP + height + 18, sayX(value), 'tick', 'middle'),
      ),
    textAt(LEFT + width / 2, HEIGHT - 12, axisUnit(xUnit, log, lang), 'axis', 'middle'),
    element(
      'text',
      {
        x: 0,
        y: 0,
        class: 'axis',
        'text-anchor': 'middle',
        transform: `translate(18 ${TOP + height / 2}) rotate(-90)`,
      },
      axisUnit(unit, log, lang),
    ),
  ];
  const ends = lines.map((one) => ({ one, at: py(one.points.at(-1)?.[1] ?? 0) })).sort((a, b) => a.at - b.at);
  let free = TOP;
  const names = ends.map(({ one, at }) => {
    const place = Math.max(free, at + 4);
    free = place + NAME;
    const endX = px(one.points.at(-1)?.[0] ?? 0);
    return textAt(endX + 12, place, one.name, `name ${one.series}`);
  });
  const drawn = lines.map((one) => {
    const path = one.points.map(
      ([at, value], index) => `${index === 0 ? 'M' : 'L'}${px(at).toFixed(1)} ${py(value).toFixed(1)}`,
    );
    const circles = one.points.map(([at, value]) =>
      titled(
        element('circle', { cx: px(at), cy: py(value), r: 4, class: `fill ${one.series}` }),
        `${one.name}, ${sayX(at)}: ${about.text === undefined ? shortNumber(value, lang) : say(value)}`,
      ),
    );
    return element('path', { d: path.join(' '), class: `stroke ${one.series}` }) + circles.join('');
  });
  return picture(WIDTH, HEIGHT, label, [...marks, ...drawn, ...names].join(''));
}
