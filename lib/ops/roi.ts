import type { NativeTensor } from '../../binding';
import { rejectUnknownOptions } from '../errors';
import {
  checkBoolean,
  checkChoice,
  checkInteger,
  checkList,
  checkNumber,
  checkOptions,
  checkPositive,
} from '../nn/check';
import { pair } from '../nn/conv-arguments';
import { Tensor } from '../tensor';
import { type Numbers, OperatorCall, type Operators } from './call';

/**
 * Regions of interest in pixels of the images: for each image of the batch its boxes (N x 4, xyxy), or one tensor K x 5 whose
 * rows are the image's index and a box.
 */
export type RegionsOfInterest = readonly (Numbers | Tensor)[] | Tensor;

export interface RoiPoolOptions {
  /** Cells of what comes out: one number or [height, width], at least 1. */
  readonly outputSize: number | readonly [height: number, width: number];
  /** Size of the map / size of the image, above 0: 1 / stride. Default 1: boxes in cells of the map. */
  readonly spatialScale?: number;
}

export interface PsRoiAlignOptions extends RoiPoolOptions {
  /** Sampling points per cell and axis; -1, the default: as many as the region's size asks for. */
  readonly samplingRatio?: number;
}

export interface RoiAlignOptions extends PsRoiAlignOptions {
  /**
   * true moves the regions by half a pixel, so that they are aligned with the pixels' centres; false, the default and what
   * torchvision's detectors use, does not, and treats regions as at least one cell wide and high.
   */
  readonly aligned?: boolean;
}

export interface MultiScaleRoiAlignOptions {
  /** Stride of each map in pixels of the image, finest first. */
  readonly strides: readonly number[];
  /** Cells of what comes out: one number or [height, width], at least 1. */
  readonly outputSize: number | readonly [height: number, width: number];
  /** Sampling points per cell and axis; -1: as many as the region's size asks for. Default 2. */
  readonly samplingRatio?: number;
  /** Side in pixels of the box that belongs to `canonicalLevel`. Default 224. */
  readonly canonicalScale?: number;
  /** Default 4, stride 16. */
  readonly canonicalLevel?: number;
  /**
   * What a region gets whose level has no map because the strides leave it out: `nearest`, the default, pools it from the next
   * finer map; `zeros` does what torchvision does.
   */
  readonly missingLevels?: 'nearest' | 'zeros';
}

export type LevelOptions = Pick<
  MultiScaleRoiAlignOptions,
  'strides' | 'canonicalScale' | 'canonicalLevel'
>;

interface Pooling {
  readonly size: readonly [number, number];
  readonly scale: number;
}

const POOL_OPTIONS = ['outputSize', 'spatialScale'];
const LEVEL_OPTIONS = ['strides', 'canonicalScale', 'canonicalLevel'];

function pooling(where: string, options: RoiPoolOptions, others: readonly string[]): Pooling {
  checkOptions(where, options);
  rejectUnknownOptions(where, options, [...POOL_OPTIONS, ...others]);
  const scale = checkPositive(where, 'spatialScale', options.spatialScale ?? 1);
  return { size: pair(where, 'outputSize', options.outputSize, 1), scale };
}

function samplingRatio(where: string, value: number): number {
  return checkInteger(where, 'samplingRatio', value, -1);
}

/** Lists of boxes, one for each image. */
function lists(call: OperatorCall, boxes: readonly (Numbers | Tensor)[]): NativeTensor[] {
  if (!Array.isArray(boxes) || typeof boxes[0] === 'number') {
    throw call.error('boxes must be a list with the boxes of each image; for one image [boxes].');
  }
  return (boxes as readonly (Numbers | Tensor)[]).map((image, i) =>
    call.boxesOfMaps(`boxes[${i}]`, image),
  );
}

/** How to get K x 5 from either form of regions; what can be wrong is found before anything runs. */
function regions(
  call: OperatorCall,
  boxes: RegionsOfInterest,
  images: number,
): (operators: Operators) => Promise<NativeTensor> {
  if (boxes instanceof Tensor) {
    const joined = call.boxesOfMaps('boxes', boxes, 5);
    return () => Promise.resolve(joined);
  }
  const perImage = lists(call, boxes);
  checkImages(call, perImage, images);
  return async ({ call: operator }) =>
    (await operator('torchdet::join_boxes', perImage)) as NativeTensor;
}

