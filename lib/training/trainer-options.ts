/** What a run is told, and what it makes of it. */
import { kindOf } from '../arguments';
import { type Augmentation } from '../data/augment';
import { boxesOnly } from '../data/boxes-only';
import type { Dataset } from '../data/dataset';
import { Loader, type OnSampleError } from '../data/loader';
import type { Detector } from '../detector';
import type { ProcessGroup } from '../distributed';
import { checkGroup } from '../distributed/process-group';
import { optionError, rejectUnknownOptions, TorchdetError } from '../errors';
import type { EvaluationKind } from '../evaluation';
import { checkKinds } from '../evaluation/coco-evaluator';
import { checkBoolean, checkChoice, checkInteger, checkNumber, checkPositive } from '../nn/check';
import { checkIndices, checkIsDataset, checkIsDetector, checkSameNames } from './check-arguments';
import { commonKinds, learnsMasks } from './evaluate';
import type { OptimizerDescription } from './optimizer-options';
import {
  completeSchedule,
  type CompleteSchedule,
  defaultAugmentation,
  defaultOptimizer,
  emaDecay,
  type RunLength,
  scheduleOf,
  type ScheduleOptions,
} from './recipe';
import { fingerprint } from './run-folder';
import { RunGroup } from './run-group';
import type { Schedule } from './schedule';

/** When a run ends before its last epoch. */
export interface EarlyStopping {
  /** Evaluations without a better figure after which it ends. */
  readonly patience: number;
  /** By how much a figure must be better to count. Default 0. */
  readonly minDelta?: number;
}

/** Images for validation. */
export type ValidationData =
  Dataset | { readonly data: Dataset; readonly indices: readonly number[] };

/** Options of {@link Trainer.create}. */
export interface TrainerOptions {
  /** What is trained; it stays yours to dispose. */
  readonly detector: Detector;
  /** Images to train on. */
  readonly data: Dataset;
  /** Those of them to use, by position. Default: all. */
  readonly indices?: readonly number[] | undefined;
  /** What is evaluated on. Default: none; then there is no best.pt and no early stopping. */
  readonly val?: ValidationData | undefined;
  /** The run's folder; it is made if need be. */
  readonly out: string;
  /** Go on with the run in `out`, exactly where its last checkpoint stands. Default false: `out` must hold no run. */
  readonly resume?: boolean | undefined;
  /** Default 12. */
  readonly epochs?: number | undefined;
  /** Images in a batch, in each process of {@link TrainerOptions.group}. Default 4. */
  readonly batchSize?: number | undefined;
  /** Batches whose gradients make one step. Default 1. */
  readonly accumulate?: number | undefined;
  /** Default: SGD as in torchvision's recipes, at a rate that suits model and batch. */
  readonly optimizer?: OptimizerDescription | undefined;
  /** Or a function of the number of steps made, when the length of the run is known. */
  readonly schedule?: ScheduleOptions | ((length: RunLength) => Schedule) | undefined;
  /** Default: torchvision's preset for the model's family. */
  readonly augmentation?: Augmentation | undefined;
  /** Of order, augmentation and all that is drawn in training. Default 0. */
  readonly seed?: number | undefined;
  /** true, or a decay: evaluates, and writes as best.pt and last.pt, averages of the weights. Default false. */
  readonly ema?: boolean | number | undefined;
  readonly amp?: 'off' | 'bfloat16' | 'float16' | undefined;
  /** Norm that the gradients are limited to. Default: not limited. */
  readonly clipNorm?: number | undefined;
  readonly clipValue?: number | undefined;
  readonly earlyStopping?: EarlyStopping | undefined;
  /** Epochs from one evaluation to the next; the last one is always evaluated. Default 1. */
  readonly evaluateEvery?: number | undefined;
  /** What is compared. Default: boxes, and masks or keypoints where both the model and the data have them. */
  readonly kinds?: readonly EvaluationKind[] | undefined;
  /** The figure of the first kind that says which epoch is best: COCO's AP, or that at IoU 0.5. Default `ap`. */
  readonly bestBy?: 'ap' | 'ap50' | undefined;
  /** Minutes between checkpoints within an epoch; at its end there is always one. Default 5. */
  readonly checkpointMinutes?: number | undefined;
  /** Images worked on at the same time. Default: the number of cores, 4 at most. */
  readonly workers?: number | undefined;
  /** Decoded images are kept for the next epoch, up to this many bytes. Default 0. */
  readonly cacheBytes?: number | undefined;
  /** What to do about images that cannot be read. Default `throw`. */
  readonly onError?: OnSampleError | undefined;
  /**
   * The processes that train together, each with its part of every batch; all make a trainer with the same options. Only rank 0
   * writes files. Default: this process alone.
   */
  readonly group?: ProcessGroup | undefined;
  /** More to write into config.json, for example the command line. */
  readonly notes?: Readonly<Record<string, unknown>> | undefined;
}

