/** Batches of a data set, read ahead in parallel and repeatable. */
import { availableParallelism } from 'node:os';
import { optionError, rejectUnknownOptions } from '../errors';
import { checkDecodeOptions } from '../images/decode';
import { augmentation, type Augmentation } from './augment';
import { RandomStream } from './augment-random';
import type { Transform } from './augment-transforms';
import type { Dataset } from './dataset';
import { type Decoded, decodeEntry, type Sample, sampleOf } from './loader-sample';
import { Lanes, readAhead } from './loader-work';
import { batchesOf, type Shard, shardOf } from './sampler';

/** An image that could not be used. */
export interface SampleFailure {
  /** Position in the data set. */
  readonly index: number;
  /** Path of the image. */
  readonly image: string;
  /** What was wrong; the message names the image. */
  readonly error: unknown;
}

/** What to do about an image that cannot be read: end the epoch, leave it out, or ask. */
export type OnSampleError = 'throw' | 'skip' | ((failure: SampleFailure) => 'throw' | 'skip');

/** Options of {@link Loader}. */
export interface LoaderOptions {
  /** Images in a batch; default 2. With {@link shard}, in each process. */
  readonly batchSize?: number;
  /** Whether each epoch has an order of its own; default true. */
  readonly shuffle?: boolean;
  /** Of order and augmentation; default 0. The same seed gives the same batches. */
  readonly seed?: number;
  /** Default 'none'. */
  readonly augmentation?: Augmentation;
  /** Whether a last batch that is not full is left out; default false. */
  readonly dropLast?: boolean;
  /**
   * Batches hold images of similar shape, so that little is padded: k divides the aspect ratios from 1/2 to 2 into 2k
   * groups, and one beyond at either end. 0: not grouped. Default 3, as in torchvision's references.
   */
  readonly aspectRatioGroups?: number;
  /** Images worked on at the same time; default the number of cores, 4 at most. */
  readonly workers?: number;
  /** Batches made ready ahead of the one that is in use; default 2. They are what takes memory. */
  readonly prefetch?: number;
  /** Decoded images are kept for the next epoch, up to this many bytes; default 0. */
  readonly cacheBytes?: number;
  /** Default 'throw'. A batch all of whose images are left out has none, and comes nevertheless. */
  readonly onError?: OnSampleError;
  /** Images to use, by position in the data set; default all. */
  readonly indices?: readonly number[];
  /** Which of several processes this is; each gets its part of every joint batch. */
  readonly shard?: Shard;
  /** See `decodeImage`. */
  readonly maxPixels?: number;
  /** See `decodeImage`. */
  readonly failOn?: 'none' | 'truncated' | 'error' | 'warning';
}

/** Some images to train on. */
export interface Batch {
  readonly epoch: number;
  /** Position in the epoch, from 0. */
  readonly index: number;
  /** What `Detector.trainStep` takes. */
  readonly samples: readonly Sample[];
  /** Images that were left out. */
  readonly failures: readonly SampleFailure[];
}

/** Which part of an epoch to go through. */
export interface EpochOptions {
  /** Batch to begin with, from 0: where an interrupted run goes on. */
  readonly from?: number;
  /** Ends the epoch: the loop rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

const optionNames: (keyof LoaderOptions)[] = [
  'batchSize',
  'shuffle',
  'seed',
  'augmentation',
  'dropLast',
  'aspectRatioGroups',
  'workers',
  'prefetch',
  'cacheBytes',
  'onError',
  'indices',
  'shard',
  'maxPixels',
  'failOn',
];

/** Tells the stream of augmentation from others with the same seed. */
const augmentStream = 0x61756775;

function checkWhole(name: string, value: number, least: number): void {
  if (Number.isSafeInteger(value) && value >= least) return;
  throw optionError('Loader', name, value, `a whole number from ${least}`);
}

function checkShard({ index, count }: Shard): void {
  checkWhole('shard.count', count, 1);
  checkWhole('shard.index', index, 0);
  if (index >= count) throw optionError('Loader', 'shard.index', index, `below count, ${count}`);
}

/** All options with their defaults. */
function complete(options: LoaderOptions, dataset: Dataset) {
  rejectUnknownOptions('Loader', options, optionNames);
  const full = {
    batchSize: 2,
    shuffle: true,
    seed: 0,
    dropLast: false,
    aspectRatioGroups: 3,
    workers: Math.min(4, availableParallelism()),
    prefetch: 2,
    cacheBytes: 0,
    onError: 'throw' as OnSampleError,
    indices: Array.from({ length: dataset.length }, (_, i) => i) as readonly number[],
    shard: { index: 0, count: 1 } as Shard,
    ...(Object.fromEntries(
      Object.entries(options).filter(([, value]) => value !== undefined),
    ) as LoaderOptions),
  };
  checkWhole('batchSize', full.batchSize, 1);
  checkWhole('seed', full.seed, 0);
  checkWhole('aspectRatioGroups', full.aspectRatioGroups, 0);
  checkWhole('workers', full.workers, 1);
  checkWhole('prefetch', full.prefetch, 0);
  if (!(full.cacheBytes >= 0)) {
    throw optionError('Loader', 'cacheBytes', full.cacheBytes, 'a number of bytes from 0');
  }
  checkShard(full.shard);
  for (const index of full.indices) {
    if (!(Number.isInteger(index) && index >= 0 && index < dataset.length)) {
      const range = `positions in the data set, 0 to ${dataset.length - 1}`;
      throw optionError('Loader', 'indices', index, range);
    }
  }
  const { maxPixels, failOn } = options;
  return { ...full, decoding: checkDecodeOptions('Loader', { maxPixels, failOn }) };
}

/**
 * Goes through a data set in batches. Images are read, decoded and augmented in parallel on other threads, ahead of the loop
 * that uses them but no further than `prefetch` batches. What an image becomes depends on seed, epoch and image alone:
 * neither on the number of workers nor on where an epoch was begun.
 *
 * ```ts
 * const loader = new Loader(dataset, { batchSize: 4, augmentation: 'hflip', seed: 1 });
 * for await (const { samples } of loader) await detector.trainStep(samples, { optimizer });
 * ```
 */
export class Loader {
  readonly dataset: Dataset;
  readonly #options: ReturnType<typeof complete>;
  readonly #transforms: readonly Transform[];
  readonly #lanes: Lanes;
  readonly #cache = new Map<number, Decoded>();
  #cachedBytes = 0;
  #nextEpoch = 0;

