/** Which images make up which batch of an epoch. */
import { permutation, RandomStream } from './augment-random';

/** How images are put into batches. */
export interface BatchOrder {
  /** Images in a batch, over all processes of {@link shard} together. */
  readonly batchSize: number;
  readonly shuffle: boolean;
  readonly seed: number;
  readonly epoch: number;
  /** Whether a last batch that is not full is left out. */
  readonly dropLast: boolean;
  /** Batches hold images of similar shape: 2 * k + 2 groups of aspect ratios, with bounds from 1/2 to 2. 0: one group. */
  readonly aspectRatioGroups: number;
}

/** Streams of random numbers are told apart by what they are for. */
const orderStream = 0x6f72646572;

/** Bounds of the groups: powers of two from 1/2 to 2, as torchvision's create_aspect_ratio_groups. */
export function aspectRatioBounds(groups: number): number[] {
  if (groups === 0) return [];
  return Array.from({ length: 2 * groups + 1 }, (_, i) => 2 ** (i / groups - 1));
}

/** The number of bounds that are not above the ratio. */
function groupOf(ratio: number, bounds: readonly number[]): number {
  return bounds.filter((bound) => bound <= ratio).length;
}

/**
 * The batches of an epoch: lists of positions in the data set. Images go to batches of their group in the order of the
 * (shuffled) epoch; what is left in the groups at the end is joined, from the flattest images to the tallest, so that at
 * most one batch is not full and their number does not depend on the shapes.
 *
 * @param indices the images to use
 * @param sizes of all images of the data set: [width, height] after [width, height]
 */
export function batchesOf(
  indices: readonly number[],
  sizes: Int32Array,
  order: BatchOrder,
): number[][] {
  const { batchSize, shuffle, seed, epoch } = order;
  const random = new RandomStream(seed, orderStream, epoch);
  const sequence = shuffle
    ? permutation(indices.length, random).map((i) => indices[i] ?? 0)
    : indices;
  const bounds = aspectRatioBounds(order.aspectRatioGroups);
  const groups: number[][] = Array.from({ length: bounds.length + 1 }, () => []);
  const batches: number[][] = [];
  for (const index of sequence) {
    const ratio = (sizes[2 * index] ?? 1) / (sizes[2 * index + 1] ?? 1);
    const group = groups[groupOf(ratio, bounds)];
    group?.push(index);
    if (group?.length === batchSize) batches.push(group.splice(0));
  }
  const rest = groups.reverse().flat();
  for (let at = 0; at < rest.length; at += batchSize) {
    const batch = rest.slice(at, at + batchSize);
    if (batch.length === batchSize || !order.dropLast) batches.push(batch);
  }
  return batches;
}

/** One of several processes that train together. */
export interface Shard {
  /** Which of them, from 0. */
  readonly index: number;
  readonly count: number;
}

/**
 * One process's part of a joint batch: all get the same number of images, if need be by repeating the first ones, since
 * each waits for the others at every step.
 */
export function shardOf(batch: readonly number[], shard: Shard): number[] {
  const each = Math.ceil(batch.length / shard.count);
  return Array.from(
    { length: each },
    (_, i) => batch[(shard.index * each + i) % batch.length] ?? 0,
  );
}
