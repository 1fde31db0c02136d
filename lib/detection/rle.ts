/**
 * Masks in COCO's run-length encoding, as pycocotools writes and reads them. Runs alternate between background and object,
 * column by column from the upper left corner, the first one background. `size` is [height, width].
 */
import { TorchdetError } from '../errors';

/** Runs as numbers: COCO's form for crowds in annotation files. */
export interface UncompressedRle {
  readonly size: readonly [height: number, width: number];
  readonly counts: readonly number[];
}

/** Runs packed into a string of ASCII letters: COCO's form for results. */
export interface Rle {
  readonly size: readonly [height: number, width: number];
  readonly counts: string;
}

type AnyRle = Rle | UncompressedRle;

function invalid(message: string): TorchdetError {
  return new TorchdetError('ERR_INVALID_ARGUMENT', `rle: ${message}`);
}

function checkSize(height: number, width: number): void {
  for (const side of [height, width]) {
    if (!Number.isSafeInteger(side) || side < 0) {
      throw invalid(`a size is [height, width] in whole pixels, got [${height}, ${width}].`);
    }
  }
}

/** Columns and rows that hold an object: nothing outside needs to be read column by column. */
function extentOf(bitmap: Uint8Array, height: number, width: number) {
  let [top, bottom, left, right] = [height, -1, width, -1];
  for (let y = 0; y < height; y++) {
    const row = y * width;
    let x = 0;
    while (x < width && bitmap[row + x] === 0) x++;
    if (x === width) continue;
    if (top === height) top = y;
    bottom = y;
    if (x < left) left = x;
    let last = width - 1;
    while (last > right && bitmap[row + last] === 0) last--;
    if (last > right) right = last;
  }
  return { top, bottom, left, right };
}

/** Run lengths that grow as they come. */
class Runs {
  #counts = new Uint32Array(256);
  #length = 0;

