import type { CancelToken, EvaluationData } from '../../binding';
import { checkCallback, checkSignal, isList, kindOf } from '../arguments';
import { abortable } from '../detection/calls';
import type { DetectionResult } from '../detection/result';
import { engine, onCallersStack } from '../engine';
import { optionError, rejectUnknownOptions, TorchdetError } from '../errors';
import { Confusion } from './confusion';
import { type BoxFigures, KindEvaluation, type KeypointFigures, rulesOf } from './figures';
import { PackedObjects } from './packed-objects';
import { ImageReader, type ReadingPlan } from './read-image';
import type {
  Detections,
  EvaluatedCategory,
  EvaluationCallOptions,
  EvaluationKind,
  GroundTruth,
} from './types';

const KINDS: readonly EvaluationKind[] = ['bbox', 'segm', 'keypoints'];

/** COCO's for the 17 keypoints of people: how far annotators stray, relative to the object's scale. */
const COCO_SIGMAS = [
  0.026, 0.025, 0.025, 0.035, 0.035, 0.079, 0.079, 0.072, 0.072, 0.062, 0.062, 0.107, 0.107, 0.087,
  0.087, 0.089, 0.089,
];

export interface CocoEvaluatorOptions {
  /** Classes to evaluate: labels and names, as a data set's `categories`; or names by label, where `__background__` is none. */
  readonly categories: readonly EvaluatedCategory[] | readonly string[];
  /** What to compare by. Default `['bbox']`. */
  readonly kinds?: readonly EvaluationKind[];
  /** For kind `keypoints`: one number for each keypoint of an object. Default: COCO's for 17. */
  readonly keypointSigmas?: readonly number[];
}

/** The figures of each kind that was asked for. */
export interface CocoEvaluation {
  /** Number of images. */
  readonly images: number;
  readonly bbox?: KindEvaluation<BoxFigures>;
  readonly segm?: KindEvaluation<BoxFigures>;
  readonly keypoints?: KindEvaluation<KeypointFigures>;
}

export interface ConfusionOptions extends EvaluationCallOptions {
  /** One of the evaluator's kinds. Default: the first. */
  readonly kind?: EvaluationKind;
  /** Detections below are left out. Default 0.5. */
  readonly scoreThreshold?: number;
  /** Overlap (IoU, or object keypoint similarity) from which a detection belongs to an object. Default 0.5. */
  readonly iouThreshold?: number;
}

/** @internal A list of kinds that is not empty. */
export function checkKinds(
  where: string,
  kinds: readonly EvaluationKind[],
): readonly EvaluationKind[] {
  // JavaScript callers may pass anything.
  const fits = isList(kinds) && kinds.length > 0;
  if (fits && kinds.every((kind) => KINDS.includes(kind))) return kinds;
  throw optionError(where, 'kinds', kinds, 'a list of "bbox", "segm" and "keypoints"');
}

/** JavaScript callers may pass anything. */
function isCategory(given: unknown): boolean {
  return typeof given === 'string' || (typeof given === 'object' && given !== null);
}

function readCategories(given: CocoEvaluatorOptions['categories']): EvaluatedCategory[] {
  if (!isList(given) || !given.every(isCategory)) {
    const wanted = "a list of classes, as a data set's categories or its names";
    throw optionError('CocoEvaluator', 'categories', given, wanted);
  }
  const categories: EvaluatedCategory[] = [];
  for (const [label, category] of given.entries()) {
    if (typeof category !== 'string') categories.push(category);
    else if (category !== '__background__') categories.push({ label, name: category });
  }
  const labels = categories.map(({ label }) => label);
  const odd = labels.findIndex((label, k) => !Number.isInteger(label) || labels.indexOf(label) < k);
  if (odd >= 0) {
    throw optionError(
      'CocoEvaluator',
      'categories',
      labels[odd],
      'a list of classes with an integer label each, none of them twice',
    );
  }
  return categories;
}

function checkCall(where: string, options: EvaluationCallOptions, others: readonly string[]): void {
  rejectUnknownOptions(where, options, [...others, 'signal', 'onProgress']);
  checkSignal(where, options.signal);
  checkCallback(where, 'onProgress', options.onProgress);
}

/**
 * COCO's evaluation, as pycocotools' `COCOeval` has it: average precision and recall for boxes, masks and keypoints. Images are
 * added one by one; the figures are computed by all of the CPU's threads, off the event loop.
 *
 * Detections of equal score count in the order of image ids, and within an image in the order given.
 */
export class CocoEvaluator {
  readonly categories: readonly EvaluatedCategory[];
  readonly kinds: readonly EvaluationKind[];
  readonly #plan: ReadingPlan;
  readonly #sigmas: readonly number[];
  readonly #truth = new PackedObjects();
  readonly #found = new PackedObjects();
  readonly #imageIds: (number | string)[] = [];
  readonly #known = new Set<number | string>();