function checkImages(call: OperatorCall, boxes: readonly NativeTensor[], images: number): void {
  if (boxes.length === images) return;
  throw call.error(`boxes are for ${boxes.length} images, the map is for ${images}.`);
}

const featureMap = (call: OperatorCall, name: string, map: Tensor) =>
  call.tensor(name, map, 4, '[images, channels, height, width]');

/** One pooling operator; those with two results give the pooled features first. */
function pool(
  call: OperatorCall,
  operator: string,
  features: Tensor,
  boxes: RegionsOfInterest,
  { size, scale }: Pooling,
  ...rest: (number | boolean)[]
): Promise<Tensor> {
  const map = featureMap(call, 'features', features);
  const rois = regions(call, boxes, map.shape[0] ?? 0);
  return call.run(async (operators) => {
    const result = await operators.call(
      operator,
      map,
      await rois(operators),
      scale,
      ...size,
      ...rest,
    );
    return new Tensor((Array.isArray(result) ? result[0] : result) as NativeTensor);
  });
}

/**
 * RoIAlign: what a region of a feature map holds, by bilinear interpolation at regular points, as a map of fixed size.
 * torchvision's `ops.roi_align` (https://arxiv.org/abs/1703.06870).
 *
 * @param features N x C x H x W, floating point
 * @param boxes of the same dtype where they are tensors
 * @returns K x C x height x width, region by region, image by image
 * @throws TorchdetError ERR_INVALID_ARGUMENT, ERR_OPTION_VALUE, ERR_OPTION_UNKNOWN
 */
export async function roiAlign(
  features: Tensor,
  boxes: RegionsOfInterest,
  options: RoiAlignOptions,
): Promise<Tensor> {
  const call = new OperatorCall('roiAlign');
  const how = pooling(call.where, options, ['samplingRatio', 'aligned']);
  const ratio = samplingRatio(call.where, options.samplingRatio ?? -1);
  const aligned = checkBoolean(call.where, 'aligned', options.aligned ?? false);
  return pool(call, 'torchvision::roi_align', features, boxes, how, ratio, aligned);
}

/**
 * RoIPool, {@link roiAlign}'s forerunner: regions are rounded to whole cells, of which each cell of the result takes the
 * largest. torchvision's `ops.roi_pool` (https://arxiv.org/abs/1504.08083).
 *
 * @param features N x C x H x W, floating point
 * @returns K x C x height x width
 * @throws TorchdetError ERR_INVALID_ARGUMENT, ERR_OPTION_VALUE, ERR_OPTION_UNKNOWN
 */
export async function roiPool(
  features: Tensor,
  boxes: RegionsOfInterest,
  options: RoiPoolOptions,
): Promise<Tensor> {
  const call = new OperatorCall('roiPool');
  const how = pooling(call.where, options, []);
  return pool(call, 'torchvision::roi_pool', features, boxes, how);
}

/**
 * Position-sensitive RoIAlign: each cell of the result reads channels of its own. torchvision's `ops.ps_roi_align`
 * (https://arxiv.org/abs/1711.07264).
 *
 * @param features N x (C * height * width) x H x W, floating point
 * @returns K x C x height x width
 * @throws TorchdetError ERR_INVALID_ARGUMENT, ERR_OPTION_VALUE, ERR_OPTION_UNKNOWN; ERR_NATIVE where the channels are no
 *   multiple of height * width
 */
export async function psRoiAlign(
  features: Tensor,
  boxes: RegionsOfInterest,
  options: PsRoiAlignOptions,
): Promise<Tensor> {
  const call = new OperatorCall('psRoiAlign');
  const how = pooling(call.where, options, ['samplingRatio']);
  const ratio = samplingRatio(call.where, options.samplingRatio ?? -1);
  return pool(call, 'torchvision::ps_roi_align', features, boxes, how, ratio);
}

/**
 * Position-sensitive RoIPool, averaging instead of taking the largest. torchvision's `ops.ps_roi_pool`
 * (R-FCN, https://arxiv.org/abs/1605.06409).
 *
 * @param features N x (C * height * width) x H x W, floating point
 * @returns K x C x height x width
 * @throws TorchdetError ERR_INVALID_ARGUMENT, ERR_OPTION_VALUE, ERR_OPTION_UNKNOWN; ERR_NATIVE where the channels are no
 *   multiple of height * width
 */
