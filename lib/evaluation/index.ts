/** How good detections are: COCO's figures, curves and confusion. */
export { CocoEvaluator } from './coco-evaluator';
export type { CocoEvaluation, CocoEvaluatorOptions, ConfusionOptions } from './coco-evaluator';
export { Confusion } from './confusion';
export type { ClassConfusion, ImageErrors } from './confusion';
export { KindEvaluation } from './figures';
export type { BoxFigures, ClassCounts, KeypointFigures, PrecisionRecallCurve } from './figures';
export type {
  Detections,
  EvaluatedCategory,
  EvaluationCallOptions,
  EvaluationKind,
  EvaluationProgress,
  GroundTruth,
} from './types';
