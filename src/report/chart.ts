import type { Range } from '../domain/words.ts';
import { count, range } from './format.ts';
import { markup, type Markup } from './markup.ts';
import { rowsPerDay, type Piece, type Series } from './series.ts';

const WIDTH = 960;
const HEIGHT = 220;
const LEFT = 72;
const BOTTOM = 26;
const TOP = 12;
/** A label of the time axis is about as wide. */
const LABEL_WIDTH = 66;
/** Labels under the time axis, at most. */
const LABELS = 8;
const DAY_MS = 86_400_000;

/** The next number of the kind 1, 2, 2.5 or 5 times a power of ten, so that the axis reads well. */
export function niceCeiling(value: number): number {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  const step = [1, 2, 2.5, 5, 10].find((factor) => factor * power >= value) ?? 10;
  return step * power;
}

interface Scale {
  readonly x: (at: string) => string;
  readonly y: (rows: number) => string;
}

/** A step for each piece; between pieces that do not touch, nothing is drawn. */
function steps(pieces: readonly Piece[], scale: Scale, ground: boolean): string {
  return pieces
    .map((piece, at) => {
      const height = scale.y(rowsPerDay(piece));
      const touches = pieces[at - 1]?.to === piece.from;
      const joins = pieces[at + 1]?.from === piece.to;
      const begin = touches ? '' : `M${scale.x(piece.from)} ${ground ? scale.y(0) : height}`;
      const end = ground && !joins ? `V${scale.y(0)}` : '';
      return `${begin}V${height}H${scale.x(piece.to)}${end}`;
    })
    .join('');
}

/** Days at whose beginning the time axis is labelled. */
function labelled(whole: Range): readonly string[] {
  const first = Date.parse(`${whole.from.slice(0, 10)}T00:00:00.000Z`);
  const days = Math.max(1, Math.ceil((Date.parse(whole.to) - first) / DAY_MS));
  const every = Math.ceil(days / LABELS);
  return Array.from({ length: Math.ceil(days / every) }, (_, at) =>
    new Date(first + at * every * DAY_MS).toISOString(),
  ).map((day) => (day < whole.from ? whole.from : day));
}

/** What a pointer on a day is told. */
function said(day: Piece, at: number, series: Series): string {
  const source = series.source[at]?.rows;
  const after = series.after.find((piece) => piece.from <= day.from && piece.to >= day.to);
  const alone = after?.from === day.from && after.to === day.to;
  const proven = after === undefined ? 'not proven' : `${count(after.rows)}${alone ? '' : ` in ${range(after)}`}`;
  return `${range(day)}: before ${count(day.rows)}, source ${count(source)}, after ${proven}`;
}

/** A chart of before, source and after over time as inline SVG, in rows a day; the page's style colours it. */
export function chart(series: Series, whole: Range, title: string): Markup {
  const all = [...series.before, ...series.source, ...series.after];
  const highest = niceCeiling(all.reduce((most, piece) => Math.max(most, rowsPerDay(piece)), 0));
  const start = Date.parse(whole.from);
  const length = Math.max(1, Date.parse(whole.to) - start);
  const scale: Scale = {
    x: (at) => (LEFT + ((WIDTH - LEFT) * (Date.parse(at) - start)) / length).toFixed(1),
    y: (rows) => (TOP + (HEIGHT - TOP - BOTTOM) * (1 - rows / highest)).toFixed(1),
  };
  const grid = [0, 0.5, 1].map((share) => {
    const at = scale.y(highest * share);
    return markup`<line class="grid" x1="${LEFT}" x2="${WIDTH}" y1="${at}" y2="${at}"/><text class="axis" x="${LEFT - 8}" y="${at}" dy="0.32em" text-anchor="end">${count(highest * share)}</text>`;
  });
  const axis = labelled(whole)
    .filter((day) => Number(scale.x(day)) <= WIDTH - LABEL_WIDTH)
    .map((day) => markup`<text class="axis" x="${scale.x(day)}" y="${HEIGHT - 6}">${day.slice(0, 10)}</text>`);
  const hits = series.before.map((day, at) => {
    const width = Number(scale.x(day.to)) - Number(scale.x(day.from));
    return markup`<rect class="hit" x="${scale.x(day.from)}" y="${TOP}" width="${width.toFixed(1)}" height="${HEIGHT - TOP - BOTTOM}"><title>${said(day, at, series)}</title></rect>`;
  });
  return markup`<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${title}">${grid}
<path class="before" d="${steps(series.before, scale, true)}"/>
<path class="after" d="${steps(series.after, scale, true)}"/>
<path class="source" d="${steps(series.source, scale, false)}"/>${axis}
${hits}</svg>`;
}
