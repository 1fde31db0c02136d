/** What is public of batches and augmentation. */
export {
  augmentation,
  augmentationNames,
  type Augmentation,
  type AugmentationName,
} from './augment';
export type { ColourChange, Draft } from './augment-draft';
export type { RandomSource } from './augment-random';
export * as transforms from './augment-transforms';
export type { Transform } from './augment-transforms';
export {
  type Batch,
  type EpochOptions,
  Loader,
  type LoaderOptions,
  type OnSampleError,
  type SampleFailure,
} from './loader';
export type { Sample } from './loader-sample';
export type { Shard } from './sampler';
