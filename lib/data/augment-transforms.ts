/**
 * The random transforms that torchvision's training recipes are made of. They draw in torchvision's order and compute in
 * float32 as it does, so that the same draws lead to the same crop.
 */
import { optionError, rejectUnknownOptions } from '../errors';
import { permutation, type RandomSource } from './augment-random';
import type { Colour, Draft } from './augment-draft';

/** One part of an augmentation. A function of your own fits: it draws from `random` and calls the draft's methods. */
export type Transform = (draft: Draft, random: RandomSource) => void;

/** [least, greatest] */
export type Range = readonly [number, number];

const { fround, min, max, trunc } = Math;

/** The mean of ImageNet's pixels, as torchvision's presets fill with it. */
export const meanFill: Colour = [123, 117, 104];

function checkRange(
  where: string,
  name: string,
  range: readonly number[],
  least: number,
  most: number,
): void {
  const [low = NaN, high = NaN] = range;
  if (range.length === 2 && low >= least && low <= high && high <= most) return;
  const limit = most === Infinity ? `from ${least}` : `within ${least}..${most}`;
  throw optionError(where, name, range, `[least, greatest], ${limit}`);
}

function checkProbability(where: string, value: number): void {
  if (!(value >= 0 && value <= 1)) throw optionError(where, 'probability', value, 'from 0 to 1');
}

function checkFill(where: string, fill: readonly number[]): void {
  const byte = (value: number): boolean => Number.isInteger(value) && value >= 0 && value < 256;
  if (fill.length !== 3 || !fill.every(byte)) {
    throw optionError(where, 'fill', fill, 'three whole numbers from 0 to 255');
  }
}

function checkSide(where: string, name: string, value: number): void {
  if (!Number.isInteger(value) || value < 1) {
    throw optionError(where, name, value, 'a positive whole number of pixels');
  }
}

function checkSize(where: string, name: string, size: readonly number[]): void {
  if (size.length !== 2) throw optionError(where, name, size, '[width, height] in pixels');
  for (const side of size) checkSide(where, name, side);
}

/** low + (high - low) * a draw, in float32. */
function between([low, high]: Range, random: RandomSource): number {
  return fround(fround(low) + fround(fround(high - low) * random.next()));
}

/**
 * Mirrors left to right: torchvision's RandomHorizontalFlip.
 *
 * @throws TorchdetError ERR_OPTION_VALUE, ERR_OPTION_UNKNOWN
 */
export function horizontalFlip(options: { readonly probability?: number } = {}): Transform {
  rejectUnknownOptions('horizontalFlip', options, ['probability']);
  const { probability = 0.5 } = options;
  checkProbability('horizontalFlip', probability);
  return (draft, random) => {
    if (random.next() < probability) draft.flip();
  };
}

/**
 * Resizes to fit a size, then by a random factor (large scale jitter): torchvision's ScaleJitter.
 *
 * @param options.size [width, height] that a factor of 1 fits; default 1024 x 1024
 * @param options.scale range of the factor; default 0.1 to 2
 * @throws TorchdetError ERR_OPTION_VALUE, ERR_OPTION_UNKNOWN
 */
export function scaleJitter(
  options: { readonly size?: readonly [number, number]; readonly scale?: Range } = {},
): Transform {
  rejectUnknownOptions('scaleJitter', options, ['size', 'scale']);
  const { size = [1024, 1024], scale = [0.1, 2] } = options;
  checkSize('scaleJitter', 'size', size);
  checkRange('scaleJitter', 'scale', scale, Number.MIN_VALUE, Infinity);
  return (draft, random) => {
    const fit = min(size[1] / draft.height, size[0] / draft.width);
    const factor = fround(fround(fit) * between(scale, random));
    const resized = (side: number): number => max(1, trunc(fround(side * factor)));
    draft.resize(resized(draft.width), resized(draft.height));
  };
}

/**
 * Brings images to one size: where they are larger, a random part of it, where smaller, padded right and below. The
 * FixedSizeCrop of torchvision's recipes.
 *
 * @param options.size [width, height]; default 1024 x 1024
 * @param options.fill colour of the padding; default {@link meanFill}
 * @throws TorchdetError ERR_OPTION_VALUE, ERR_OPTION_UNKNOWN
 */
export function fixedSizeCrop(
  options: { readonly size?: readonly [number, number]; readonly fill?: Colour } = {},
): Transform {
  rejectUnknownOptions('fixedSizeCrop', options, ['size', 'fill']);
  const { size = [1024, 1024], fill = meanFill } = options;
  checkSize('fixedSizeCrop', 'size', size);
  checkFill('fixedSizeCrop', fill);
  const [width, height] = size;
  return (draft, random) => {
    const spareX = max(draft.width - width, 0);
    const spareY = max(draft.height - height, 0);
    // One draw for both axes, as there.
    const draw = spareX > 0 || spareY > 0 ? random.next() : 0;
    if (draft.width === width && draft.height === height) return;
    draft.window(trunc(fround(spareX * draw)), trunc(fround(spareY * draw)), width, height, fill);
  };
}

