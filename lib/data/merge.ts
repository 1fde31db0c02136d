/** Several data sets written as one. */
import { resolve } from 'node:path';
import { optionError, rejectUnknownOptions } from '../errors';
import { checkOut, countUnlisted } from './convert';
import type { Dataset } from './dataset';
import { joinByName, joinDatasets } from './join';
import { datasetParts, openDataset } from './open';
import type { Problem } from './problems';
import { ImageNames, imageModes, Losses, type ImageMode } from './write';
import { CocoWriter } from './write-coco';
import { Written } from './written';

/** Options of {@link mergeDatasets}. */
export interface MergeOptions {
  /** Folder to write; it must be empty or not be there. */
  readonly out: string;
  /** Names of the classes by label from 1 on; objects of others are left out. Default: all classes of all sets. */
  readonly classes?: readonly string[] | undefined;
  /** 'copy' (the default), 'link' (hard links, where the file system can) or 'none' (annotations alone). */
  readonly images?: ImageMode | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Told how far reading of the annotations has come, 0 to 1; begins anew with each set. */
  readonly onReading?: ((done: number) => void) | undefined;
  /** Told after each image how many of how many are done. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/** What was merged. */
export interface Merger {
  /** Classes by label from 1 on. */
  readonly classes: readonly string[];
  readonly splits: readonly {
    readonly name: string;
    readonly images: number;
    readonly objects: number;
  }[];
  /** What was not taken over, a line for each kind. */
  readonly lost: readonly string[];
  /** What was wrong with the sources, and is left out. */
  readonly problems: readonly Problem[];
}

/** Where sets without splits go: they are merged to train on more. */
const defaultSplit = 'train';

/** train2017 is train, and so is a trainval that is not parted. */
function joinedSplit(split: string): string {
  return /^(train|val|test)(val)?\d*$/.exec(split)?.[1] ?? split;
}

/** Opens all parts of all sets, by the split that they go to. */
async function openParts(
  paths: readonly string[],
  { signal, onReading }: MergeOptions,
  losses: Losses,
): Promise<ReadonlyMap<string, readonly Dataset[]>> {
  const bySplit = new Map<string, Dataset[]>();
  for (const path of paths) {
    const parts = await datasetParts(path, { signal });
    let images = 0;
    for (const split of parts) {
      const data = await openDataset(path, { split, signal, onProgress: onReading });
      images += data.length;
      const name = joinedSplit(split ?? defaultSplit);
      bySplit.set(name, [...(bySplit.get(name) ?? []), data]);
    }
    if (parts.length > 1) {
      const unlisted = await countUnlisted(path, { signal }, images);
      losses.add(`images of ${path} that no split lists: left out`, unlisted);
    }
  }
  return bySplit;
}

/**
 * Writes several data sets as one, in COCO's format. Splits are joined by name (`train2017` is `train`); sets without splits go to
 * `train`. Classes, masks and keypoints are joined as {@link joinDatasets} does: an image says nothing about classes that its set does
 * not know. An image that several sets have is written once for each. What was wrong with the sources is left out. Where it fails or is
 * interrupted, what it wrote is taken away.
 *
 * @throws TorchdetError as {@link openDataset} and {@link joinDatasets}; ERR_FILE where the folder is not empty or cannot be written
 */
export async function mergeDatasets(
  paths: readonly string[],
  options: MergeOptions,
): Promise<Merger> {
  const names = ['out', 'classes', 'images', 'signal', 'onReading', 'onProgress'];
  rejectUnknownOptions('mergeDatasets', options, names);
  const { out, images = 'copy', signal, onProgress } = options;
  if (paths.length === 0) {
    throw optionError('mergeDatasets', 'paths', paths, 'paths of data sets, at least one');
  }
  if (!imageModes.includes(images)) {
    throw optionError('mergeDatasets', 'images', images, `one of ${imageModes.join(', ')}`);
  }
  if (typeof out !== 'string' || out === '') {
    throw optionError('mergeDatasets', 'out', out, 'a folder');
  }
  await checkOut(resolve(out));
  const losses = new Losses();
  const bySplit = await openParts(paths, options, losses);
  const all = joinDatasets([...bySplit.values()].flat(), { classes: options.classes });
  const classes = all.names.slice(1);
  let done = 0;
  const written = new Written();
  const writer = new CocoWriter({
    ...{ out: resolve(out), images, names: new ImageNames(), losses, written, signal },
    renumber: true,
    step: () => onProgress?.(++done, all.length),
  });
  const splits: { name: string; images: number; objects: number }[] = [];
  await written.during(async () => {
    for (const [name, sets] of bySplit) {
      const joined = joinByName(sets, classes);
      const before = writer.objects;
      await writer.add(joined, name);
      splits.push({ name, images: joined.length, objects: writer.objects - before });
    }
    await writer.finish();
  });
  return { classes, splits, lost: losses.lines, problems: all.problems };
}
