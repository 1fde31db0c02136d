/** How well a detector does on a data set. */
import { checkCallback, checkSignal } from '../arguments';
import type { Dataset, Entry } from '../data/dataset';
import { decodeEntryImage } from '../data/loader-sample';
import { readAhead } from '../data/loader-work';
import { segmentationRle } from '../data/masks';
import type { DetectionResult } from '../detection/result';
import type { Rle } from '../detection/rle';
import type { Detector } from '../detector';
import type { ProcessGroup } from '../distributed';
import { checkGroup } from '../distributed/process-group';
import { optionError, rejectUnknownOptions, TorchdetError } from '../errors';
import {
  type CocoEvaluation,
  CocoEvaluator,
  type Confusion,
  type EvaluationKind,
  type GroundTruth,
} from '../evaluation';
import { checkKinds } from '../evaluation/coco-evaluator';
import type { DecodedImage } from '../images';
import { checkIndices, checkIsDataset, checkIsDetector } from './check-arguments';

/** Options of {@link evaluateDetector}. */
export interface EvaluateOptions {
  /** Default: boxes, and masks or keypoints where both the model and the data set have them. */
  readonly kinds?: readonly EvaluationKind[] | undefined;
  /** Images to use, by position in the data set. Default: all. */
  readonly indices?: readonly number[] | undefined;
  /** Detections below are left out of {@link DetectorEvaluation.confusion}. 0 to 1, default 0.5. */
  readonly scoreThreshold?: number | undefined;
  /** See `Detector.predict`. Default false. */
  readonly exact?: boolean | undefined;
  /** See `decodeImage`. */
  readonly maxPixels?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Processes that share the images: all call it, with the same data, and all get the figures. Default: this one alone. */
  readonly group?: ProcessGroup | undefined;
  /** Called after each image of this process. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/** What was detected in one image, best first. */
export interface FoundObjects {
  /** N x 4: x1, y1, x2, y2 in pixels. */
  readonly boxes: Float32Array;
  readonly labels: Int32Array;
  readonly scores: Float32Array;
}

/** What {@link evaluateDetector} finds. */
export interface DetectorEvaluation {
  /** COCO's figures of each kind. */
  readonly evaluation: CocoEvaluation;
  /** Which class is taken for which, by boxes at IoU 0.5; the image ids are those of the data set's entries. */
  readonly confusion: Confusion;
  /** Detections below are left out of {@link DetectorEvaluation.confusion}. */
  readonly scoreThreshold: number;
  /** Detections by position in the data set. */
  readonly found: ReadonlyMap<number, FoundObjects>;
  /** Positions in the data set by image id. */
  readonly positions: ReadonlyMap<number | string, number>;
}

const OPTIONS = [
  'kinds',
  'indices',
  'scoreThreshold',
  'exact',
  'maxPixels',
  'signal',
  'group',
  'onProgress',
] as const;

/** Images read and decoded while the detector works on another. */
const decodeAhead = 2;

/** @internal Whether a model has a mask head. */
export function learnsMasks({ facts: { config } }: Detector): boolean {
  return config.kind === 'rcnn' && config.roiHeads.maskRoiPool !== null;
}

/**
 * Kinds that a model and a data set have in common.
 *
 * @internal
 */
export function commonKinds(detector: Detector, dataset: Dataset): EvaluationKind[] {
  const { config } = detector.facts;
  const heads = config.kind === 'rcnn' ? config.roiHeads : undefined;
  const kinds: EvaluationKind[] = ['bbox'];
  if (learnsMasks(detector) && dataset.hasMasks) kinds.push('segm');
  if (heads?.keypointRoiPool && dataset.keypointCount > 0) kinds.push('keypoints');
  return kinds;
}

/** An entry as the evaluator takes it; outlines are read where masks are compared. */
async function truthOf(entry: Entry, kinds: readonly EvaluationKind[]): Promise<GroundTruth> {
  if (!kinds.includes('segm')) return entry;
  const outlines = (await entry.segmentations?.()) ?? [];
  const masks = outlines.map(
    (outline) => outline && segmentationRle(outline, entry.height, entry.width),
  );
  return { ...entry, masks };
}

/**
 * Sigmas of keypoints: COCO's are for its 17; others are compared with the mean of them.
 */
function sigmasFor(count: number): { keypointSigmas?: number[] } {
  return count === 17 || count === 0 ? {} : { keypointSigmas: new Array<number>(count).fill(0.06) };
}

/** JavaScript callers may pass anything. */
function checkGiven(detector: Detector, dataset: Dataset, options: EvaluateOptions): void {
  const where = 'evaluateDetector';
  checkIsDetector(where, detector);
  checkIsDataset(where, 'the second argument', dataset);
  rejectUnknownOptions(where, options, OPTIONS);
  const { indices, signal, onProgress } = options;
  checkIndices(where, 'indices', indices);
  checkSignal(where, signal);
  checkCallback(where, 'onProgress', onProgress);
}

/**
 * Runs a detector over a data set, image by image, and compares: COCO's figures, as torchvision's references compute them, and
 * which class is taken for which. The labels of both must mean the same: open the data set with
 * `classes: detector.categories` unless the detector was trained on it.
 *
 * @throws TorchdetError ERR_OPTION_UNKNOWN, ERR_OPTION_VALUE; ERR_INVALID_ARGUMENT where one of the two is something else, or the
 *   data set has classes that the detector has not; errors of images, whose messages name the file; the signal's reason
 */
export async function evaluateDetector(
  detector: Detector,
  dataset: Dataset,
  options: EvaluateOptions = {},
): Promise<DetectorEvaluation> {
  checkGiven(detector, dataset, options);
  const { scoreThreshold = 0.5, signal, onProgress, exact = false, maxPixels } = options;
  if (!(scoreThreshold >= 0 && scoreThreshold <= 1)) {
    throw optionError('evaluateDetector', 'scoreThreshold', scoreThreshold, 'a number from 0 to 1');
  }
  checkClasses(detector, dataset);
  const kinds = checkKinds('evaluateDetector', options.kinds ?? commonKinds(detector, dataset));
  const indices = options.indices ?? Array.from({ length: dataset.length }, (_, i) => i);
  const sigmas = kinds.includes('keypoints') ? sigmasFor(dataset.keypointCount) : {};
  const evaluator = new CocoEvaluator({ categories: dataset.categories, kinds, ...sigmas });
  const found = new Map<number, FoundObjects>();
  const positions = new Map<number | string, number>();
  const decoding = maxPixels === undefined ? {} : { maxPixels };

  const add = async (entry: Entry, detections: DetectionResult | Gathered) => {
    evaluator.add(entry.id, await truthOf(entry, kinds), detections);
    found.set(entry.index, kept(detections));
    positions.set(entry.id, entry.index);
  };
  const group = checkGroup('evaluateDetector', options.group);
  const own = group ? indices.filter((_, i) => i % group.worldSize === group.rank) : indices;
  const gathered: [number, Gathered][] = [];
  let done = 0;
  const load = async (position: number): Promise<[Entry, DecodedImage]> => {
    const entry = dataset.entry(own[position] ?? 0);
    return [entry, await decodeEntryImage(entry, decoding)];
  };
  for await (const [entry, image] of readAhead(own.length, decodeAhead, load, signal)) {
    const [result] = await detector.predict([image], { exact, ...(signal && { signal }) });
    if (!result) continue;
    if (group) gathered.push([entry.index, gatheredOf(result, kinds)]);
    else await add(entry, result);
    // Masks of a whole image: not left to garbage collection.
    result.masks?.dispose();
    onProgress?.(++done, own.length);
  }
  const call = signal ? { signal } : {};
  if (group) {
    const all = new Map((await group.allGather(gathered, call)).flat());
    for (const index of indices) {
      const detections = all.get(index);
      if (detections) await add(dataset.entry(index), detections);
    }
  }
  const evaluation = await evaluator.summarize(call);
  const kind = kinds.includes('bbox') ? 'bbox' : (kinds[0] ?? 'bbox');
  const confusion = await evaluator.confusion({ kind, scoreThreshold, ...call });
  return { evaluation, confusion, scoreThreshold, found, positions };
}

/** What one process tells the others of an image. */
interface Gathered extends FoundObjects {
  readonly masks?: readonly Rle[];
  readonly keypoints?: Float32Array;
}

function gatheredOf(result: DetectionResult, kinds: readonly EvaluationKind[]): Gathered {
  const { keypoints, labels } = result;
  return {
    ...kept(result),
    ...(kinds.includes('segm') && { masks: Array.from(labels, (_, i) => result.maskRle(i)) }),
    ...(keypoints && { keypoints }),
  };
}

function kept({ boxes, labels, scores }: FoundObjects): FoundObjects {
  return { boxes, labels, scores };
}

function checkClasses(detector: Detector, dataset: Dataset): void {
  const { numClasses } = detector.facts;
  if (numClasses === undefined || dataset.names.length <= numClasses) return;
  throw new TorchdetError(
    'ERR_INVALID_ARGUMENT',
    `evaluateDetector: the data set has ${dataset.names.length - 1} classes, the detector knows ${numClasses - 1}. Open the data set with classes: detector.categories.`,
  );
}
