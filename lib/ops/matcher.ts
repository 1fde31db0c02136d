import { optionError, rejectUnknownOptions } from '../errors';
import { checkBoolean, checkNumber, checkOptions } from '../nn/check';
import type { Tensor } from '../tensor';
import { type Numbers, OperatorCall } from './call';

/** Stands for a match where an anchor overlaps too little: background. */
export const BELOW_LOW_THRESHOLD = -1;
/** Stands for a match where an anchor overlaps neither enough nor too little: left out of the loss. */
export const BETWEEN_THRESHOLDS = -2;

/** torchvision's Matcher. */
export interface MatchOptions {
  /** Quality from which an anchor is matched. RPN 0.7, RoI heads 0.5, RetinaNet 0.5. */
  readonly highThreshold: number;
  /** Quality below which it is background; at most `highThreshold`. RPN 0.3, RoI heads 0.5, RetinaNet 0.4. */
  readonly lowThreshold: number;
  /**
   * A ground-truth box whose best anchor stays below the thresholds gets it all the same, and every anchor that overlaps it as
   * much; each is matched to the anchor's own best box, which may be another one. RPN and RetinaNet true. Default false.
   */
  readonly allowLowQualityMatches?: boolean;
}

/** torchvision's SSDMatcher. */
export interface DefaultBoxMatchOptions {
  /** Intersection over union from which a default box is matched. Default 0.5. */
  readonly threshold?: number;
}

function rule(where: string, options: MatchOptions): [number, number, boolean] {
  checkOptions(where, options);
  rejectUnknownOptions(where, options, ['highThreshold', 'lowThreshold', 'allowLowQualityMatches']);
  const { highThreshold, lowThreshold, allowLowQualityMatches = false } = options;
  const high = checkNumber(where, 'highThreshold', highThreshold);
  const low = checkNumber(where, 'lowThreshold', lowThreshold);
  if (low > high) {
    throw optionError(where, 'lowThreshold', low, `at most highThreshold, which is ${high}`);
  }
  return [high, low, checkBoolean(where, 'allowLowQualityMatches', allowLowQualityMatches)];
}

/**
 * Which ground-truth box each anchor is trained towards: the one it overlaps most, where by enough. torchvision's `Matcher` on
 * `box_iou(groundTruth, anchors)`, without making that matrix. Without ground truth every anchor is background
 * (torchvision raises an error there and treats such images before).
 *
 * @param groundTruth G x 4, xyxy
 * @param anchors A x 4, xyxy in the same unit: anchors or proposals
 * @returns A: index into `groundTruth`, or {@link BELOW_LOW_THRESHOLD} or {@link BETWEEN_THRESHOLDS}
 * @throws TorchdetError ERR_INVALID_ARGUMENT, ERR_OPTION_VALUE, ERR_OPTION_UNKNOWN
 */
export function matchBoxes(
  groundTruth: Numbers,
  anchors: Numbers,
  options: MatchOptions,
): Promise<Int32Array>;
export function matchBoxes(
  groundTruth: Tensor,
  anchors: Tensor,
  options: MatchOptions,
): Promise<Tensor>;
export async function matchBoxes(
  groundTruth: Numbers | Tensor,
  anchors: Numbers | Tensor,
  options: MatchOptions,
): Promise<Int32Array | Tensor> {
  const call = new OperatorCall('matchBoxes');
  const thresholds = rule(call.where, options);
  const [truth, boxes] = [call.rows('groundTruth', groundTruth), call.rows('anchors', anchors)];
  return call.runForIntegers('torchdet::match_boxes', truth, boxes, ...thresholds);
}

/**
 * {@link matchBoxes} on a measure of one's own: torchvision's `Matcher`.
 *
 * @param quality G x A: how well each ground-truth box and anchor fit, the higher the better
 * @returns A, int64: as {@link matchBoxes}
 * @throws TorchdetError ERR_INVALID_ARGUMENT, ERR_OPTION_VALUE, ERR_OPTION_UNKNOWN
 */
export async function matchQuality(quality: Tensor, options: MatchOptions): Promise<Tensor> {
  const call = new OperatorCall('matchQuality');
  const thresholds = rule(call.where, options);
  const matrix = call.tensor('quality', quality, 2, '[ground truth, anchors]');
  return call.runForTensor('torchdet::match_quality', matrix, ...thresholds);
}

/**
 * Which ground-truth box each default box of SSD is trained towards: as {@link matchBoxes} with one threshold, and every
 * ground-truth box gets its best default box, whatever the overlap; where two want the same, the later one. torchvision's
 * `SSDMatcher` (https://arxiv.org/abs/1512.02325).
 *
 * @param groundTruth G x 4, xyxy
 * @param defaultBoxes A x 4, xyxy in the same unit
 * @returns A: index into `groundTruth`, or {@link BELOW_LOW_THRESHOLD}
 * @throws TorchdetError ERR_INVALID_ARGUMENT, ERR_OPTION_VALUE, ERR_OPTION_UNKNOWN
 */
export function matchDefaultBoxes(
  groundTruth: Numbers,
  defaultBoxes: Numbers,
  options?: DefaultBoxMatchOptions,
): Promise<Int32Array>;
export function matchDefaultBoxes(
  groundTruth: Tensor,
  defaultBoxes: Tensor,
  options?: DefaultBoxMatchOptions,
): Promise<Tensor>;
export async function matchDefaultBoxes(
  groundTruth: Numbers | Tensor,
  defaultBoxes: Numbers | Tensor,
  options: DefaultBoxMatchOptions = {},
): Promise<Int32Array | Tensor> {
  const call = new OperatorCall('matchDefaultBoxes');
  checkOptions(call.where, options);
  rejectUnknownOptions(call.where, options, ['threshold']);
  const threshold = checkNumber(call.where, 'threshold', options.threshold ?? 0.5);
  const truth = call.rows('groundTruth', groundTruth);
  const boxes = call.rows('defaultBoxes', defaultBoxes);
  return call.runForIntegers('torchdet::match_default_boxes', truth, boxes, threshold);
}