const multiscaleSizes = [480, 512, 544, 576, 608, 640, 672, 704, 736, 768, 800];

/**
 * Resizes so that the shorter side has one of several lengths: torchvision's RandomShortestSize.
 *
 * @param options.minSizes lengths to choose from; default 480 to 800 in steps of 32
 * @param options.maxSize of the longer side; default 1333
 * @throws TorchdetError ERR_OPTION_VALUE, ERR_OPTION_UNKNOWN
 */
export function randomShortestSize(
  options: { readonly minSizes?: readonly number[]; readonly maxSize?: number } = {},
): Transform {
  rejectUnknownOptions('randomShortestSize', options, ['minSizes', 'maxSize']);
  const { minSizes = multiscaleSizes, maxSize = 1333 } = options;
  if (minSizes.length === 0) {
    throw optionError('randomShortestSize', 'minSizes', minSizes, 'one length or more');
  }
  for (const side of minSizes) checkSide('randomShortestSize', 'minSizes', side);
  checkSide('randomShortestSize', 'maxSize', maxSize);
  return (draft, random) => {
    const { width, height } = draft;
    const chosen = minSizes[random.integer(minSizes.length)] ?? 0;
    const ratio = min(chosen / min(width, height), maxSize / max(width, height));
    draft.resize(max(1, trunc(width * ratio)), max(1, trunc(height * ratio)));
  };
}

/** Options of {@link photometricDistort}. */
export interface PhotometricOptions {
  /** Default 0.875 to 1.125. */
  readonly brightness?: Range;
  /** Default 0.5 to 1.5. */
  readonly contrast?: Range;
  /** Default 0.5 to 1.5. */
  readonly saturation?: Range;
  /** In turns of the colour circle, within -0.5..0.5; default -0.05 to 0.05. */
  readonly hue?: Range;
  /** Of each of the changes; default 0.5. */
  readonly probability?: number;
}

/**
 * Changes brightness, contrast, saturation, hue and the order of the channels, each or not: torchvision's
 * RandomPhotometricDistort.
 *
 * @throws TorchdetError ERR_OPTION_VALUE, ERR_OPTION_UNKNOWN
 */
export function photometricDistort(options: PhotometricOptions = {}): Transform {
  const where = 'photometricDistort';
  const names = ['brightness', 'contrast', 'saturation', 'hue', 'probability'];
  rejectUnknownOptions(where, options, names);
  const { brightness = [0.875, 1.125], contrast = [0.5, 1.5], saturation = [0.5, 1.5] } = options;
  const { hue = [-0.05, 0.05], probability = 0.5 } = options;
  checkRange(where, 'brightness', brightness, 0, Infinity);
  checkRange(where, 'contrast', contrast, 0, Infinity);
  checkRange(where, 'saturation', saturation, 0, Infinity);
  checkRange(where, 'hue', hue, -0.5, 0.5);
  checkProbability(where, probability);
  return (draft, random) => {
    const perhaps = (range: Range): number | undefined =>
      random.next() < probability ? between(range, random) : undefined;
    const factors = {
      brightness: perhaps(brightness),
      contrast: perhaps(contrast),
      saturation: perhaps(saturation),
      hue: perhaps(hue),
    };
    const contrastFirst = random.next() < 0.5;
    const channels =
      random.next() < probability
        ? (permutation(3, random) as [number, number, number])
        : undefined;
    const changes = { ...factors, channels };
    if (Object.values(changes).every((value) => value === undefined)) return;
    draft.colour({ ...changes, contrastFirst });
  };
}

/**
 * Puts the image at a random place of a larger canvas: torchvision's RandomZoomOut.
 *
 * @param options.scale range of the canvas's sides, as multiples of the image's; default 1 to 4
 * @param options.fill default {@link meanFill}
 * @param options.probability default 0.5
 * @throws TorchdetError ERR_OPTION_VALUE, ERR_OPTION_UNKNOWN
 */
export function zoomOut(
  options: {
    readonly scale?: Range;
    readonly fill?: Colour;
    readonly probability?: number;
  } = {},
): Transform {
  rejectUnknownOptions('zoomOut', options, ['scale', 'fill', 'probability']);
  const { scale = [1, 4], fill = meanFill, probability = 0.5 } = options;
  checkRange('zoomOut', 'scale', scale, 1, Infinity);
  checkFill('zoomOut', fill);
  checkProbability('zoomOut', probability);
  return (draft, random) => {
    if (random.next() >= probability) return;
    const factor = between(scale, random);
    const width = trunc(fround(draft.width * factor));
    const height = trunc(fround(draft.height * factor));
    const left = trunc(fround((width - draft.width) * random.next()));
    const top = trunc(fround((height - draft.height) * random.next()));
    draft.window(-left, -top, width, height, fill);
  };
}

