/** The file that describes a data set of YOLO's kind, and the images of its splits. */
import { readdir, readFile } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { parse } from 'yaml';
import {
  byName,
  datasetError,
  fileError,
  foldersBelow,
  isImageName,
  kindOf,
  messageOf,
  readClassFile,
  splitName,
  splitOfName,
} from './reader';
import type { KeypointShape } from './yolo-lines';

export interface YoloConfig {
  readonly root: string;
  /** The file that names the classes, for messages. */
  readonly file: string;
  /** Names by class index; undefined where nothing names them. */
  readonly names: readonly string[] | undefined;
  readonly keypointShape?: KeypointShape | undefined;
  /** Folders of images, and files that list them, of each split. */
  readonly splits: ReadonlyMap<string, readonly string[]>;
}

/** More classes than any data set has: an index beyond is a mistake, and must not become a list of that length. */
const mostClasses = 100_000;

function namesOf(value: unknown, file: string): string[] | undefined {
  if (Array.isArray(value)) return value.map(String);
  if (typeof value !== 'object' || value === null) return undefined;
  const names: string[] = [];
  for (const [key, name] of Object.entries(value)) {
    const index = Number(key);
    if (!Number.isInteger(index) || index < 0 || index >= mostClasses) {
      throw datasetError(
        `${file}: "names" has the index "${key}"; classes are counted from 0 in whole numbers.`,
      );
    }
    names[index] = String(name);
  }
  return Array.from(names, (name: string | undefined, k) => name ?? `class ${k}`);
}

function keypointShapeOf(value: unknown): KeypointShape | undefined {
  if (!Array.isArray(value) || value.length !== 2) return undefined;
  const [count, dimensions] = value as unknown[];
  return typeof count === 'number' && (dimensions === 2 || dimensions === 3)
    ? [count, dimensions]
    : undefined;
}

/** The path of a split as it is meant: configurations are written for many places to be started from. */
async function locate(path: string, folder: string, base: string): Promise<string | undefined> {
  const inner = path.replace(/^(\.\.[/\\])+/, '');
  for (const candidate of [resolve(base, path), resolve(folder, path), resolve(folder, inner)]) {
    if (await kindOf(candidate)) return candidate;
  }
  return undefined;
}

const usualSplits = ['train', 'val', 'valid', 'test'];

/** Keys of a `data.yaml` that are no splits, whatever they hold. */
export const otherKeys: ReadonlySet<string> = new Set([
  'path',
  'names',
  'nc',
  'download',
  'kpt_shape',
  'flip_idx',
  'channels',
  'images',
  'labels',
]);

/** Whether a folder has images, or a file lists some: configurations name other files too. */
async function holdsImages(place: string): Promise<boolean> {
  if ((await kindOf(place)) !== 'folder' && !/\.txt$/i.test(place)) return false;
  return (await imagesOf(place)).some((image) => isImageName(basename(image)));
}

/**
 * Reads a `data.yaml`.
 *
 * @returns undefined where the file is of another kind
 * @throws TorchdetError ERR_FILE; ERR_DATASET where it is no YAML
 */
export async function readYoloConfig(file: string): Promise<YoloConfig | undefined> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    throw fileError(file, error);
  });
  let document: unknown;
  try {
    document = parse(text);
  } catch (error) {
    throw datasetError(`${file}: ${messageOf(error)}`, error);
  }
  if (typeof document !== 'object' || document === null) return undefined;
  const config = document as Record<string, unknown>;
  const names = namesOf(config.names, file);
  if (!names) return undefined;
  const folder = dirname(resolve(file));
  const { path } = config;
  const base = typeof path === 'string' ? resolve(folder, path) : folder;
  const splits = new Map<string, string[]>();
  const others = Object.keys(config).filter((key) => !usualSplits.includes(key));
  for (const key of [...usualSplits, ...others]) {
    if (otherKeys.has(key)) continue;
    const listed = (Array.isArray(config[key]) ? config[key] : [config[key]]) as unknown[];
    for (const entry of listed) {
      const found = typeof entry === 'string' ? await locate(entry, folder, base) : undefined;
      if (found === undefined) continue;
      if (!usualSplits.includes(key) && !(await holdsImages(found))) continue;
      const split = splitName(key);
      splits.set(split, [...(splits.get(split) ?? []), found]);
    }
  }
  const keypointShape = keypointShapeOf(config.kpt_shape);
  return { root: folder, file, names, keypointShape, splits };
}

/** A configuration made up from folders alone: labels beside or instead of `images`, perhaps a file of class names. */
async function guessConfig(root: string): Promise<YoloConfig | undefined> {
  const splits = new Map<string, string[]>();
  const all: string[] = [];
  for (const folder of await foldersBelow(root, 3)) {
    const names = await readdir(folder).catch(() => []);
    const image = names.find(isImageName);
    if (image === undefined) continue;
    const labels = dirname(labelFile(join(folder, image)));
    const hasLabels = (await readdir(labels).catch(() => [])).some(
      (name) => name.endsWith('.txt') && name !== 'classes.txt',
    );
    if (!hasLabels) continue;
    all.push(folder);
    const split = splitOfName(relative(root, folder));
    if (split !== undefined) splits.set(split, [...(splits.get(split) ?? []), folder]);
  }
  if (all.length === 0) return undefined;
  if (splits.size === 0) splits.set('', all);
  const places = ['classes.txt', 'obj.names', 'labels/classes.txt'].map((name) => join(root, name));
  const names = await readClassFile(places);
  return { root, file: places[0] ?? root, names, splits };
}

/** The configuration of a folder, or undefined where it holds no data set of this kind. */
export async function findYoloConfig(root: string): Promise<YoloConfig | undefined> {
  const files = (await readdir(root).catch(() => [])).filter((name) => /\.ya?ml$/i.test(name));
  for (const name of files.sort(byName)) {
    const config = await readYoloConfig(join(root, name));
    if (config && config.splits.size > 0) return config;
  }
  return guessConfig(root);
}

/** Where an image's labels are: `labels` in the place of the last `images`, and .txt. */
export function labelFile(image: string): string {
  const parts = image.replace(/\.[^./\\]*$/, '.txt').split(/([/\\])/);
  const at = parts.lastIndexOf('images');
  if (at >= 0) parts[at] = 'labels';
  return parts.join('');
}

/** Images of a folder, of those below it, or of a file that lists them. */
export async function imagesOf(place: string): Promise<string[]> {
  if ((await kindOf(place)) === 'folder') {
    const names = await readdir(place, { recursive: true });
    const images = names.filter((name) => isImageName(name.split(/[/\\]/).at(-1) ?? ''));
    return images.sort(byName).map((name) => join(place, name));
  }
  const lines = (await readFile(place, 'utf8')).split(/\r?\n/).map((line) => line.trim());
  const listed = lines.filter((line) => line !== '');
  return Promise.all(
    listed.map(async (line) => (await locate(line, dirname(place), dirname(place))) ?? line),
  );
}
