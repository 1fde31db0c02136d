/** What the readers of the formats hand over, and what they share. */
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, extname, join, resolve, sep } from 'node:path';
import sharp from 'sharp';
import { TorchdetError } from '../errors';
import type { Category, DataFormat, Segmentation } from './dataset';
import type { Problem, Problems } from './problems';
import type { KeypointTable, ObjectRow, ObjectTable } from './table';

/** An image as a reader knows it. */
export interface ImageRecord {
  readonly id: number;
  readonly name: string;
  readonly path: string;
  readonly width: number;
  readonly height: number;
  /** Indices of the classes that are marked exhaustively; undefined: all. */
  readonly labelled?: readonly number[] | undefined;
  /** File that holds its annotations, and the line. */
  readonly file: string;
  readonly line?: number | undefined;
}

/** A data set as it was read, its boxes not yet checked. */
export interface RawDataset {
  readonly format: DataFormat;
  readonly categories: readonly Omit<Category, 'label'>[];
  /** Where the classes are named, for messages. */
  readonly classFile?: string | undefined;
  readonly images: readonly ImageRecord[];
  /** Objects in the order of the files. */
  readonly objects: ObjectTable;
  readonly keypoints?: KeypointTable | undefined;
  /** Reads the outlines of an image's objects; absent where there are none. */
  readonly segmentations?:
    | ((image: ImageRecord, objects: readonly ObjectRow[]) => Promise<(Segmentation | undefined)[]>)
    | undefined;
  /** What an object is called in its file. */
  readonly objectName: (object: ObjectRow) => string;
}

/** What a reader is given. */
export interface ReadContext {
  readonly problems: Problems;
  /** Names of the classes wanted, where the caller gave them. */
  readonly classes?: readonly string[] | undefined;
  readonly split?: string | undefined;
  readonly imageDir?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Told how far reading has come, 0 to 1. */
  readonly onProgress?: ((done: number) => void) | undefined;
}

/** A data set that was recognised in a folder, not yet read. */
export interface Source {
  readonly format: DataFormat;
  /** Names of its splits; `valid` and `validation` are called `val`. */
  splits(signal?: AbortSignal): Promise<readonly string[]>;
  /** @throws TorchdetError ERR_DATASET, ERR_FILE */
  read(context: ReadContext): Promise<RawDataset>;
}

/** The error for a data set that cannot be opened at all. */
export function datasetError(message: string, cause?: unknown): TorchdetError {
  return new TorchdetError('ERR_DATASET', message, { cause });
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** @throws TorchdetError ERR_FILE */
export function fileError(file: string, error: unknown): TorchdetError {
  return new TorchdetError('ERR_FILE', `Cannot read ${file}: ${messageOf(error)}`, {
    cause: error,
  });
}

export async function kindOf(path: string): Promise<'file' | 'folder' | undefined> {
  try {
    return (await stat(path)).isDirectory() ? 'folder' : 'file';
  } catch {
    return undefined;
  }
}

/** The part of a file's or folder's name that says which split it is: train2017, instances_val, valid. */
export function splitOfName(name: string): string | undefined {
  const found = /(?:^|[^a-z])(train|val|valid|validation|test|trainval)\d*(?:[^a-z]|$)/i.exec(name);
  return found?.[1] === undefined ? undefined : splitName(found[1]);
}

/** @throws TorchdetError ERR_DATASET where the split is not among those there are */
export function checkSplit(path: string, split: string, splits: readonly string[]): void {
  if (splits.includes(split)) return;
  const there = splits.length === 0 ? 'no splits' : [...splits].join(', ');
  throw datasetError(`${path}: there is no split "${split}"; the data set has ${there}.`);
}

/** Whether a mark such as COCO's iscrowd is set: files have 1, true, and both as text; "0" is not. */
export function isSet(value: unknown): boolean {
  return Number(value) === 1 || /^true$/i.test(String(value));
}

/** Splits go by several names. */
export function splitName(name: string): string {
  return /^val(id|idation)?$/i.test(name) ? 'val' : name.toLowerCase();
}

/** Work on all items, a few at a time, results in the items' order; once one fails no other is begun. */
export async function mapLimited<T, R>(
  items: readonly T[],
  limit: number,
  work: (item: T, index: number) => Promise<R>,
  signal?: AbortSignal,
): Promise<R[]> {
  const results = new Array<R>(items.length);
  const queue = items.entries();
  let failed = false;
  const worker = async () => {
    for (const [index, item] of queue) {
      if (failed) return;
      try {
        signal?.throwIfAborted();
        results[index] = await work(item, index);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker));
  return results;
}

/** Files of a folder and the folders in it, looked up by name without asking the disk for each. */
export class ImageFolder {
  #names: Promise<Set<string>> | undefined;

  constructor(readonly path: string) {}

  /** The path of a file below the folder, or undefined where there is none. */
  async find(name: string): Promise<string | undefined> {
    this.#names ??= readdir(this.path, { recursive: true }).then(
      (names) => new Set(names),
      () => new Set(),
    );
    const names = await this.#names;
    const local = name.replaceAll('\\', '/').split('/').join(sep);
    const path = resolve(this.path, local);
    if (names.has(local)) return path;
    // Names that go up, and folders that are links, are not in the list.
    return (await kindOf(path)) === 'file' ? path : undefined;
  }
}

/** Folders below a folder, itself first, nearer ones before those further down. */
export async function foldersBelow(root: string, depth: number): Promise<string[]> {
  const found = [root];
  let level = [root];
  for (let k = 0; k < depth; k++) {
    const next: string[] = [];
    for (const folder of level) {
      const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
      for (const entry of entries) {
        if (entry.name.startsWith('.')) continue;
        const path = join(folder, entry.name);
        const isFolder =
          entry.isDirectory() || (entry.isSymbolicLink() && (await kindOf(path)) === 'folder');
        if (isFolder) next.push(path);
      }
    }
    level = next.sort();
    found.push(...level);
  }
  return found;
}

const imageExtension = /\.(jpe?g|jpe|jfif|png|webp|gif|tiff?|avif|bmp)$/i;

export function isImageName(name: string): boolean {
  return imageExtension.test(name) && !name.startsWith('.');
}

/** In the order people expect: photo-2 before photo-10. */
export function byName(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true }) || (a < b ? -1 : 1);
}

/** A file's name without folder and extension. */
export function stemOf(path: string): string {
  return basename(path, extname(path));
}

/** Names of classes, one a line, from the first of the files that is there. */
export async function readClassFile(files: readonly string[]): Promise<string[] | undefined> {
  for (const file of files) {
    const text = await readFile(file, 'utf8').catch(() => undefined);
    if (text === undefined) continue;
    const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/);
    const names = lines.map((line) => line.trim());
    while (names.at(-1) === '') names.pop();
    if (names.length > 0) return names;
  }
  return undefined;
}

/** The upright size of an image file, from its header alone. */
export async function imageSize(path: string): Promise<{ width: number; height: number }> {
  const { autoOrient } = await sharp(path, { limitInputPixels: false }).metadata();
  return { width: autoOrient.width, height: autoOrient.height };
}

/** The same, reporting a file without a readable header as a problem. */
export async function imageSizeOr(
  path: string,
  problems: Problems,
  about: Pick<Problem, 'file' | 'line' | 'image'>,
): Promise<{ width: number; height: number } | undefined> {
  try {
    return await imageSize(path);
  } catch (error) {
    const reason = messageOf(error).split('\n')[0] ?? '';
    const message = `the image ${path} cannot be read (${reason}); it is left out`;
    problems.report({ kind: 'image-unreadable', ...about, message });
    return undefined;
  }
}
