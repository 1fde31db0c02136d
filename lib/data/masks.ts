/**
 * Outlines to bitmaps, the pixels being COCO's own: its API draws polygons on a grid five times as fine and takes a pixel
 * where the outline, going down the column, has been crossed an odd number of times.
 */
import { decode, encode, type Rle } from '../detection/rle';
import { TorchdetError } from '../errors';
import type { Entry, Segmentation } from './dataset';

/** The grid that outlines are drawn on is this many times as fine as the pixels. */
const fineness = 5;

/** As far as pycocotools counts on that grid: it has whole numbers of 32 bits. */
const furthest = 2 ** 31 - 1;

/** Where an outline is crossed, as places counted down the columns: column * height + row. */
class Crossings {
  readonly places: number[] = [];

  constructor(
    private readonly height: number,
    private readonly width: number,
  ) {}

  /**
   * Columns that a line from one fine x to another crosses the middle of, the first and the one after the last: it crosses
   * where it steps from `middleOf(column)` to the next. Those beside the image are passed over, however long the line is.
   */
  columns(left: number, right: number): [from: number, end: number] {
    const from = Math.max(0, Math.ceil((left - middleOf(0)) / fineness));
    return [from, Math.min(this.width, Math.ceil((right - middleOf(0)) / fineness))];
  }

  /** The line is at fine row `y` there. */
  cross(column: number, y: number): void {
    const row = Math.ceil(Math.min(Math.max((y + 0.5) / fineness - 0.5, 0), this.height));
    this.places.push(column * this.height + row);
  }
}

/** The fine x below the middle of a column of pixels. */
function middleOf(column: number): number {
  return fineness * column + Math.floor(fineness / 2);
}