export async function psRoiPool(
  features: Tensor,
  boxes: RegionsOfInterest,
  options: RoiPoolOptions,
): Promise<Tensor> {
  const call = new OperatorCall('psRoiPool');
  const how = pooling(call.where, options, []);
  return pool(call, 'torchvision::ps_roi_pool', features, boxes, how);
}

function levels(where: string, options: LevelOptions): [readonly number[], number, number] {
  return [
    checkList(where, 'strides', options.strides, checkPositive),
    checkPositive(where, 'canonicalScale', options.canonicalScale ?? 224),
    checkNumber(where, 'canonicalLevel', options.canonicalLevel ?? 4),
  ];
}

/**
 * The level of a feature pyramid each box is pooled from: floor(canonicalLevel + log2(sqrt(area) / canonicalScale)) within the
 * levels there are, so that regions of all sizes cover about as many cells. torchvision's `LevelMapper`
 * (https://arxiv.org/abs/1612.03144, equation 1).
 *
 * @param boxes N x 4, xyxy in pixels of the image, x1 <= x2 and y1 <= y2
 * @returns N, counted from the first stride's level. Where strides are not each twice the one before, levels are still counted
 *   by twos: with strides 4 and 16 they are 0 to 2
 * @throws TorchdetError ERR_INVALID_ARGUMENT, ERR_OPTION_VALUE, ERR_OPTION_UNKNOWN
 */
export function assignLevels(boxes: Numbers, options: LevelOptions): Promise<Int32Array>;
export function assignLevels(boxes: Tensor, options: LevelOptions): Promise<Tensor>;
export async function assignLevels(
  boxes: Numbers | Tensor,
  options: LevelOptions,
): Promise<Int32Array | Tensor> {
  const call = new OperatorCall('assignLevels');
  checkOptions(call.where, options);
  rejectUnknownOptions(call.where, options, LEVEL_OPTIONS);
  const how = levels(call.where, options);
  return call.runForIntegers('torchdet::assign_levels', call.rows('boxes', boxes), ...how);
}

/**
 * {@link roiAlign} over a feature pyramid, each box from the map that {@link assignLevels} gives it. torchvision's
 * `MultiScaleRoIAlign`, with strides stated rather than guessed from the first image.
 *
 * @param maps one N x C x H x W for each stride, finest first
 * @param boxes for each image N x 4, xyxy in pixels
 * @returns K x C x height x width, image by image, in the order of the boxes
 * @throws TorchdetError ERR_INVALID_ARGUMENT, ERR_OPTION_VALUE, ERR_OPTION_UNKNOWN
 */
export async function multiScaleRoiAlign(
  maps: readonly Tensor[],
  boxes: readonly (Numbers | Tensor)[],
  options: MultiScaleRoiAlignOptions,
): Promise<Tensor> {
  const call = new OperatorCall('multiScaleRoiAlign');
  const { where } = call;
  checkOptions(where, options);
  const others = ['outputSize', 'samplingRatio', 'missingLevels'];
  rejectUnknownOptions(where, options, [...LEVEL_OPTIONS, ...others]);
  const [strides, ...canonical] = levels(where, options);
  const size = pair(where, 'outputSize', options.outputSize, 1);
  const ratio = samplingRatio(where, options.samplingRatio ?? 2);
  const missing = options.missingLevels ?? 'nearest';
  const nearest = checkChoice(where, 'missingLevels', missing, ['nearest', 'zeros']) === 'nearest';
  if (!Array.isArray(maps) || maps.length !== strides.length) {
    throw call.error(
      `maps must be a list with one tensor for each of the ${strides.length} strides.`,
    );
  }
  const pyramid = (maps as readonly Tensor[]).map((map, i) => featureMap(call, `maps[${i}]`, map));
  const perImage = lists(call, boxes);
  checkImages(call, perImage, pyramid[0]?.shape[0] ?? 0);
  const how = [...size, ratio, ...canonical, nearest] as const;
  return call.runForTensor('torchdet::pool_rois', pyramid, perImage, strides, ...how);
}