const OPTIONS: Readonly<Record<keyof TrainerOptions, true>> = {
  detector: true,
  data: true,
  indices: true,
  val: true,
  out: true,
  resume: true,
  epochs: true,
  batchSize: true,
  accumulate: true,
  optimizer: true,
  schedule: true,
  augmentation: true,
  seed: true,
  ema: true,
  amp: true,
  clipNorm: true,
  clipValue: true,
  earlyStopping: true,
  evaluateEvery: true,
  kinds: true,
  bestBy: true,
  checkpointMinutes: true,
  workers: true,
  cacheBytes: true,
  onError: true,
  group: true,
  notes: true,
};

/** A run with everything decided. */
export interface TrainingPlan {
  readonly group: RunGroup;
  readonly loader: Loader;
  readonly val: { readonly data: Dataset; readonly indices: readonly number[] } | undefined;
  readonly length: RunLength;
  readonly epochs: number;
  readonly accumulate: number;
  readonly optimizer: OptimizerDescription;
  readonly schedule: Schedule;
  readonly seed: number;
  readonly ema: { readonly decay: number; readonly restarts: number } | undefined;
  readonly step: {
    readonly amp: 'off' | 'bfloat16' | 'float16';
    readonly clipNorm?: number;
    readonly clipValue?: number;
  };
  readonly earlyStopping: Required<EarlyStopping> | undefined;
  readonly evaluateEvery: number;
  readonly kinds: readonly EvaluationKind[];
  readonly bestBy: 'ap' | 'ap50';
  readonly checkpointMinutes: number;
  /** All of it as JSON, for config.json. */
  readonly described: Readonly<Record<string, unknown>>;
}

const where = 'Trainer';

/** JavaScript callers may pass anything. */
function checkGiven(options: TrainerOptions): void {
  rejectUnknownOptions(where, options, Object.keys(OPTIONS));
  const { detector, data, out, indices } = options;
  checkIsDetector(where, detector);
  checkIsDataset(where, 'data', data);
  if (typeof out !== 'string' || out === '') {
    throw new TorchdetError(
      'ERR_OPTION_VALUE',
      `${where}: option "out" must be the path of a folder, got ${kindOf(out)}.`,
    );
  }
  checkIndices(where, 'indices', indices);
}

function checkDetector(detector: Detector, data: Dataset): void {
  const { facts } = detector;
  if (facts.config.kind === 'forward') {
    throw new TorchdetError(
      'ERR_ARCHIVE_UNSUPPORTED',
      `${where}: ${detector.name} runs through its own forward and cannot be trained.`,
    );
  }
  const { numClasses } = facts;
  if (numClasses !== undefined && data.names.length > numClasses) {
    throw optionError(
      where,
      'detector',
      `${numClasses} classes with the background`,
      `a model of ${data.names.length} for this data set (${data.names.join(', ')})`,
    );
  }
  checkSameNames(where, 'data', data, detector);
}

function isPart(val: ValidationData): val is Exclude<ValidationData, Dataset> {
  return typeof val === 'object' && (val as unknown) !== null && 'indices' in val;
}

function validation({ val, detector }: TrainerOptions): TrainingPlan['val'] {
  if (val === undefined) return undefined;
  if (!isPart(val)) {
    checkIsDataset(where, 'val', val);
    checkSameNames(where, 'val', val, detector);
    return { data: val, indices: Array.from({ length: val.length }, (_, i) => i) };
  }
  checkIsDataset(where, 'val.data', val.data);
  checkSameNames(where, 'val', val.data, detector);
  checkIndices(where, 'val.indices', val.indices);
  return val;
}

function stopping(options: EarlyStopping | undefined): TrainingPlan['earlyStopping'] {
  if (options === undefined) return undefined;
  const place = `${where}: earlyStopping`;
  rejectUnknownOptions(place, options, ['patience', 'minDelta']);
  return {
    patience: checkInteger(place, 'patience', options.patience, 1),
    minDelta: checkNumber(place, 'minDelta', options.minDelta ?? 0, 0),
  };
}