  /** @throws TorchdetError ERR_OPTION_UNKNOWN, ERR_OPTION_VALUE */
  constructor(options: CocoEvaluatorOptions) {
    const where = 'CocoEvaluator';
    rejectUnknownOptions(where, options, ['categories', 'kinds', 'keypointSigmas']);
    const { kinds = ['bbox'], keypointSigmas = COCO_SIGMAS } = options;
    this.categories = readCategories(options.categories);
    checkKinds(where, kinds);
    const areSigmas = isList(keypointSigmas) && keypointSigmas.length > 0;
    if (!areSigmas || !keypointSigmas.every((sigma) => sigma > 0)) {
      throw optionError(where, 'keypointSigmas', keypointSigmas, 'a list of positive numbers');
    }
    this.kinds = [...new Set(kinds)];
    this.#sigmas = keypointSigmas;
    this.#plan = {
      kinds: new Set(kinds),
      categories: new Map(this.categories.map(({ label }, index) => [label, index])),
      keypointCount: keypointSigmas.length,
    };
  }

  /** Number of images added. */
  get length(): number {
    return this.#imageIds.length;
  }

  /**
   * Adds an image: what is marked in it, and what was detected. Images without either count too. Everything is copied.
   *
   * @param imageId a number or a string of its own
   * @throws TorchdetError ERR_INVALID_ARGUMENT naming the image, where the id is there already or a list does not fit; the image is
   *   not added then
   */
  add(
    imageId: number | string,
    truth: GroundTruth,
    detections: Detections | DetectionResult,
  ): void {
    if (typeof imageId !== 'string' && typeof imageId !== 'number') {
      throw new TorchdetError(
        'ERR_INVALID_ARGUMENT',
        `CocoEvaluator.add: the image's id must be a number or a string, got ${kindOf(imageId)}.`,
      );
    }
    const where = `CocoEvaluator.add, image ${JSON.stringify(imageId)}`;
    if (this.#known.has(imageId)) {
      throw new TorchdetError('ERR_INVALID_ARGUMENT', `${where}: it was added before.`);
    }
    const reader = new ImageReader(this.#plan, where);
    const objects = reader.truth(truth);
    const found = reader.detections(detections, truth);
    this.#truth.addImage(objects);
    this.#found.addImage(found);
    this.#known.add(imageId);
    this.#imageIds.push(imageId);
  }

  /**
   * The figures over all images added so far.
   *
   * @throws TorchdetError ERR_OPTION_UNKNOWN; the signal's reason where it is aborted
   */
  async summarize(options: EvaluationCallOptions = {}): Promise<CocoEvaluation> {
    checkCall('summarize', options, []);
    const figuresOf = (kind: EvaluationKind) =>
      this.#run(kind, options, (data, progress, cancel) => {
        const { areas, maxDetections } = rulesOf(kind);
        return engine().evaluateDetections(data, { areas, maxDetections }, progress, cancel);
      });
    const evaluation: { -readonly [Key in keyof CocoEvaluation]: CocoEvaluation[Key] } = {
      images: this.length,
    };
    for (const kind of this.kinds) {
      const figures = await figuresOf(kind);
      if (kind === 'keypoints') {
        evaluation.keypoints = new KindEvaluation(kind, this.categories, figures);
      } else {
        evaluation[kind] = new KindEvaluation(kind, this.categories, figures);
      }
    }
    return evaluation;
  }

  /**
   * Which class is taken for which at one score threshold. A detection takes the free object of its class that it overlaps most, the best
   * score first; then those left over take free objects of other classes. Crowds and difficult objects count nowhere, nor do
   * detections of them.
   *
   * @throws TorchdetError ERR_OPTION_UNKNOWN, ERR_OPTION_VALUE; the signal's reason where it is aborted
   */
  async confusion(options: ConfusionOptions = {}): Promise<Confusion> {
    checkCall('confusion', options, ['kind', 'scoreThreshold', 'iouThreshold']);
    const { kind = this.kinds[0] ?? 'bbox', scoreThreshold = 0.5, iouThreshold = 0.5 } = options;
    if (!this.kinds.includes(kind)) {
      throw optionError('confusion', 'kind', kind, `one of ${JSON.stringify(this.kinds)}`);
    }
    if (!(scoreThreshold >= 0)) {
      throw optionError('confusion', 'scoreThreshold', scoreThreshold, 'a number of at least 0');
    }
    if (!(iouThreshold > 0 && iouThreshold <= 1)) {
      throw optionError('confusion', 'iouThreshold', iouThreshold, 'a number above 0, at most 1');
    }
    const source = {
      imageIds: [...this.#imageIds],
      order: this.#order(),
      truth: this.#truth,
      found: this.#found,
    };
    const native = await this.#run(kind, options, (data, progress, cancel) =>
      engine().confuseDetections(
        data,
        { scoreThreshold, overlapThreshold: iouThreshold },
        progress,
        cancel,
      ),
    );
    return new Confusion(this.categories, native, source);
  }

  /** Indices of the images by id: numbers before strings. */
  #order(): Int32Array {
    const ids = this.#imageIds;
    const compare = (a: number | string, b: number | string) => {
      if (typeof a !== typeof b) return typeof a === 'number' ? -1 : 1;
      return a < b ? -1 : 1;
    };
    return Int32Array.from(ids.keys()).sort((a, b) => compare(ids[a] ?? 0, ids[b] ?? 0));
  }

  async #run<Result>(
    kind: EvaluationKind,
    { signal, onProgress }: EvaluationCallOptions,
    start: (data: EvaluationData, progress: Int32Array, cancel: CancelToken) => Promise<Result>,
  ): Promise<Result> {
    const data: EvaluationData = {
      kind,
      categories: this.categories.length,
      order: this.#order(),
      truth: { ...this.#truth.view(), areas: this.#truth.values },
      found: { ...this.#found.view(), scores: this.#found.values },
      sigmas: kind === 'keypoints' ? this.#sigmas : [],
    };
    const caller = new Error();
    // Native code counts in here while it works.
    const progress = new Int32Array(2);
    const report = () => {
      const [done = 0, total = 0] = progress;
      onProgress?.({ kind, done, total });
    };
    const timer = onProgress && setInterval(report, 100);
    const token = new (engine().CancelToken)();
    try {
      const result = await abortable(
        signal,
        () => {
          token.cancel();
        },
        () => onCallersStack(start(data, progress, token), caller),
      );
      report();
      return result;
    } finally {
      clearInterval(timer);
    }
  }
}
