import type { NativeTensor } from '../../binding';
import { rejectUnknownOptions } from '../errors';
import { checkList, checkOptions, checkPositive } from '../nn/check';
import type { Tensor } from '../tensor';
import { type Numbers, OperatorCall } from './call';

export interface BoxCoderOptions {
  /**
   * Factors of dx, dy, dw and dh, above 0. Default [1, 1, 1, 1], as the RPN and RetinaNet have; the RoI heads and SSD have
   * [10, 10, 5, 5].
   */
  readonly weights?: readonly [dx: number, dy: number, dw: number, dh: number];
}

function weightsOf(call: OperatorCall, options: BoxCoderOptions): readonly number[] {
  checkOptions(call.where, options);
  rejectUnknownOptions(call.where, options, ['weights']);
  return checkList(call.where, 'weights', options.weights ?? [1, 1, 1, 1], checkPositive, 4);
}

function checkPairs(call: OperatorCall, name: string, values: NativeTensor, boxes: NativeTensor) {
  const [count = 0, boxCount = 0] = [values.shape[0], boxes.shape[0]];
  if (count === boxCount) return;
  throw call.error(`${name} has ${count} rows for ${boxCount} boxes; one of each belong together.`);
}

/**
 * The deltas that turn one box into another, what a detector learns to predict: `dx` and `dy` move the centre in shares of
 * the box's size, `dw` and `dh` are logarithms of the factors its sides grow by. torchvision's `BoxCoder.encode`
 * (https://arxiv.org/abs/1311.2524).
 *
 * @param targets N x 4, xyxy: where to go, for example ground truth
 * @param boxes N x 4, xyxy in the same unit: where from, for example anchors; sides above 0
 * @returns N x 4: dx, dy, dw, dh, times the weights
 * @throws TorchdetError ERR_INVALID_ARGUMENT, ERR_OPTION_VALUE, ERR_OPTION_UNKNOWN
 */
export function encodeBoxes(
  targets: Numbers,
  boxes: Numbers,
  options?: BoxCoderOptions,
): Promise<Float32Array>;
export function encodeBoxes(
  targets: Tensor,
  boxes: Tensor,
  options?: BoxCoderOptions,
): Promise<Tensor>;
export async function encodeBoxes(
  targets: Numbers | Tensor,
  boxes: Numbers | Tensor,
  options: BoxCoderOptions = {},
): Promise<Float32Array | Tensor> {
  const call = new OperatorCall('encodeBoxes');
  const weights = weightsOf(call, options);
  const [to, from] = [call.rows('targets', targets), call.rows('boxes', boxes)];
  checkPairs(call, 'targets', to, from);
  return call.runForNumbers('torchdet::encode_boxes', to, from, weights);
}

/**
 * Boxes moved and scaled by deltas, the reverse of {@link encodeBoxes}. torchvision's `BoxCoder.decode`: `dw` and `dh` are
 * clamped above at log(1000 / 16), so no box grows more than 62.5 times.
 *
 * @param deltas N x 4, or N x 4K: K deltas for each box, as a head with K classes gives
 * @param boxes N x 4, xyxy
 * @returns as many numbers as `deltas` has, xyxy in the boxes' unit
 * @throws TorchdetError ERR_INVALID_ARGUMENT, ERR_OPTION_VALUE, ERR_OPTION_UNKNOWN
 */
export function decodeBoxes(
  deltas: Numbers,
  boxes: Numbers,
  options?: BoxCoderOptions,
): Promise<Float32Array>;
export function decodeBoxes(
  deltas: Tensor,
  boxes: Tensor,
  options?: BoxCoderOptions,
): Promise<Tensor>;
export async function decodeBoxes(
  deltas: Numbers | Tensor,
  boxes: Numbers | Tensor,
  options: BoxCoderOptions = {},
): Promise<Float32Array | Tensor> {
  const call = new OperatorCall('decodeBoxes');
  const weights = weightsOf(call, options);
  const from = call.rows('boxes', boxes);
  const count = from.shape[0] ?? 0;
  const by = call.rows('deltas', deltas, deltasPerBox(call, deltas, count));
  checkPairs(call, 'deltas', by, from);
  return call.runForNumbers('torchdet::decode_boxes', by, from, weights);
}

/** Numbers in a row of `deltas`: a multiple of 4. */
function deltasPerBox(call: OperatorCall, deltas: Numbers | Tensor, count: number): number {
  const columns =
    'shape' in deltas ? (deltas.shape[1] ?? 0) : count === 0 ? 4 : deltas.length / count;
  if (Number.isInteger(columns) && columns % 4 === 0) return columns;
  const given = 'shape' in deltas ? `shape [${deltas.shape.join(', ')}]` : `${deltas.length}`;
  throw call.error(
    `deltas must hold a multiple of 4 numbers for each of the ${count} boxes, got ${given}.`,
  );
}
