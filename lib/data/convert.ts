/** From one format to another. */
import { readdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import { optionError, rejectUnknownOptions, TorchdetError } from '../errors';
import type { Dataset } from './dataset';
import { datasetParts, openDataset, openOptionNames, type OpenOptions } from './open';
import type { Problem } from './problems';
import { kindOf } from './reader';
import {
  ImageNames,
  imageModes,
  Losses,
  type ImageMode,
  type WriteContext,
  type Writer,
} from './write';
import { CocoWriter } from './write-coco';
import { VocWriter } from './write-voc';
import { YoloWriter } from './write-yolo';
import { Written } from './written';

/** Formats that can be written. */
export type TargetFormat = 'coco' | 'voc' | 'yolo';

/** Options of {@link convertDataset}; those of opening are for the source. */
export interface ConvertOptions extends Omit<OpenOptions, 'onProgress'> {
  readonly to: TargetFormat;
  /** Folder to write; it must be empty or not be there. */
  readonly out: string;
  /** 'copy' (the default), 'link' (hard links, where the file system can) or 'none' (annotations alone). */
  readonly images?: ImageMode | undefined;
  /** Told how far reading of the annotations has come, 0 to 1; begins anew with each split. */
  readonly onReading?: ((done: number) => void) | undefined;
  /** Told after each image how many of how many are done. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/** What was converted. */
export interface Conversion {
  readonly images: number;
  readonly objects: number;
  /** Splits written; empty where the data set has none. */
  readonly splits: readonly string[];
  /** What the target format cannot hold, a line for each kind. */
  readonly lost: readonly string[];
  /** What was wrong with the source, and is left out. */
  readonly problems: readonly Problem[];
}

const writers: Readonly<Record<TargetFormat, new (context: WriteContext) => Writer>> = {
  coco: CocoWriter,
  voc: VocWriter,
  yolo: YoloWriter,
};

function checkOptions(options: ConvertOptions): void {
  const { to, images = 'copy', out } = options;
  const own = ['to', 'out', 'images', 'onReading'] as const;
  rejectUnknownOptions('convertDataset', options, [...own, ...openOptionNames]);
  if (!Object.hasOwn(writers, to)) {
    throw optionError('convertDataset', 'to', to, `one of ${Object.keys(writers).join(', ')}`);
  }
  if (!imageModes.includes(images)) {
    throw optionError('convertDataset', 'images', images, `one of ${imageModes.join(', ')}`);
  }
  if (typeof out !== 'string' || out === '') {
    throw optionError('convertDataset', 'out', out, 'a folder');
  }
}

/**
 * @internal
 * @throws TorchdetError ERR_FILE
 */
export async function checkOut(out: string): Promise<void> {
  if ((await kindOf(out)) === undefined) return;
  const names = await readdir(out).catch(() => undefined);
  if (names?.length === 0) return;
  const what = names ? 'is not empty' : 'is no folder';
  throw new TorchdetError('ERR_FILE', `${out} ${what}: name a new folder for what is written.`);
}

/**
 * Images that no split lists would be lost without a word.
 *
 * @internal
 */
export async function countUnlisted(
  path: string,
  options: OpenOptions,
  listed: number,
): Promise<number> {
  const all = await openDataset(path, { ...options, split: undefined }).catch(() => undefined);
  return all ? Math.max(0, all.length - listed) : 0;
}

/**
 * Converts a data set, every split of it or the one named. Boxes, classes and splits are kept by all formats; what the
 * target cannot hold (masks in VOC, crowds in YOLO, ...) is counted in the result. What was wrong with the source is
 * left out. Where it fails or is interrupted, what it wrote is taken away.
 *
 * @throws TorchdetError as {@link openDataset}; ERR_FILE where the folder is not empty or cannot be written
 */
export async function convertDataset(path: string, options: ConvertOptions): Promise<Conversion> {
  checkOptions(options);
  const { to, images = 'copy', onProgress, onReading, ...rest } = options;
  const out = resolve(options.out);
  await checkOut(out);
  const opening: OpenOptions = Object.fromEntries(
    Object.entries(rest).filter(([key]) => key !== 'out'),
  );
  const parts = await datasetParts(path, opening);
  const datasets: { dataset: Dataset; split: string | undefined }[] = [];
  for (const split of parts) {
    const how = { ...opening, split, onProgress: onReading };
    datasets.push({ dataset: await openDataset(path, how), split });
  }
  const total = datasets.reduce((sum, { dataset }) => sum + dataset.length, 0);
  const losses = new Losses();
  if (parts.length > 1 && options.split === undefined) {
    losses.add('images that no split lists: left out', await countUnlisted(path, opening, total));
  }
  let done = 0;
  const step = () => onProgress?.(++done, total);
  const written = new Written();
  const writer = new writers[to]({
    ...{ out, images, names: new ImageNames(), losses, written, signal: options.signal, step },
  });
  let objects = 0;
  await written.during(async () => {
    for (const { dataset, split } of datasets) {
      for (let i = 0; i < dataset.length; i++) objects += dataset.entry(i).length;
      await writer.add(dataset, split);
    }
    await writer.finish();
  });
  return {
    images: total,
    objects,
    splits: parts.filter((split) => split !== undefined),
    lost: losses.lines,
    problems: datasets.flatMap(({ dataset }) => [...dataset.problems]),
  };
}