/** Options of {@link iouCrop}. */
export interface IouCropOptions {
  /** Range of the crop's sides, as parts of the image's; default 0.3 to 1. */
  readonly scale?: Range;
  /** Range of width / height of the crop; default 0.5 to 2. */
  readonly aspectRatio?: Range;
  /** IoUs of which one is drawn each time: some box must overlap the crop that much; 1: no crop. Default 0, 0.1, 0.3, 0.5, 0.7, 0.9, 1. */
  readonly overlaps?: readonly number[];
  /** Crops tried before another overlap is drawn; default 40. */
  readonly trials?: number;
}

/** The largest IoU of the boxes `within` with the crop, in float32. */
function largestIou(draft: Draft, within: readonly number[], crop: readonly number[]): number {
  const [left = 0, top = 0, right = 0, bottom = 0] = crop;
  const area = (right - left) * (bottom - top);
  return within.reduce((largest, k) => {
    const [x1 = 0, y1 = 0, x2 = 0, y2 = 0] = draft.boxes.subarray(4 * k, 4 * k + 4);
    const width = fround(min(x2, right) - max(x1, left));
    const height = fround(min(y2, bottom) - max(y1, top));
    const shared = fround(max(width, 0) * max(height, 0));
    const own = fround(fround(x2 - x1) * fround(y2 - y1));
    return max(largest, fround(shared / fround(fround(own + area) - shared)));
  }, 0);
}

/**
 * Crops a random part in which some box overlaps enough: torchvision's RandomIoUCrop. Objects whose centre lies outside are
 * dropped. An image without boxes stays whole.
 *
 * @throws TorchdetError ERR_OPTION_VALUE, ERR_OPTION_UNKNOWN
 */
export function iouCrop(options: IouCropOptions = {}): Transform {
  rejectUnknownOptions('iouCrop', options, ['scale', 'aspectRatio', 'overlaps', 'trials']);
  const { scale = [0.3, 1], aspectRatio = [0.5, 2], trials = 40 } = options;
  const { overlaps = [0, 0.1, 0.3, 0.5, 0.7, 0.9, 1] } = options;
  checkRange('iouCrop', 'scale', scale, Number.MIN_VALUE, 1);
  checkRange('iouCrop', 'aspectRatio', aspectRatio, 0, Infinity);
  if (!overlaps.some((overlap) => overlap >= 1)) {
    // Without a way out, an image that no crop suits would be tried for ever.
    throw optionError('iouCrop', 'overlaps', overlaps, 'IoUs with a 1 among them, for no crop');
  }
  checkSide('iouCrop', 'trials', trials);

  /** One attempt: the crop and the objects in it, or undefined. */
  const attempt = (draft: Draft, overlap: number, random: RandomSource) => {
    const width = trunc(fround(draft.width * between(scale, random)));
    const height = trunc(fround(draft.height * between(scale, random)));
    const ratio = width / height;
    if (!(ratio >= aspectRatio[0] && ratio <= aspectRatio[1])) return undefined;
    const left = trunc(fround((draft.width - width) * random.next()));
    const top = trunc(fround((draft.height - height) * random.next()));
    if (width === 0 || height === 0) return undefined;
    const within = draft.kept
      .map((_, k) => k)
      .filter((k) => {
        const [x1 = 0, y1 = 0, x2 = 0, y2 = 0] = draft.boxes.subarray(4 * k, 4 * k + 4);
        const x = fround(0.5 * fround(x1 + x2));
        const y = fround(0.5 * fround(y1 + y2));
        return left < x && x < left + width && top < y && y < top + height;
      });
    if (within.length === 0) return undefined;
    const reached = largestIou(draft, within, [left, top, left + width, top + height]);
    // Compared as float32 numbers, which is what torch narrows the bound to.
    return reached < fround(overlap) ? undefined : { left, top, width, height, within };
  };

  return (draft, random) => {
    if (draft.length === 0) return;
    for (;;) {
      const overlap = overlaps[random.integer(overlaps.length)] ?? 1;
      if (overlap >= 1) return;
      for (let trial = 0; trial < trials; trial++) {
        const found = attempt(draft, overlap, random);
        if (!found) continue;
        draft.keep((k) => found.within.includes(k));
        draft.window(found.left, found.top, found.width, found.height);
        return;
      }
    }
  };
}
