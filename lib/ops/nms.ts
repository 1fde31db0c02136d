import type { Tensor } from '../tensor';
import { type Integers, type Numbers, OperatorCall } from './call';

/**
 * Non-maximum suppression: goes through the boxes from the highest score down and keeps each that overlaps no kept one by
 * more than the threshold. torchvision's `ops.nms`; equal scores keep their order.
 *
 * @param boxes N x 4, xyxy in any unit
 * @param scores N, any range
 * @param iouThreshold 0 to 1; boxes whose intersection over union with a kept box is strictly above are dropped
 * @returns indices of the kept boxes, best first: Int32Array, or an int64 Tensor where Tensors were given
 * @throws TorchdetError ERR_INVALID_ARGUMENT where lengths, shapes or the threshold do not fit
 */
export function nms(boxes: Numbers, scores: Numbers, iouThreshold: number): Promise<Int32Array>;
export function nms(boxes: Tensor, scores: Tensor, iouThreshold: number): Promise<Tensor>;
export async function nms(
  boxes: Numbers | Tensor,
  scores: Numbers | Tensor,
  iouThreshold: number,
): Promise<Int32Array | Tensor> {
  const call = new OperatorCall('nms');
  const rows = call.rows('boxes', boxes);
  const values = call.numbers('scores', scores, rows.shape[0] ?? 0);
  const threshold = call.number('iouThreshold', iouThreshold, 0, 1);
  return call.runForIntegers('torchvision::nms', rows, values, threshold);
}

/**
 * {@link nms} among boxes of equal label; boxes of different labels do not suppress each other. torchvision's
 * `ops.batched_nms`, with its two ways of computing it: up to 1000 boxes on the CPU (25,000 on CUDA) labels are moved apart by
 * an offset, whose rounding can decide a box at the very threshold; beyond that label by label.
 *
 * @param boxes N x 4, xyxy in any unit
 * @param scores N, any range
 * @param labels N: class of each box, or its pyramid level
 * @param iouThreshold 0 to 1
 * @returns indices of the kept boxes, best first: Int32Array, or an int64 Tensor where Tensors were given
 * @throws TorchdetError ERR_INVALID_ARGUMENT where lengths, shapes or the threshold do not fit
 */
export function batchedNms(
  boxes: Numbers,
  scores: Numbers,
  labels: Integers,
  iouThreshold: number,
): Promise<Int32Array>;
export function batchedNms(
  boxes: Tensor,
  scores: Tensor,
  labels: Tensor,
  iouThreshold: number,
): Promise<Tensor>;
export async function batchedNms(
  boxes: Numbers | Tensor,
  scores: Numbers | Tensor,
  labels: Integers | Tensor,
  iouThreshold: number,
): Promise<Int32Array | Tensor> {
  const call = new OperatorCall('batchedNms');
  const rows = call.rows('boxes', boxes);
  const count = rows.shape[0] ?? 0;
  const values = call.numbers('scores', scores, count);
  const groups = call.integers('labels', labels, count);
  const threshold = call.number('iouThreshold', iouThreshold, 0, 1);
  return call.runForIntegers('torchdet::batched_nms', rows, values, groups, threshold);
}
