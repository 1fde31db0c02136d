/** What goes into an evaluation. */
import type { Rle, UncompressedRle } from '../detection/rle';

/** How detections are compared with what is marked: by boxes, by masks, or by keypoints. COCO's `iouType`. */
export type EvaluationKind = 'bbox' | 'segm' | 'keypoints';

/** A class that is evaluated. */
export interface EvaluatedCategory {
  /** The number it has in labels. */
  readonly label: number;
  readonly name: string;
}

/** What is marked in one image: N objects. An entry of a data set fits. */
export interface GroundTruth {
  /** N x 4: x1, y1, x2, y2 in pixels. Compared in float64; of a Float32Array, width and height are rounded to float32. */
  readonly boxes: ArrayLike<number>;
  /** N labels, all among the evaluator's categories. */
  readonly labels: ArrayLike<number>;
  /** N areas in square pixels, which decide what is small, medium and large. Default: the mask's, else the box's. */
  readonly areas?: ArrayLike<number>;
  /** N times 0 or 1: a region of many objects; detections within it count neither as right nor as wrong. COCO's `iscrowd`. */
  readonly crowd?: ArrayLike<number>;
  /** N times 0 or 1: need not be found; a detection of it counts neither as right nor as wrong. VOC's `difficult`. */
  readonly difficult?: ArrayLike<number>;
  /** N masks of the image's size, for kind `segm`; objects without one need not be found. */
  readonly masks?: readonly (Rle | UncompressedRle | undefined)[];
  /** N x K x 3: x, y in pixels and visibility, for kind `keypoints`; objects without a visible one need not be found. */
  readonly keypoints?: ArrayLike<number>;
  /**
   * Labels that are marked exhaustively in this image; absent: all. Detections of others are right where they match an
   * object and ignored where they do not.
   */
  readonly labelledClasses?: readonly number[];
}

/** What was detected in one image, in any order. A `DetectionResult` fits too. */
export interface Detections {
  /** N x 4: x1, y1, x2, y2 in pixels. Numbers as in {@link GroundTruth.boxes}. */
  readonly boxes: ArrayLike<number>;
  /** N labels; detections with labels that are not among the evaluator's categories are left out. */
  readonly labels: ArrayLike<number>;
  /** N scores. */
  readonly scores: ArrayLike<number>;
  /** N masks of the image's size, for kind `segm`. */
  readonly masks?: readonly (Rle | UncompressedRle)[];
  /** N x K x 3, for kind `keypoints`. */
  readonly keypoints?: ArrayLike<number>;
}

/** How far an evaluation is. */
export interface EvaluationProgress {
  readonly kind: EvaluationKind;
  /** Steps done and in all. */
  readonly done: number;
  readonly total: number;
}

export interface EvaluationCallOptions {
  /** Aborts the call, which then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Called a few times a second. */
  readonly onProgress?: (progress: EvaluationProgress) => void;
}