/** The first of the whole numbers to `end` that the test holds for; it holds for all after it, and for `end`. */
function firstWhere(end: number, holds: (value: number) => boolean): number {
  let [low, high] = [0, end];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (holds(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Where a line on the fine grid, of a point for each step along its longer side, crosses the middles of columns. */
function drawLine(out: Crossings, x0: number, y0: number, x1: number, y1: number): void {
  const [dx, dy] = [Math.abs(x1 - x0), Math.abs(y1 - y0)];
  if (dx === 0) return;
  const alongX = dx >= dy;
  // Lines are computed from their left or upper end, whichever way they are walked: both ways give the same points.
  const flipped = alongX ? x0 > x1 : y0 > y1;
  const [fromX, fromY, toX, toY] = flipped ? [x1, y1, x0, y0] : [x0, y0, x1, y1];
  const slope = alongX ? (toY - fromY) / dx : (toX - fromX) / dy;
  const [first, end] = out.columns(Math.min(x0, x1), Math.max(x0, x1));
  const yAt = (step: number) => Math.trunc(fromY + slope * step + 0.5);
  const xAt = (step: number) => Math.trunc(fromX + slope * step + 0.5);
  for (let column = first; column < end; column++) {
    const x = middleOf(column);
    if (alongX) {
      const step = x - fromX;
      out.cross(column, Math.min(yAt(step), yAt(step + 1)));
      continue;
    }
    // The first step beyond the middle; the crossing is above it.
    const beyond = firstWhere(dy, (step) => (slope > 0 ? xAt(step) > x : xAt(step) <= x));
    out.cross(column, fromY + beyond - 1);
  }
}

/** Adds a polygon's pixels to a bitmap. */
function drawPolygon(
  bitmap: Uint8Array,
  polygon: readonly number[],
  height: number,
  width: number,
): void {
  const fine = polygon.map((value) => {
    const place = Math.trunc(fineness * value + 0.5);
    return Math.min(Math.max(place, -furthest), furthest);
  });
  const crossings = new Crossings(height, width);
  for (let i = 0; i + 1 < fine.length; i += 2) {
    const next = (i + 2) % fine.length;
    drawLine(crossings, fine[i] ?? 0, fine[i + 1] ?? 0, fine[next] ?? 0, fine[next + 1] ?? 0);
  }
  const places = Int32Array.from(crossings.places).sort();
  for (let i = 0; i < places.length; i += 2) {
    const end = places[i + 1] ?? height * width;
    for (let place = places[i] ?? 0; place < end; place++) {
      const row = place % height;
      bitmap[row * width + (place - row) / height] = 1;
    }
  }
}

function invalid(message: string): TorchdetError {
  return new TorchdetError('ERR_DATASET', message);
}

function isPolygons(segmentation: Segmentation): segmentation is readonly (readonly number[])[] {
  return Array.isArray(segmentation);
}

/** What is wrong with something that should be an outline of an image of this size, or undefined. */
export function outlineFault(value: unknown, height: number, width: number): string | undefined {
  if (Array.isArray(value)) {
    for (const polygon of value as unknown[]) {
      if (!Array.isArray(polygon)) return 'a polygon is a list of numbers x, y, x, y, ...';
      if (polygon.length < 6 || polygon.length % 2 !== 0) {
        return `a polygon has 3 points or more, this has ${polygon.length} numbers`;
      }
      if (!polygon.every((number) => Number.isFinite(number))) {
        return 'a polygon has a coordinate that is no finite number';
      }
    }
    return value.length === 0 ? 'it has no polygons' : undefined;
  }
  const { size, counts } = (value ?? {}) as { size?: unknown; counts?: unknown };
  const readable = typeof counts === 'string' || Array.isArray(counts);
  if (!Array.isArray(size) || size.length !== 2 || !readable) {
    return 'it is neither polygons nor runs with size and counts';
  }
  if (size[0] !== height || size[1] !== width) {
    return `its runs are for ${String(size[1])} x ${String(size[0])} pixels, the image has ${width} x ${height}`;
  }
  return undefined;
}

/**
 * What is strange about an outline that can be drawn: part of it lies further from the image than the image is long. A
 * little beyond the edge is usual.
 */
export function outlineStray(
  segmentation: Segmentation,
  height: number,
  width: number,
): string | undefined {
  if (!isPolygons(segmentation)) return undefined;
  const longer = Math.max(height, width);
  for (const polygon of segmentation) {
    const at = polygon.findIndex(
      (value, i) => value < -longer || value > longer + (i % 2 === 0 ? width : height),
    );
    if (at < 0) continue;
    const [x = 0, y = 0] = polygon.slice(at - (at % 2));
    return `it goes as far as [${x}, ${y}], the image has ${width} x ${height} pixels`;
  }
  return undefined;
}

/**
 * The bitmap of an outline, as pycocotools' `annToMask` gives it: height * width bytes, row by row, 0 or 1.
 *
 * @param height of the image in pixels
 * @param width of the image in pixels
 * @throws TorchdetError ERR_DATASET for an outline that cannot be understood or is of another size;
 *   ERR_INVALID_ARGUMENT where runs are damaged
 */
export function rasterize(segmentation: Segmentation, height: number, width: number): Uint8Array {
  const fault = outlineFault(segmentation, height, width);
  if (fault !== undefined) throw invalid(`rasterize: ${fault}.`);
  if (!isPolygons(segmentation)) return decode(segmentation);
  const bitmap = new Uint8Array(height * width);
  for (const polygon of segmentation) drawPolygon(bitmap, polygon, height, width);
  return bitmap;
}

/** The same as COCO's packed runs. Throws as {@link rasterize}. */
export function segmentationRle(segmentation: Segmentation, height: number, width: number): Rle {
  return encode(rasterize(segmentation, height, width), height, width);
}

/**
 * All masks of an entry, as training takes them: N x height x width bytes, 0 or 1. An object without an outline has its
 * box filled. Undefined where the data set has no masks.
 *
 * @throws TorchdetError ERR_DATASET naming the object whose outline cannot be understood; ERR_FILE
 */
export async function entryMasks(entry: Entry): Promise<Uint8Array | undefined> {
  if (!entry.segmentations) return undefined;
  const { width, height } = entry;
  const segmentations = await entry.segmentations();
  const masks = new Uint8Array(entry.length * height * width);
  segmentations.forEach((segmentation, k) => {
    const [x1 = 0, y1 = 0, x2 = 0, y2 = 0] = entry.boxes.subarray(4 * k, 4 * k + 4);
    const outline = segmentation ?? [[x1, y1, x2, y1, x2, y2, x1, y2]];
    try {
      masks.set(rasterize(outline, height, width), k * height * width);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new TorchdetError('ERR_DATASET', `${entry.where(k)}: ${reason}`, { cause: error });
    }
  });
  return masks;
}
