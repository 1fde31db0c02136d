import { constants } from 'node:buffer';
import type { NativeDetections } from '../../binding';
import { optionError, rejectUnknownOptions, TorchdetError } from '../errors';
import { Tensor } from '../tensor';
import { namesOfKeypoints } from './keypoint-names';
import { encode } from './rle';
import type { Rle } from './rle';

/** One keypoint of a detected object. */
export interface Keypoint {
  /** Pixels of the image given, from its left edge. */
  readonly x: number;
  /** Pixels from its upper edge. */
  readonly y: number;
  /** Whether the model takes it to be there; torchvision's models take all. */
  readonly visible: boolean;
  /** The heat map's value there: the larger the surer; no probability, and below 0 where unsure. */
  readonly score: number;
  /** Where names are known: those the model was given, or COCO's for 17 keypoints. */
  readonly name?: string;
}

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
  /** Mask R-CNN: {@link DetectionResult.mask} of this object, made when it is asked for. */
  readonly mask?: Uint8Array;
  /** Keypoint R-CNN: its keypoints in the model's order. */
  readonly keypoints?: readonly Keypoint[];
}

export interface MaskOptions {
  /** Pixels of a higher probability belong to the object, 0 to 1. Default 0.5. */
  readonly threshold?: number;
}

/** Names that a detector knows. */
export interface ResultNames {
  readonly categories?: readonly string[] | undefined;
  readonly keypoints?: readonly string[] | undefined;
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
  readonly #names: ResultNames;
  #maskData: Float32Array | undefined;

  /** @internal */
  constructor(native: NativeDetections, names: ResultNames) {
    this.width = native.width;
    this.height = native.height;
    this.boxes = native.boxes;
    this.labels = native.labels;
    this.scores = native.scores;
    if (native.masks) this.masks = new Tensor(native.masks);
    if (native.keypoints) this.keypoints = native.keypoints;
    if (native.keypointsScores) this.keypointsScores = native.keypointsScores;
    this.#names = names;
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
    const name = this.#names.categories?.[label] ?? `class ${label}`;
    const detection: Detection = {
      box: [x1, y1, x2, y2],
      label,
      name,
      score,
      ...(this.keypoints && { keypoints: this.keypoint(index) }),
    };
    // Not enumerable: a copy or JSON of a detection should not hold a byte for each pixel.
    if (this.masks) Object.defineProperty(detection, 'mask', { get: () => this.mask(index) });
    return detection;
  }

  /**
   * Mask R-CNN: which pixels belong to a detection, as height * width bytes, row by row, 0 or 1.
   *
   * @param index of the detection, from 0
   * @throws TorchdetError ERR_INVALID_ARGUMENT where the detector gives no masks or there is no such detection;
   *   ERR_OPTION_VALUE, ERR_OPTION_UNKNOWN; ERR_DISPOSED after `masks` was disposed and not read before
   */
  mask(index: number, options: MaskOptions = {}): Uint8Array {
    rejectUnknownOptions('mask', options, ['threshold']);
    const { threshold = 0.5 } = options;
    if (typeof threshold !== 'number' || !(threshold >= 0 && threshold <= 1)) {
      throw optionError('mask', 'threshold', threshold, 'a number from 0 to 1');
    }
    if (!this.masks) throw this.#lacking('mask', 'masks', 'Mask R-CNN does');
    this.#checkIndex('mask', index);
    const size = this.width * this.height;
    const probabilities = this.#maskProbabilities(this.masks, index, size);
    const bitmap = new Uint8Array(size);
    // As float32, which the probabilities are: 0.3 of the two kinds differ.
    const limit = Math.fround(threshold);
    for (let i = 0; i < size; i++) if ((probabilities[i] ?? 0) > limit) bitmap[i] = 1;
    return bitmap;
  }

  #maskProbabilities(masks: Tensor, index: number, size: number): Float32Array {
    // All masks of a large photo are more than some versions of Node make an array of.
    if (!this.#maskData && masks.byteLength > constants.MAX_LENGTH) {
      return masks.native.toTypedArray(index) as Float32Array;
    }
    this.#maskData ??= masks.data as Float32Array;
    return this.#maskData.subarray(index * size, (index + 1) * size);
  }

  /**
   * Mask R-CNN: the same in COCO's run-length encoding, as result files for pycocotools have it.
   *
   * @throws TorchdetError as {@link mask}
   */
  maskRle(index: number, options: MaskOptions = {}): Rle {
    return encode(this.mask(index, options), this.height, this.width);
  }

  /**
   * Keypoint R-CNN: the keypoints of a detection, in the model's order.
   *
   * @param index of the detection, from 0
   * @throws TorchdetError ERR_INVALID_ARGUMENT where the detector gives no keypoints or there is no such detection
   */
  keypoint(index: number): Keypoint[] {
    const { keypoints, keypointsScores } = this;
    if (!keypoints) throw this.#lacking('keypoint', 'keypoints', 'Keypoint R-CNN does');
    this.#checkIndex('keypoint', index);
    const count = keypoints.length / 3 / this.length;
    const names = namesOfKeypoints(count, this.#names.keypoints);
    return Array.from({ length: count }, (_, k) => {
      const [x = 0, y = 0, visibility = 0] = keypoints.subarray(3 * (index * count + k));
      const score = keypointsScores?.[index * count + k] ?? 0;
      const name = names?.[k];
      return { x, y, visible: visibility > 0, score, ...(name !== undefined && { name }) };
    });
  }

  *[Symbol.iterator](): Iterator<Detection> {
    for (let i = 0; i < this.length; i++) {
      const detection = this.at(i);
      if (detection) yield detection;
    }
  }

  #lacking(method: string, what: string, who: string): TorchdetError {
    return new TorchdetError(
      'ERR_INVALID_ARGUMENT',
      `${method}: this detector gives no ${what}; ${who}.`,
    );
  }

  #checkIndex(method: string, index: number): void {
    if (Number.isInteger(index) && index >= 0 && index < this.length) return;
    throw new TorchdetError(
      'ERR_INVALID_ARGUMENT',
      `${method}: there is no detection ${index}; the result has ${this.length}, counted from 0.`,
    );
  }
}