  push(count: number): void {
    if (this.#length === this.#counts.length) {
      const larger = new Uint32Array(2 * this.#length);
      larger.set(this.#counts);
      this.#counts = larger;
    }
    this.#counts[this.#length++] = count;
  }

  get counts(): Uint32Array {
    return this.#counts.subarray(0, this.#length);
  }
}

function runsOf(bitmap: Uint8Array, height: number, width: number): Uint32Array {
  checkSize(height, width);
  if (bitmap.length !== height * width) {
    throw invalid(
      `a bitmap of ${height} x ${width} has ${height * width} bytes, got ${bitmap.length}.`,
    );
  }
  const { top, bottom, left, right } = extentOf(bitmap, height, width);
  const runs = new Runs();
  let start = 0; // where the current run began, counted down the columns
  let inside = false as boolean; // TypeScript does not follow it around the loop
  for (let x = left; x <= right; x++) {
    const column = x * height;
    // Above the extent is background.
    if (inside && top > 0) {
      runs.push(column - start);
      start = column;
      inside = false;
    }
    for (let y = top, at = top * width + x; y <= bottom; y++, at += width) {
      if ((bitmap[at] !== 0) === inside) continue;
      runs.push(column + y - start);
      start = column + y;
      inside = !inside;
    }
    if (inside && bottom < height - 1) {
      runs.push(column + bottom + 1 - start);
      start = column + bottom + 1;
      inside = false;
    }
  }
  // An object down to the foot of the last column of the extent ends there.
  const end = (right + 1) * height;
  if (inside && end < height * width) {
    runs.push(end - start);
    start = end;
  }
  const rest = height * width - start;
  if (rest > 0 || runs.counts.length === 0) runs.push(rest);
  return runs.counts;
}

/** Five bits a letter, the lowest first; from the fourth run on the difference to the run before the last. */
function pack(counts: ArrayLike<number>): string {
  const letters = new Uint8Array(7 * counts.length);
  let length = 0;
  for (let i = 0; i < counts.length; i++) {
    let x = counts[i] ?? 0;
    if (i > 2) x -= counts[i - 2] ?? 0;
    let letter;
    do {
      letter = x & 0x1f;
      x >>= 5;
      const done = (letter & 0x10) === 0 ? x === 0 : x === -1;
      if (!done) letter |= 0x20;
      letters[length++] = letter + 48;
    } while (letter >= 0x20);
  }
  return Buffer.from(letters.buffer, 0, length).toString('latin1');
}

function unpack(text: string): Uint32Array {
  const counts = new Uint32Array(text.length);
  let length = 0;
  for (let at = 0; at < text.length;) {
    let x = 0;
    for (let shift = 0, more = true; more; shift += 5) {
      const letter = text.charCodeAt(at) - 48;
      if (!(letter >= 0 && letter < 64) || shift > 30) {
        throw invalid(`"counts" is damaged at character ${at} of ${text.length}.`);
      }
      at++;
      x |= (letter & 0x1f) << shift;
      more = (letter & 0x20) !== 0;
      if (!more && (letter & 0x10) !== 0 && shift < 27) x |= -1 << (shift + 5);
    }
    if (length > 2) x += counts[length - 2] ?? 0;
    if (x < 0) throw invalid(`"counts" has a negative run, the ${length + 1}th.`);
    counts[length++] = x;
  }
  return counts.subarray(0, length);
}

/** The runs of either form; they must fill the size. */
function countsOf({ size, counts }: AnyRle): ArrayLike<number> {
  const [height, width] = size;
  checkSize(height, width);
  const runs = typeof counts === 'string' ? unpack(counts) : counts;
  let total = 0;
  for (let i = 0; i < runs.length; i++) {
    const run = runs[i] ?? 0;
    if (!Number.isSafeInteger(run) || run < 0) {
      throw invalid(`a run is a whole number of pixels, the ${i + 1}th is ${run}.`);
    }
    total += run;
  }
  if (total !== height * width) {
    throw invalid(
      `the runs cover ${total} pixels, but ${height} x ${width} are ${height * width}.`,
    );
  }
  return runs;
}

/**
 * Packs a bitmap.
 *
 * @param bitmap height * width bytes, row by row; 0 is background, anything else object
 * @throws TorchdetError ERR_INVALID_ARGUMENT where the length does not fit the size
 */
export function encode(bitmap: Uint8Array, height: number, width: number): Rle {
  return { size: [height, width], counts: pack(runsOf(bitmap, height, width)) };
}

/**
 * The bitmap of either form: height * width bytes, row by row, 0 or 1.
 *
 * @throws TorchdetError ERR_INVALID_ARGUMENT where the runs are damaged or do not fill the size
 */
export function decode(rle: AnyRle): Uint8Array {
  const [height, width] = rle.size;
  const counts = countsOf(rle);
  const bitmap = new Uint8Array(height * width);
  let at = 0;
  for (let i = 0; i < counts.length; i++) {
    const end = at + (counts[i] ?? 0);
    if (i % 2 === 1) {
      let y = at % height;
      for (let x = (at - y) / height; at < end; x++, y = 0) {
        const stop = Math.min(height, y + end - at);
        at += stop - y;
        for (let place = y * width + x; y < stop; y++, place += width) bitmap[place] = 1;
      }
    }
    at = end;
  }
  return bitmap;
}

/** How many pixels are object. Throws as {@link decode}. */
export function area(rle: AnyRle): number {
  const counts = countsOf(rle);
  let sum = 0;
  for (let i = 1; i < counts.length; i += 2) sum += counts[i] ?? 0;
  return sum;
}

/** The smallest box around the object as COCO writes boxes, [x, y, width, height]; all 0 where there is none. Throws as {@link decode}. */
export function toBbox(rle: AnyRle): [x: number, y: number, width: number, height: number] {
  const height = rle.size[0];
  const counts = countsOf(rle);
  let [left, right, top, bottom] = [Infinity, -1, Infinity, -1];
  let at = 0;
  for (let i = 0; i < counts.length; i++) {
    const run = counts[i] ?? 0;
    if (i % 2 === 1 && run > 0) {
      const last = at + run - 1;
      const [x, y, lastX, lastY] = [
        Math.floor(at / height),
        at % height,
        Math.floor(last / height),
        last % height,
      ];
      left = Math.min(left, x);
      right = Math.max(right, lastX);
      // A run over the end of a column covers both edges.
      top = Math.min(top, lastX > x ? 0 : y);
      bottom = Math.max(bottom, lastX > x ? height - 1 : lastY);
    }
    at += run;
  }
  return right < 0 ? [0, 0, 0, 0] : [left, top, right - left + 1, bottom - top + 1];
}

/** The same runs as a string. Throws as {@link decode}. */
export function compress(rle: AnyRle): Rle {
  return { size: rle.size, counts: pack(countsOf(rle)) };
}

/** The same runs as numbers. Throws as {@link decode}. */
export function uncompress(rle: AnyRle): UncompressedRle {
  return { size: rle.size, counts: Array.from(countsOf(rle)) };
}
