/** What the writers of the formats share. */
import { constants, copyFile, link } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import { TorchdetError } from '../errors';
import type { Dataset, Entry } from './dataset';
import { messageOf } from './reader';
import type { Written } from './written';

/** What becomes of the images when a data set is written. */
export const imageModes = ['copy', 'link', 'none'] as const;
export type ImageMode = (typeof imageModes)[number];

/** Counts what the target format cannot hold, by what it is. */
export class Losses {
  readonly #counts = new Map<string, number>();

  /** @param what in words that follow a number: `masks: VOC holds none` */
  add(what: string, count = 1): void {
    if (count > 0) this.#counts.set(what, (this.#counts.get(what) ?? 0) + count);
  }

  /** One line for each kind of loss. */
  get lines(): string[] {
    return [...this.#counts].map(([what, count]) => `${count} ${what}`);
  }
}

/** Gives images names of their own in one folder: annotations are found by the name without extension. */
export class ImageNames {
  readonly #taken = new Set<string>();
  readonly #byPath = new Map<string, string>();

  /**
   * The name for an entry's image; the same image keeps its name.
   *
   * @param copy tells copies of an image apart, counted from 0
   */
  of({ image, name }: Entry, copy = 0): string {
    const key = `${copy} ${image}`;
    const known = this.#byPath.get(key);
    if (known !== undefined) return known;
    const extension = extname(image);
    const parts = name.split(/[/\\]/).filter((part) => part !== '' && !/^\.+$/.test(part));
    const short = basename(parts.at(-1) ?? 'image', extname(name));
    const long = parts.join('_').slice(0, -extname(name).length || undefined);
    let stem = this.#isFree(short) ? short : long;
    for (let n = 2; !this.#isFree(stem); n++) stem = `${long}-${n}`;
    this.#taken.add(stem.toLowerCase());
    this.#byPath.set(key, stem + extension);
    return stem + extension;
  }

  /** Compared without case: some file systems do not tell Photo from photo. */
  #isFree(stem: string): boolean {
    return !this.#taken.has(stem.toLowerCase());
  }
}

/** What a writer works with. */
export interface WriteContext {
  readonly out: string;
  readonly images: ImageMode;
  readonly names: ImageNames;
  readonly losses: Losses;
  /** All that is written is told to it. */
  readonly written: Written;
  readonly signal?: AbortSignal | undefined;
  /** Number images and objects anew even where the source has ids. */
  readonly renumber?: boolean;
  /** Called after each image. */
  readonly step: () => void;
}

/** Writes data sets, one for each split. */
export interface Writer {
  add(dataset: Dataset, split: string | undefined): Promise<void>;
  /** Writes what belongs to all splits. */
  finish(): Promise<void>;
}

/**
 * Puts an image where it is to be: copied, or linked where the file system can (and copied where it cannot).
 *
 * @throws TorchdetError ERR_FILE
 */
export async function placeImage(
  from: string,
  to: string,
  { images, written }: WriteContext,
): Promise<void> {
  if (images === 'none') return;
  try {
    await written.begin(to);
    if (images === 'link') {
      const linked = await link(from, to).then(
        () => true,
        () => false,
      );
      if (linked) return;
    }
    await copyFile(from, to, constants.COPYFILE_FICLONE);
  } catch (error) {
    throw new TorchdetError('ERR_FILE', `Cannot copy ${from} to ${to}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

/** A coordinate without the noise of its arithmetic: 612.67 for 612.6700000000001. */
export function clean(value: number): number {
  return Number(value.toFixed(9));
}

/** Object k's box. */
export function boxOf(entry: Entry, k: number): [x1: number, y1: number, x2: number, y2: number] {
  const [x1 = 0, y1 = 0, x2 = 0, y2 = 0] = entry.boxes.subarray(4 * k, 4 * k + 4);
  return [x1, y1, x2, y2];
}

/** Whether the area says something that the box does not. */
export function hasOwnArea(entry: Entry, k: number): boolean {
  const [x1, y1, x2, y2] = boxOf(entry, k);
  const area = (x2 - x1) * (y2 - y1);
  // Files round areas to a decimal or two.
  return Math.abs((entry.areas[k] ?? area) - area) > 0.01 * area + 0.5;
}

/** Counts what both VOC and YOLO cannot hold of a data set. */
export function countLosses(dataset: Dataset, entry: Entry, losses: Losses, format: string): void {
  if (entry.labelledClasses) {
    losses.add(`images' lists of the classes marked in them: ${format} has no place for them`);
  }
  if (dataset.hasMasks) return;
  for (let k = 0; k < entry.length; k++) {
    if (hasOwnArea(entry, k))
      losses.add(`areas that are not their boxes': ${format} has no place for them`);
  }
}

/** Whether classes have numbers in the files that counting from 1 does not give. */
export function hasOwnClassIds({ format, categories }: Dataset): boolean {
  return format === 'coco' && categories.some(({ id, label }) => id !== label);
}

/** Where an image lies below the folder written to. */
export function imagePlace(context: WriteContext, folder: string, entry: Entry): string {
  return join(context.out, folder, context.names.of(entry));
}
