/** One label file of YOLO's kind: a line for each object, coordinates as shares of the image's sides. */
import type { ProblemKind } from './problems';

export interface YoloShape {
  /** Class index, from 0. */
  readonly category: number;
  /** [x1, y1, x2, y2] in pixels. */
  readonly box: readonly [number, number, number, number];
  /** Outline in pixels, where the line has one. */
  readonly polygon?: readonly number[];
  /** K x 3 in pixels, where the data set has keypoints. */
  readonly keypoints?: readonly number[];
  readonly line: number;
}

export interface YoloFault {
  readonly kind: ProblemKind;
  readonly line: number;
  readonly message: string;
}

/** What a data set's lines hold: [number of keypoints, numbers for each]. */
export type KeypointShape = readonly [count: number, dimensions: number];

interface Size {
  readonly width: number;
  readonly height: number;
}

function toPixels(shares: readonly number[], { width, height }: Size): number[] {
  return shares.map((share, i) => share * (i % 2 === 0 ? width : height));
}

function boxOf([x = NaN, y = NaN, w = NaN, h = NaN]: readonly number[], { width, height }: Size) {
  const corners = [(x - w / 2) * width, (y - h / 2) * height];
  return [...corners, (x + w / 2) * width, (y + h / 2) * height] as unknown as YoloShape['box'];
}

/** Keypoints as [x, y, visibility]; those without a visibility are visible unless they are at 0, 0. */
function keypointsOf(
  values: readonly number[],
  [count, dimensions]: KeypointShape,
  { width, height }: Size,
): number[] {
  return Array.from({ length: count }, (_, k) => {
    const [x = 0, y = 0, given] = values.slice(k * dimensions, (k + 1) * dimensions);
    const visibility = dimensions === 3 ? (given ?? 0) : x === 0 && y === 0 ? 0 : 2;
    return [x * width, y * height, visibility];
  }).flat();
}

function around(polygon: readonly number[]): YoloShape['box'] {
  const xs = polygon.filter((_, i) => i % 2 === 0);
  const ys = polygon.filter((_, i) => i % 2 === 1);
  return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
}

function parseLine(
  text: string,
  line: number,
  size: Size,
  keypointShape: KeypointShape | undefined,
): YoloShape | YoloFault {
  const fields = text.trim().split(/\s+/);
  const [category = NaN, ...values] = fields.map(Number);
  if (!Number.isInteger(category) || category < 0) {
    const message = `a line begins with a class index, this one with "${fields[0] ?? ''}"; it is left out`;
    return { kind: 'annotation', line, message };
  }
  if (values.some((value) => !Number.isFinite(value))) {
    const message = `"${text.trim().slice(0, 80)}" has a coordinate that is no finite number; it is left out`;
    return { kind: 'box-number', line, message };
  }
  if (keypointShape && values.length === 4 + keypointShape[0] * keypointShape[1]) {
    const keypoints = keypointsOf(values.slice(4), keypointShape, size);
    return { category, box: boxOf(values, size), keypoints, line };
  }
  if (values.length === 4) return { category, box: boxOf(values, size), line };
  if (values.length >= 6 && values.length % 2 === 0) {
    const polygon = toPixels(values, size);
    return { category, box: around(polygon), polygon, line };
  }
  const message = `a line has a class and 4 numbers, or a class and the points of an outline, this one has ${values.length} numbers; it is left out`;
  return { kind: 'annotation', line, message };
}

/** Reads the lines of a label file; empty ones are skipped. */
export function parseYolo(
  text: string,
  size: Size,
  keypointShape?: KeypointShape,
): (YoloShape | YoloFault)[] {
  return text
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
    .flatMap((line, i) =>
      line.trim() === '' ? [] : [parseLine(line, i + 1, size, keypointShape)],
    );
}
