/** What the calls of a detector may be given. */
import type { PrecisionOptions } from './detection/precision';
import type { WeightsOptions, WeightsSource } from './detection/weights';

/** Options of all ways to make a detector. */
export interface DeviceOptions extends PrecisionOptions {
  /** `auto` (default: CUDA where there is a device, else the CPU), `cpu`, `cuda` or `cuda:<index>`. */
  readonly device?: string;
  /** Names by label, the background at 0. Default: those of the weights or the archive. */
  readonly categories?: readonly string[];
  /**
   * true lets images of several `predict` calls that wait at the same time go through the network together, where they have one shape
   * and are no larger than what is of use in a batch: more images a second, and rounding that depends on what else goes on. Calls that
   * are `exact` or `padded` stay by themselves. Default: true on a GPU, false on the CPU.
   */
  readonly shareBatches?: boolean;
  /**
   * true records the work of a batch on a GPU as a CUDA graph when one of its shape comes for the third time, and replays it from then
   * on: less waiting for the CPU, for memory of up to eight graphs. Not for archives that run through their own forward. It has no
   * effect on the CPU. Default: false.
   */
  readonly cudaGraphs?: boolean;
  /** Called with what the user should know, for example that a head was replaced. Default: `process.emitWarning`. */
  readonly onMessage?: (message: string) => void;
}

export interface CreateOptions extends DeviceOptions, WeightsOptions {
  /** State dict of the whole detector: a path, its bytes, or the name of published weights, which are downloaded once. */
  readonly weights?: WeightsSource;
  /** State dict of an image classifier for the backbone, given likewise. */
  readonly backboneWeights?: WeightsSource;
  /** Seed of the first weights. Default 0. */
  readonly seed?: number;
  /** false takes of `weights` what fits and reports the rest. Default true. */
  readonly strict?: boolean;
}

export interface PredictOptions {
  /** Detections scoring less are left out, beyond the model's own threshold. 0 to 1, default 0. */
  readonly scoreThreshold?: number;
  /** Rejects with the signal's reason; queued work is dropped, running work ends at its next stage. */
  readonly signal?: AbortSignal;
  /**
   * true runs the network op by op as described, the reference for comparisons with torchvision; false (default) folds
   * normalisation into convolutions and fuses activations: boxes within 0.05 px and scores within 1e-4 of the former
   * in float32. The exact form is float32 whatever the precision.
   */
  readonly exact?: boolean;
  /**
   * true makes one batch of all images, each padded to the largest, as torchvision does: what is found in an image then depends on its
   * neighbours' shapes, and time and memory go with the padding. false takes images of one shape together, as many as are of use, so
   * that every image has the detections it has alone. Default: what `exact` is.
   */
  readonly padded?: boolean;
  /** Images of more pixels are refused before they are decoded. Default 100 million. */
  readonly maxPixels?: number;
}

export const DEVICE_OPTIONS = [
  'device',
  'categories',
  'onMessage',
  'shareBatches',
  'cudaGraphs',
  'precision',
  'calibration',
] as const;
export const CREATE_OPTIONS = [
  ...DEVICE_OPTIONS,
  'weights',
  'backboneWeights',
  'seed',
  'strict',
  'onProgress',
  'signal',
] as const;
export const PREDICT_OPTIONS = [
  'scoreThreshold',
  'signal',
  'exact',
  'padded',
  'maxPixels',
] as const;

/** What of the options is for a named model's builder. */
export function builderOptions(options: CreateOptions): object {
  const own: readonly string[] = CREATE_OPTIONS;
  return Object.fromEntries(Object.entries(options).filter(([name]) => !own.includes(name)));
}
