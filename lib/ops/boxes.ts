import { checkChoice } from '../nn/check';
import type { Tensor } from '../tensor';
import { type Numbers, OperatorCall } from './call';

/** xyxy: two corners. xywh: the upper left corner, width and height (COCO's). cxcywh: centre, width and height. */
export type BoxFormat = 'xyxy' | 'xywh' | 'cxcywh';

const FORMATS: readonly BoxFormat[] = ['xyxy', 'xywh', 'cxcywh'];

/**
 * Area of each box, negative or zero where corners are swapped or equal. torchvision's `ops.box_area`.
 *
 * @param boxes N x 4, xyxy
 * @returns N, in squares of the boxes' unit
 * @throws TorchdetError ERR_INVALID_ARGUMENT
 */
export function boxArea(boxes: Numbers): Promise<Float32Array>;
export function boxArea(boxes: Tensor): Promise<Tensor>;
export async function boxArea(boxes: Numbers | Tensor): Promise<Float32Array | Tensor> {
  const call = new OperatorCall('boxArea');
  return call.runForNumbers('torchdet::box_area', call.rows('boxes', boxes));
}

/**
 * Intersection over union of every pair, 0 to 1; NaN for two boxes without area. torchvision's `ops.box_iou`.
 *
 * @param boxes1 N x 4, xyxy
 * @param boxes2 M x 4, xyxy in the same unit
 * @returns N x M, row by row
 * @throws TorchdetError ERR_INVALID_ARGUMENT
 */
export function boxIou(boxes1: Numbers, boxes2: Numbers): Promise<Float32Array>;
export function boxIou(boxes1: Tensor, boxes2: Tensor): Promise<Tensor>;
export async function boxIou(
  boxes1: Numbers | Tensor,
  boxes2: Numbers | Tensor,
): Promise<Float32Array | Tensor> {
  const call = new OperatorCall('boxIou');
  const [rows, columns] = [call.rows('boxes1', boxes1), call.rows('boxes2', boxes2)];
  return call.runForNumbers('torchdet::box_iou', rows, columns);
}

/**
 * Generalized intersection over union of every pair, -1 to 1: {@link boxIou} less the share of the smallest enclosing box that
 * neither covers (https://arxiv.org/abs/1902.09630). torchvision's `ops.generalized_box_iou`.
 *
 * @param boxes1 N x 4, xyxy
 * @param boxes2 M x 4, xyxy in the same unit
 * @returns N x M, row by row
 * @throws TorchdetError ERR_INVALID_ARGUMENT
 */
export function generalizedBoxIou(boxes1: Numbers, boxes2: Numbers): Promise<Float32Array>;
export function generalizedBoxIou(boxes1: Tensor, boxes2: Tensor): Promise<Tensor>;
export async function generalizedBoxIou(
  boxes1: Numbers | Tensor,
  boxes2: Numbers | Tensor,
): Promise<Float32Array | Tensor> {
  const call = new OperatorCall('generalizedBoxIou');
  const [rows, columns] = [call.rows('boxes1', boxes1), call.rows('boxes2', boxes2)];
  return call.runForNumbers('torchdet::generalized_box_iou', rows, columns);
}

/**
 * Boxes in another format. torchvision's `ops.box_convert`.
 *
 * @param boxes N x 4 in the format `from`
 * @returns N x 4 in the format `to`
 * @throws TorchdetError ERR_INVALID_ARGUMENT; ERR_OPTION_VALUE for a format that is none of the three
 */
export function boxConvert(boxes: Numbers, from: BoxFormat, to: BoxFormat): Promise<Float32Array>;
export function boxConvert(boxes: Tensor, from: BoxFormat, to: BoxFormat): Promise<Tensor>;
export async function boxConvert(
  boxes: Numbers | Tensor,
  from: BoxFormat,
  to: BoxFormat,
): Promise<Float32Array | Tensor> {
  const call = new OperatorCall('boxConvert');
  const rows = call.rows('boxes', boxes);
  checkChoice(call.where, 'from', from, FORMATS);
  checkChoice(call.where, 'to', to, FORMATS);
  return call.runForNumbers('torchdet::box_convert', rows, from, to);
}

/**
 * Boxes cut to an image: x to 0..width, y to 0..height. torchvision's `ops.clip_boxes_to_image`.
 *
 * @param boxes N x 4, xyxy in pixels
 * @param imageSize [height, width] in pixels
 * @returns N x 4
 * @throws TorchdetError ERR_INVALID_ARGUMENT
 */
export function clipBoxes(
  boxes: Numbers,
  imageSize: readonly [height: number, width: number],
): Promise<Float32Array>;
export function clipBoxes(
  boxes: Tensor,
  imageSize: readonly [height: number, width: number],
): Promise<Tensor>;
export async function clipBoxes(
  boxes: Numbers | Tensor,
  imageSize: readonly [height: number, width: number],
): Promise<Float32Array | Tensor> {
  const call = new OperatorCall('clipBoxes');
  const rows = call.rows('boxes', boxes);
  const height = call.integer('imageSize[0]', imageSize[0], 0);
  const width = call.integer('imageSize[1]', imageSize[1], 0);
  return call.runForNumbers('torchdet::clip_boxes', rows, height, width);
}

/**
 * Which boxes are large enough: both sides at least `minSize`; boxes with NaN are not. torchvision's
 * `ops.remove_small_boxes`.
 *
 * @param boxes N x 4, xyxy
 * @param minSize in the boxes' unit. torchvision's RPN uses 1e-3 pixels, its RoI heads 1e-2
 * @returns indices of the boxes to keep, ascending: Int32Array, or an int64 Tensor where a Tensor was given
 * @throws TorchdetError ERR_INVALID_ARGUMENT
 */
export function removeSmallBoxes(boxes: Numbers, minSize: number): Promise<Int32Array>;
export function removeSmallBoxes(boxes: Tensor, minSize: number): Promise<Tensor>;
export async function removeSmallBoxes(
  boxes: Numbers | Tensor,
  minSize: number,
): Promise<Int32Array | Tensor> {
  const call = new OperatorCall('removeSmallBoxes');
  const rows = call.rows('boxes', boxes);
  const side = call.number('minSize', minSize, 0, Infinity);
  return call.runForIntegers('torchdet::large_boxes', rows, side);
}
