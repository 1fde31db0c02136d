/** Curves as SVG. */
import { escape, short } from './html';

export interface PlotSeries {
  readonly name: string;
  /** Ascending x. Points that are not finite are left out. */
  readonly points: readonly (readonly [x: number, y: number])[];
  /** Drawn thin and pale, without an entry in the legend: the raw values behind a smoothed curve. */
  readonly faint?: boolean;
  /** Number of the colour; default: the place among the series. */
  readonly colour?: number;
  /** Dots on the points. */
  readonly dots?: boolean;
}

export interface PlotOptions {
  readonly title: string;
  readonly xLabel: string;
  /** Default: the range of the values, from 0 where it is near. */
  readonly xRange?: readonly [number, number];
  readonly yRange?: readonly [number, number];
}

const size = { width: 560, height: 300, left: 56, right: 14, top: 34, bottom: 44 } as const;

/** Colours that are told apart by people who see red and green alike too (Okabe and Ito's, readable on both grounds). */
const colours = [
  '#0072b2',
  '#d55e00',
  '#009e73',
  '#cc79a7',
  '#e69f00',
  '#56b4e9',
  '#8c6bb1',
  '#7f7f7f',
];

/** The colour of the series at a place. */
export function seriesColour(place: number): string {
  return colours[place % colours.length] ?? '#000';
}

/** Round numbers that divide a range into about `count` parts. */
export function ticks(from: number, to: number, count = 5): number[] {
  const raw = (to - from) / count;
  if (!(raw > 0)) return [from];
  const magnitude = 10 ** Math.floor(Math.log10(raw));
  const step = ([1, 2, 2.5, 5, 10].find((factor) => factor * magnitude >= raw) ?? 10) * magnitude;
  const first = Math.ceil(from / step - 1e-9);
  const last = Math.floor(to / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) =>
    Number(((first + i) * step).toPrecision(10)),
  );
}

function rangeOf(values: readonly number[]): [number, number] {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) [low, high] = [Math.min(low, value), Math.max(high, value)];
  if (!(low <= high)) return [0, 1];
  // A range that begins not far above 0 may as well begin there: heights compare then.
  if (low > 0 && low < high / 2) low = 0;
  return low === high ? [low - 0.5, high + 0.5] : [low, high];
}

/** A plot of curves over one axis, with a legend where there are several. */
export function linePlot(series: readonly PlotSeries[], options: PlotOptions): string {
  const { width, height, left, right, top, bottom } = size;
  const finite = series.map(({ points }) => points.filter((point) => point.every(Number.isFinite)));
  const all = finite.flat();
  const [x0, x1] = options.xRange ?? rangeOf(all.map(([x]) => x));
  const [y0, y1] = options.yRange ?? rangeOf(all.map(([, y]) => y));
  const toX = (x: number) => left + ((x - x0) / (x1 - x0)) * (width - left - right);
  const toY = (y: number) => height - bottom - ((y - y0) / (y1 - y0)) * (height - top - bottom);
  const at = (value: number) => value.toFixed(1);

  const grid = ticks(y0, y1).map((y) => {
    const line = `<line class="grid" x1="${left}" x2="${width - right}" y1="${at(toY(y))}" y2="${at(toY(y))}"/>`;
    return `${line}<text x="${left - 6}" y="${at(toY(y) + 4)}" text-anchor="end">${short(y)}</text>`;
  });
  const below = ticks(x0, x1, 6).map((x) => {
    const line = `<line class="grid" x1="${at(toX(x))}" x2="${at(toX(x))}" y1="${top}" y2="${height - bottom}"/>`;
    return `${line}<text x="${at(toX(x))}" y="${height - bottom + 16}" text-anchor="middle">${short(x)}</text>`;
  });
  const curves = series.map((one, place) => {
    const points = finite[place] ?? [];
    const colour = seriesColour(one.colour ?? place);
    const path = points.map(([x, y]) => `${at(toX(x))},${at(toY(y))}`).join(' ');
    const pen = one.faint ? 'stroke-width="1" stroke-opacity="0.35"' : 'stroke-width="2"';
    const line = `<polyline fill="none" stroke="${colour}" ${pen} points="${path}"/>`;
    const dots = points.map(
      ([x, y]) =>
        `<circle cx="${at(toX(x))}" cy="${at(toY(y))}" r="3" fill="${colour}"><title>${escape(one.name)}: ${short(y)} at ${short(x)}</title></circle>`,
    );
    return one.dots || points.length === 1 ? line + dots.join('') : line;
  });
  const xTitle = `<text x="${(left + width - right) / 2}" y="${height - 8}" text-anchor="middle">${escape(options.xLabel)}</text>`;
  const title = `<text class="title" x="${left}" y="20">${escape(options.title)}</text>`;
  const picture = `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escape(options.title)}">${title}${grid.join('')}${below.join('')}${curves.join('')}${xTitle}</svg>`;
  return `<figure class="plot">${picture}${legend(series)}</figure>`;
}

function legend(series: readonly PlotSeries[]): string {
  const shown = series.flatMap((one, place) =>
    one.faint ? [] : [{ name: one.name, colour: seriesColour(one.colour ?? place) }],
  );
  if (shown.length < 2) return '';
  const entries = shown.map(
    ({ name, colour }) => `<span><i style="background:${colour}"></i>${escape(name)}</span>`,
  );
  return `<figcaption>${entries.join('')}</figcaption>`;
}

/** At most `limit` points: means of neighbours. */
export function thinned(
  points: readonly (readonly [number, number])[],
  limit = 400,
): (readonly [number, number])[] {
  const each = Math.ceil(points.length / limit);
  if (each <= 1) return [...points];
  const means: [number, number][] = [];
  for (let i = 0; i < points.length; i += each) {
    const part = points.slice(i, i + each);
    const mean = (axis: 0 | 1) => part.reduce((sum, point) => sum + point[axis], 0) / part.length;
    means.push([mean(0), mean(1)]);
  }
  return means;
}

/** An exponential average over `span` points or so, without the pull of the first one. */
export function smoothed(
  points: readonly (readonly [number, number])[],
  span = Math.max(1, points.length / 20),
): [number, number][] {
  const keep = Math.exp(-1 / span);
  let [sum, weight] = [0, 0];
  return points.map(([x, y]) => {
    sum = keep * sum + y;
    weight = keep * weight + 1;
    return [x, sum / weight];
  });
}
