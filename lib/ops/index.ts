/**
 * The pieces detectors are made of, each usable alone: torchvision's operators, anchors, box coder, matcher and sampler, on the
 * C++ that the detectors run.
 *
 * Lists of boxes, scores and labels go in as typed arrays (or short plain ones) or as Tensors, and results come back in the
 * same kind. Feature maps are Tensors, and so is what is pooled from them. The work runs off the event loop, on the device the
 * Tensors are on; do not write to what was handed in before the promise settles.
 */
export { cellAnchors, defaultBoxes, gridAnchors } from './anchors';
export type { DefaultBoxesOptions, GridAnchorOptions } from './anchors';
export { decodeBoxes, encodeBoxes } from './box-coder';
export type { BoxCoderOptions } from './box-coder';
export {
  boxArea,
  boxConvert,
  boxIou,
  clipBoxes,
  generalizedBoxIou,
  removeSmallBoxes,
} from './boxes';
export type { BoxFormat } from './boxes';
export type { Integers, Numbers } from './call';
export { deformConv2d } from './deform-conv';
export type { DeformConv2dOptions } from './deform-conv';
export {
  BELOW_LOW_THRESHOLD,
  BETWEEN_THRESHOLDS,
  matchBoxes,
  matchDefaultBoxes,
  matchQuality,
} from './matcher';
export type { DefaultBoxMatchOptions, MatchOptions } from './matcher';
export { batchedNms, nms } from './nms';
export { assignLevels, multiScaleRoiAlign, psRoiAlign, psRoiPool, roiAlign, roiPool } from './roi';
export type {
  LevelOptions,
  MultiScaleRoiAlignOptions,
  PsRoiAlignOptions,
  RegionsOfInterest,
  RoiAlignOptions,
  RoiPoolOptions,
} from './roi';
export { balancedPositiveNegative } from './sampler';
export type { Sampled, SamplerOptions } from './sampler';
export { takeRows } from './take-rows';
