import type { NativeDetections } from '../../binding';
import { Tensor } from '../tensor';

/** One detected object. */
export interface Detection {
  /** [x1, y1, x2, y2] in pixels of the image given, from its upper left corner. */
  readonly box: readonly [number, number, number, number];
  /** Class number; 0 is the background and does not occur in models of the R-CNN family. */
  readonly label: number;
  /** The class's name, or `class <label>` where the detector has no names. */
  readonly name: string;
  /** 0 to 1. */
  readonly score: number;
}

/** What was found in one image, best first. Iterating gives one {@link Detection} after the other. */
export class DetectionResult implements Iterable<Detection> {
  /** Size of the image as it was given, in pixels, EXIF orientation applied. */
  readonly width: number;
  readonly height: number;
  /** N x 4 numbers: x1, y1, x2, y2 in pixels of the image. */
  readonly boxes: Float32Array;
  /** N class numbers. */
  readonly labels: Int32Array;
  /** N scores, 0 to 1, descending. */
  readonly scores: Float32Array;
  /** Mask R-CNN: N x 1 x height x width, float32 probabilities. */
  readonly masks?: Tensor;
  /** Keypoint R-CNN: N x K x 3 numbers: x, y in pixels and visibility. */
  readonly keypoints?: Float32Array;
  /** Keypoint R-CNN: N x K scores. */
  readonly keypointsScores?: Float32Array;
  readonly #categories: readonly string[] | undefined;

  /** @internal */
  constructor(native: NativeDetections, categories: readonly string[] | undefined) {
    this.width = native.width;
    this.height = native.height;
    this.boxes = native.boxes;
    this.labels = native.labels;
    this.scores = native.scores;
    if (native.masks) this.masks = new Tensor(native.masks);
    if (native.keypoints) this.keypoints = native.keypoints;
    if (native.keypointsScores) this.keypointsScores = native.keypointsScores;
    this.#categories = categories;
  }

  /** Number of detections. */
  get length(): number {
    return this.scores.length;
  }

  /** The detection at an index, or undefined beyond the last. */
  at(index: number): Detection | undefined {
    const label = this.labels[index];
    const score = this.scores[index];
    if (label === undefined || score === undefined) return undefined;
    const [x1 = 0, y1 = 0, x2 = 0, y2 = 0] = this.boxes.subarray(4 * index, 4 * index + 4);
    const name = this.#categories?.[label] ?? `class ${label}`;
    return { box: [x1, y1, x2, y2], label, name, score };
  }

  *[Symbol.iterator](): Iterator<Detection> {
    for (let i = 0; i < this.length; i++) {
      const detection = this.at(i);
      if (detection) yield detection;
    }
  }
}