  /** @throws TorchdetError ERR_OPTION_VALUE, ERR_OPTION_UNKNOWN */
  constructor(dataset: Dataset, options: LoaderOptions = {}) {
    this.dataset = dataset;
    this.#options = complete(options, dataset);
    this.#transforms = augmentation(options.augmentation ?? 'none');
    this.#lanes = new Lanes(this.#options.workers);
  }

  /** Batches of an epoch: the same number in each. */
  get length(): number {
    const { indices, batchSize, shard, dropLast } = this.#options;
    const batches = indices.length / (batchSize * shard.count);
    return dropLast ? Math.floor(batches) : Math.ceil(batches);
  }

  /** Bytes of decoded images that are kept. */
  get cachedBytes(): number {
    return this.#cachedBytes;
  }

  /** Which images are in which batch of an epoch: lists of positions in the data set. */
  order(epoch: number): number[][] {
    const { indices, shard, batchSize } = this.#options;
    const joint = { ...this.#options, batchSize: batchSize * shard.count, epoch };
    return batchesOf(indices, this.dataset.sizes, joint).map((batch) => shardOf(batch, shard));
  }

  /**
   * The batches of an epoch, in order.
   *
   * @param epoch which, from 0: it decides on order and augmentation
   * @throws TorchdetError ERR_OPTION_VALUE; while iterating, the errors of images (unless skipped), whose messages name the
   *   image's path, and the signal's reason
   */
  epoch(epoch: number, options: EpochOptions = {}): AsyncGenerator<Batch, void, undefined> {
    rejectUnknownOptions('Loader.epoch', options, ['from', 'signal']);
    const { from = 0, signal } = options;
    checkWhole('epoch', epoch, 0);
    checkWhole('from', from, 0);
    const batches = this.order(epoch).slice(from);
    const start = (position: number, stop: AbortSignal): Promise<Batch> =>
      this.#batch(batches[position] ?? [], epoch, from + position, stop);
    return readAhead(batches.length, this.#options.prefetch, start, signal);
  }

  /** The next epoch: the first one the first time. */
  [Symbol.asyncIterator](): AsyncGenerator<Batch, void, undefined> {
    return this.epoch(this.#nextEpoch++);
  }

  async #batch(
    positions: readonly number[],
    epoch: number,
    index: number,
    stop: AbortSignal,
  ): Promise<Batch> {
    const outcomes = await Promise.all(
      positions.map((position) =>
        this.#lanes.run(stop, (lane) => this.#sample(position, epoch, lane)),
      ),
    );
    const samples = outcomes.flatMap((outcome) => ('sample' in outcome ? outcome.sample : []));
    const failures = outcomes.flatMap((outcome) => ('failure' in outcome ? outcome.failure : []));
    return { epoch, index, samples, failures };
  }

  async #sample(
    position: number,
    epoch: number,
    lane: number,
  ): Promise<{ sample: Sample } | { failure: SampleFailure }> {
    const entry = this.dataset.entry(position);
    const random = new RandomStream(this.#options.seed, augmentStream, epoch, position);
    try {
      const decoded =
        this.#cache.get(position) ?? (await decodeEntry(entry, this.#options.decoding));
      this.#keep(position, decoded);
      const sample = await sampleOf(entry, this.dataset, decoded, this.#transforms, random, lane);
      return { sample };
    } catch (error) {
      const failure = { index: position, image: entry.image, error };
      const { onError } = this.#options;
      const action = typeof onError === 'function' ? onError(failure) : onError;
      if (action === 'throw') throw error;
      return { failure };
    }
  }

  /** Every image is used once an epoch: what came first is kept, since nothing is gained by exchanging it. */
  #keep(position: number, decoded: Decoded): void {
    if (this.#cache.has(position)) return;
    const bytes = decoded.image.data.length + (decoded.masks?.length ?? 0);
    if (this.#cachedBytes + bytes > this.#options.cacheBytes) return;
    this.#cache.set(position, decoded);
    this.#cachedBytes += bytes;
  }
}
