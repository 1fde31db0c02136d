import { rejectUnknownOptions } from '../errors';
import { checkBoolean, checkInteger, checkList, checkOptions, checkPositive } from '../nn/check';
import { OperatorCall } from './call';

/** [height, width]. */
type Size = readonly [height: number, width: number];

/** Anchors of a feature pyramid, as torchvision's AnchorGenerator takes them. */
export interface GridAnchorOptions {
  /** One list per feature level: sides of square anchors in pixels, above 0. */
  readonly sizes: readonly (readonly number[])[];
  /** Height / width, above 0: one list per level, or one plain list for all. Default [0.5, 1, 2]. */
  readonly aspectRatios?: readonly number[] | readonly (readonly number[])[];
}

/**
 * The anchors of one cell, centred on 0: for each aspect ratio every size, with sides rounded half to even as torch does.
 * torchvision's `AnchorGenerator.generate_anchors`.
 *
 * @param sizes sides of square anchors in pixels, above 0
 * @param aspectRatios height / width, above 0; the area stays that of the square
 * @returns (ratios x sizes) x 4, xyxy in pixels
 * @throws TorchdetError ERR_OPTION_VALUE
 */
export async function cellAnchors(
  sizes: readonly number[],
  aspectRatios: readonly number[],
): Promise<Float32Array> {
  const call = new OperatorCall('cellAnchors');
  const sides = checkList(call.where, 'sizes', sizes, checkPositive);
  const ratios = checkList(call.where, 'aspectRatios', aspectRatios, checkPositive);
  return call.runForArray('torchdet::cell_anchors', sides, ratios);
}

/**
 * The anchors of an image: {@link cellAnchors} of each level at each place of its feature map, `stride = image size / map
 * size` (rounded down) pixels apart, beginning on the upper left corner. Level by level, row by row, place by place: the order
 * in which {@link https://arxiv.org/abs/1506.01497 | the RPN's} outputs are flattened. torchvision's `AnchorGenerator`.
 *
 * @param gridSizes [height, width] of each level's feature map
 * @param imageSize [height, width] of the padded image in pixels
 * @returns S x 4, xyxy in pixels, some reaching beyond the image
 * @throws TorchdetError ERR_INVALID_ARGUMENT where sizes, ratios and maps are not for equally many levels; ERR_OPTION_VALUE,
 *   ERR_OPTION_UNKNOWN
 */
export async function gridAnchors(
  options: GridAnchorOptions,
  gridSizes: readonly Size[],
  imageSize: Size,
): Promise<Float32Array> {
  const call = new OperatorCall('gridAnchors');
  const { where } = call;
  checkOptions(where, options);
  rejectUnknownOptions(where, options, ['sizes', 'aspectRatios']);
  const numbers = (place: string, option: string, value: unknown) =>
    checkList(place, option, value, checkPositive);
  const sizes = checkList(where, 'sizes', options.sizes, numbers);
  const ratios: readonly unknown[] = options.aspectRatios ?? [0.5, 1, 2];
  const perLevel = Array.isArray(ratios[0]) ? ratios : sizes.map(() => ratios);
  const aspectRatios = checkList(where, 'aspectRatios', perLevel, numbers);
  const grids = checkList(where, 'gridSizes', gridSizes, checkSize);
  if (aspectRatios.length !== sizes.length || grids.length !== sizes.length) {
    throw call.error(
      `sizes are for ${sizes.length} levels, aspectRatios for ${aspectRatios.length}, and there are ${grids.length} gridSizes; give as many of each.`,
    );
  }
  const [height, width] = checkSize(where, 'imageSize', imageSize);
  const heights = grids.map(([gridHeight]) => gridHeight);
  const widths = grids.map(([, gridWidth]) => gridWidth);
  const maps = [sizes, aspectRatios, heights, widths] as const;
  return call.runForArray('torchdet::grid_anchors', ...maps, height, width);
}

/** Default boxes of SSD, as torchvision's DefaultBoxGenerator takes them. */
export interface DefaultBoxesOptions {
  /** One list per feature level, which may be empty: each ratio r gives a box of r and one of 1/r, beside two squares. */
  readonly aspectRatios: readonly (readonly number[])[];
  /**
   * Sides of each level's squares as shares of the image, one more than there are levels: a level's second square has the
   * geometric mean of its scale and the next. SSD300 has [0.07, 0.15, 0.33, 0.51, 0.69, 0.87, 1.05].
   */
  readonly scales: readonly number[];
  /** Pixels per cell of each level, for the boxes' centres. Default null: the image's size over the map's. */
  readonly steps?: readonly number[] | null;
  /** Whether widths and heights are cut to the image's. Default true. */
  readonly clip?: boolean;
}

/**
 * SSD's default boxes of an image, centred on the cells: level by level, row by row, cell by cell. torchvision's
 * `DefaultBoxGenerator` (https://arxiv.org/abs/1512.02325).
 *
 * @param gridSizes [height, width] of each level's feature map
 * @param imageSize [height, width] of the image in pixels
 * @returns S x 4, xyxy in pixels
 * @throws TorchdetError ERR_INVALID_ARGUMENT where the lists are not for equally many levels; ERR_OPTION_VALUE,
 *   ERR_OPTION_UNKNOWN
 */
export async function defaultBoxes(
  options: DefaultBoxesOptions,
  gridSizes: readonly Size[],
  imageSize: Size,
): Promise<Float32Array> {
  const call = new OperatorCall('defaultBoxes');
  const { where } = call;
  checkOptions(where, options);
  rejectUnknownOptions(where, options, ['aspectRatios', 'scales', 'steps', 'clip']);
  const ratios = checkList(where, 'aspectRatios', options.aspectRatios, checkRatios);
  const scales = checkList(where, 'scales', options.scales, checkPositive, ratios.length + 1);
  const steps = options.steps
    ? checkList(where, 'steps', options.steps, checkPositive, ratios.length)
    : null;
  const clip = checkBoolean(where, 'clip', options.clip ?? true);
  const grids = checkList(where, 'gridSizes', gridSizes, checkSize, ratios.length);
  const [height, width] = checkSize(where, 'imageSize', imageSize);
  return call.runForArray(
    'torchdet::default_boxes',
    ...[ratios, scales, steps, clip],
    grids.map(([gridHeight]) => gridHeight),
    grids.map(([, gridWidth]) => gridWidth),
    height,
    width,
  );
}

/** Unlike other lists, a level's ratios may be none. */
function checkRatios(where: string, option: string, value: unknown): readonly number[] {
  return Array.isArray(value) && value.length === 0
    ? []
    : checkList(where, option, value, checkPositive);
}

function checkSize(where: string, option: string, value: unknown): readonly [number, number] {
  const sides = checkList(
    where,
    option,
    value,
    (place, name, side) => checkInteger(place, name, side, 1),
    2,
  );
  return [sides[0] ?? 0, sides[1] ?? 0];
}
