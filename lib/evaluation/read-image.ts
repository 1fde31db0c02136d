/** Checks what one image brings to an evaluation, and takes it apart into packed objects. */
import { isList, kindOf } from '../arguments';
import { DetectionResult } from '../detection/result';
import { area, type Rle, uncompress, type UncompressedRle } from '../detection/rle';
import { TorchdetError } from '../errors';
import type { PackedObject } from './packed-objects';
import type { Detections, EvaluationKind, GroundTruth } from './types';

const CROWD = 1;
const DIFFICULT = 2;
const NO_MASK = 4;
const UNMARKED = 1;

/** What an evaluator compares by. */
export interface ReadingPlan {
  readonly kinds: ReadonlySet<EvaluationKind>;
  /** Index of each label. */
  readonly categories: ReadonlyMap<number, number>;
  /** Keypoints of an object. */
  readonly keypointCount: number;
}

/** Reads one image; `where` names it in messages. */
export class ImageReader {
  readonly #plan: ReadingPlan;
  readonly #where: string;
  #maskSize: readonly [number, number] | undefined;

  constructor(plan: ReadingPlan, where: string) {
    this.#plan = plan;
    this.#where = where;
  }

  truth(truth: GroundTruth): PackedObject[] {
    this.#checkGiven('groundTruth', truth, ['boxes', 'labels']);
    const { labels, areas, crowd, difficult, masks, labelledClasses } = truth;
    const count = labels.length;
    this.#checkLists('groundTruth', truth, count);
    if (this.#plan.kinds.has('segm') && count > 0 && !masks) {
      throw this.#error('kind "segm" needs groundTruth.masks.');
    }
    this.#checkLength('groundTruth.areas', areas, count);
    this.#checkLength('groundTruth.crowd', crowd, count);
    this.#checkLength('groundTruth.difficult', difficult, count);
    if (labelledClasses && !isList(labelledClasses)) {
      throw this.#error(
        `groundTruth.labelledClasses must be a list, got ${kindOf(labelledClasses)}.`,
      );
    }
    return Array.from({ length: count }, (_, index) => {
      const label = labels[index] ?? 0;
      const category = this.#plan.categories.get(label);
      if (category === undefined) {
        throw this.#error(`groundTruth.labels[${index}] is ${label}, which is no category.`);
      }
      const box = this.#box('groundTruth', truth.boxes, index);
      const mask = this.#mask(`groundTruth.masks[${index}]`, masks?.[index]);
      const hidden = difficult?.[index] ? DIFFICULT : 0;
      const maskless = this.#plan.kinds.has('segm') && !mask ? NO_MASK : 0;
      return {
        category,
        flags: (crowd?.[index] ? CROWD : 0) | hidden | maskless,
        box,
        value: areas?.[index] ?? (mask ? area(mask) : box[2] * box[3]),
        runs: this.#runs(`groundTruth.masks[${index}]`, mask),
        keypoints: this.#keypoints('groundTruth', truth.keypoints, index),
        index,
      };
    });
  }

  detections(given: Detections | DetectionResult, truth: GroundTruth): PackedObject[] {
    this.#checkGiven('detections', given, ['boxes', 'labels', 'scores']);
    const count = given.labels.length;
    const fromResult = given instanceof DetectionResult;
    if (fromResult) {
      if (this.#plan.kinds.has('segm') && count > 0 && !given.masks) {
        throw this.#error('kind "segm" needs masks, and this detector gives none.');
      }
      const { boxes, keypoints } = given;
      this.#checkLists('detections', { boxes, ...(keypoints && { keypoints }) }, count);
    } else {
      this.#checkLists('detections', given, count);
    }
    this.#checkLength('detections.scores', given.scores, count);
    const marked = truth.labelledClasses && new Set(truth.labelledClasses);
    const objects: PackedObject[] = [];
    for (let index = 0; index < count; index++) {
      const label = given.labels[index] ?? 0;
      const category = this.#plan.categories.get(label);
      if (category === undefined) continue;
      const score = given.scores[index] ?? 0;
      if (!Number.isFinite(score)) {
        throw this.#error(`detections.scores[${index}] must be a finite number, got ${score}.`);
      }
      const mask = fromResult
        ? this.#resultMask(given, index)
        : this.#mask(`detections.masks[${index}]`, given.masks?.[index]);
      objects.push({
        category,
        flags: marked && !marked.has(label) ? UNMARKED : 0,
        box: this.#box('detections', given.boxes, index),
        value: score,
        runs: this.#runs(`detections.masks[${index}]`, mask),
        keypoints: this.#keypoints('detections', given.keypoints, index),
        index,
      });
    }
    return objects;
  }

  /** JavaScript callers may pass polygons, for one. */
  #mask<Mask extends Rle | UncompressedRle>(
    name: string,
    mask: Mask | undefined,
  ): Mask | undefined {
    if (!mask) return undefined;
    const { size, counts } = mask;
    if (isList(size) && (typeof counts === 'string' || isList(counts))) return mask;
    throw this.#error(`${name} must be { size: [height, width], counts }, got ${kindOf(mask)}.`);
  }

  /** Made from probabilities, one for each pixel: only where masks are compared. */
  #resultMask(result: DetectionResult, index: number): Rle | undefined {
    return this.#plan.kinds.has('segm') ? result.maskRle(index) : undefined;
  }

  /** JavaScript callers may pass anything. */
  #checkGiven(name: string, given: unknown, lists: readonly string[]): void {
    if (typeof given !== 'object' || given === null) {
      throw this.#error(
        `${name} must be an object with ${lists.join(', ')}, got ${kindOf(given)}.`,
      );
    }
    for (const list of lists) {
      const value: unknown = Reflect.get(given, list);
      if (isList(value)) continue;
      throw this.#error(`${name}.${list} must be a list of numbers, got ${kindOf(value)}.`);
    }
  }

  #checkLists(
    name: string,
    lists: Pick<Detections, 'boxes' | 'masks' | 'keypoints'> | GroundTruth,
    count: number,
  ): void {
    const { kinds, keypointCount } = this.#plan;
    this.#checkLength(`${name}.boxes`, lists.boxes, count, 4);
    if (kinds.has('segm') && 'masks' in lists) {
      this.#checkLength(`${name}.masks`, lists.masks, count);
    }
    if (!kinds.has('keypoints')) return;
    if (!lists.keypoints && count > 0) {
      throw this.#error(`kind "keypoints" needs ${name}.keypoints.`);
    }
    this.#checkLength(`${name}.keypoints`, lists.keypoints, count, 3 * keypointCount);
  }

  #checkLength(
    name: string,
    list: { readonly length: number } | undefined,
    count: number,
    each = 1,
  ): void {
    if (!list || list.length === each * count) return;
    const what = each === 1 ? 'one entry' : `${each} numbers`;
    throw this.#error(
      `${name} must hold ${what} for each of the ${count} labels, got ${list.length}.`,
    );
  }

  #box(
    name: string,
    boxes: ArrayLike<number>,
    index: number,
  ): readonly [number, number, number, number] {
    const [x1 = NaN, y1 = NaN, x2 = NaN, y2 = NaN] = [0, 1, 2, 3].map((k) => boxes[4 * index + k]);
    if (!Number.isFinite(x1 + y1 + x2 + y2)) {
      throw this.#error(
        `${name}.boxes must hold finite numbers, box ${index} is [${x1}, ${y1}, ${x2}, ${y2}].`,
      );
    }
    if (boxes instanceof Float32Array) return [x1, y1, Math.fround(x2 - x1), Math.fround(y2 - y1)];
    return [x1, y1, x2 - x1, y2 - y1];
  }

  #runs(name: string, mask: Rle | UncompressedRle | undefined): ArrayLike<number> {
    if (!this.#plan.kinds.has('segm')) return [];
    if (!mask) {
      if (name.startsWith('groundTruth')) return [];
      throw this.#error(`kind "segm" needs ${name}.`);
    }
    const [height, width] = mask.size;
    this.#maskSize ??= [height, width];
    if (height !== this.#maskSize[0] || width !== this.#maskSize[1]) {
      throw this.#error(
        `${name} is of size [${height}, ${width}], those before it of [${this.#maskSize.join(', ')}]; ` +
          'all masks must have the size of the image.',
      );
    }
    return uncompress(mask).counts;
  }

  #keypoints(
    name: string,
    keypoints: ArrayLike<number> | undefined,
    index: number,
  ): ArrayLike<number> {
    const { kinds, keypointCount } = this.#plan;
    if (!kinds.has('keypoints') || !keypoints) return [];
    const numbers = Array.from(
      { length: 3 * keypointCount },
      (_, k) => keypoints[3 * keypointCount * index + k] ?? NaN,
    );
    const odd = numbers.findIndex((number) => !Number.isFinite(number));
    if (odd < 0) return numbers;
    throw this.#error(
      `${name}.keypoints must hold finite numbers, object ${index} has ${String(numbers[odd])}.`,
    );
  }

  #error(problem: string): TorchdetError {
    return new TorchdetError('ERR_INVALID_ARGUMENT', `${this.#where}: ${problem}`);
  }
}