function planSchedule(
  given: TrainerOptions['schedule'],
  length: RunLength,
): { schedule: Schedule; described: CompleteSchedule | 'own' } {
  if (typeof given === 'function') return { schedule: given(length), described: 'own' };
  const described = completeSchedule(given ?? {}, length);
  return { schedule: scheduleOf(described, length), described };
}

/** What data looks like, shortly: enough to tell that it is another. */
function describeData(data: Dataset, indices: readonly number[]): Record<string, unknown> {
  const used = fingerprint([data.names, Array.from(data.sizes), indices]);
  return {
    path: data.path,
    ...(data.split !== undefined && { split: data.split }),
    images: indices.length,
    fingerprint: used,
  };
}

/**
 * Checks the options and decides what they leave open.
 *
 * @throws TorchdetError ERR_OPTION_UNKNOWN, ERR_OPTION_VALUE, ERR_INVALID_ARGUMENT, ERR_ARCHIVE_UNSUPPORTED
 */
export function planTraining(options: TrainerOptions): TrainingPlan {
  checkGiven(options);
  const { detector, data } = options;
  checkDetector(detector, data);
  const epochs = checkInteger(where, 'epochs', options.epochs ?? 12, 1);
  const batchSize = checkInteger(where, 'batchSize', options.batchSize ?? 4, 1);
  const accumulate = checkInteger(where, 'accumulate', options.accumulate ?? 1, 1);
  const seed = checkInteger(where, 'seed', options.seed ?? 0, 0);
  const augmentation = options.augmentation ?? defaultAugmentation(detector.facts);
  const group = new RunGroup(
    checkGroup(where, options.group),
    options.onError !== undefined && options.onError !== 'throw',
  );
  const imagesPerStep = batchSize * accumulate * group.size;
  const optimizer = options.optimizer ?? defaultOptimizer(detector.facts, imagesPerStep);
  const { indices, workers, cacheBytes, onError } = options;
  const loader = new Loader(learnsMasks(detector) ? data : boxesOnly(data), {
    batchSize,
    seed,
    augmentation,
    shard: { index: group.rank, count: group.size },
    ...(indices && { indices }),
    ...(workers !== undefined && { workers }),
    ...(cacheBytes !== undefined && { cacheBytes }),
    ...(onError && { onError }),
  });
  if (loader.length === 0) throw optionError(where, 'data', 0, 'a data set with images');
  const stepsPerEpoch = Math.ceil(loader.length / accumulate);
  const length = { epochs, stepsPerEpoch, steps: epochs * stepsPerEpoch };
  const { schedule, described } = planSchedule(options.schedule, length);
  const decay = emaDecay(options.ema ?? false, length.steps);
  const restarts = described === 'own' ? 0 : described.warmupSteps;
  const { clipNorm, clipValue } = options;
  const step = {
    amp: checkChoice(where, 'amp', options.amp ?? 'off', ['off', 'bfloat16', 'float16']),
    ...(clipNorm !== undefined && { clipNorm: checkPositive(where, 'clipNorm', clipNorm) }),
    ...(clipValue !== undefined && { clipValue: checkPositive(where, 'clipValue', clipValue) }),
  };
  const val = validation(options);
  const common = val ? commonKinds(detector, val.data) : [];
  const kinds = options.kinds === undefined ? common : checkKinds(where, options.kinds);
  const used = indices ?? Array.from({ length: data.length }, (_, i) => i);
  checkBoolean(where, 'resume', options.resume ?? false);
  return {
    group,
    loader,
    val,
    length,
    epochs,
    accumulate,
    optimizer,
    schedule,
    seed,
    ema: decay === undefined ? undefined : { decay, restarts },
    step,
    earlyStopping: stopping(options.earlyStopping),
    evaluateEvery: checkInteger(where, 'evaluateEvery', options.evaluateEvery ?? 1, 1),
    kinds,
    bestBy: checkChoice(where, 'bestBy', options.bestBy ?? 'ap', ['ap', 'ap50']),
    checkpointMinutes: checkNumber(where, 'checkpointMinutes', options.checkpointMinutes ?? 5, 0),
    described: {
      epochs,
      batchSize,
      ...(group.size > 1 && { processes: group.size }),
      accumulate,
      seed,
      augmentation: typeof augmentation === 'string' ? augmentation : 'own',
      optimizer,
      schedule: described,
      ema: decay ?? false,
      ...step,
      earlyStopping: options.earlyStopping ?? null,
      data: describeData(data, used),
      val: val ? describeData(val.data, val.indices) : null,
    },
  };
}
