/** Opens a data set of any kind. */
import { resolve } from 'node:path';
import { optionError, rejectUnknownOptions, TorchdetError } from '../errors';
import { cocoFileSource, findCoco } from './coco-source';
import type { DataFormat, Dataset } from './dataset';
import { findPennFudan } from './penn-fudan';
import { Problems, type OnProblem } from './problems';
import { datasetError, kindOf, splitName, type Source } from './reader';
import { Store } from './store';
import { findVoc } from './voc';
import { yoloSource } from './yolo';
import { findYoloConfig, readYoloConfig } from './yolo-config';

/** Options of {@link openDataset}. */
export interface OpenOptions {
  /** Which part: `train`, `val` (or `valid`, `validation`), `test`, ... Default: all there is. */
  readonly split?: string | undefined;
  /** The kind of the files, where a folder holds several. Default: recognised, in the order coco, voc, yolo, penn-fudan. */
  readonly format?: DataFormat | undefined;
  /**
   * Names of the classes by label from 1 on, as a detector's `categories` has them (a first `__background__` is passed
   * over). Objects of other classes are left out without a word. Default: the data set's own.
   */
  readonly classes?: readonly string[] | undefined;
  /** Folder of the images, where they do not lie with the annotations. */
  readonly imageDir?: string | undefined;
  /** What to do about bad boxes and the like. Default 'skip': leave them out and list them in `problems`. */
  readonly onProblem?: OnProblem | undefined;
  /** Pixels that a box may go beyond its image; larger overhangs are reported and cut off. Default 1. */
  readonly tolerance?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Told how far reading has come, 0 to 1. */
  readonly onProgress?: ((done: number) => void) | undefined;
}

/** @internal */
export const openOptionNames = [
  'split',
  'format',
  'classes',
  'imageDir',
  'onProblem',
  'tolerance',
  'signal',
  'onProgress',
] as const;

async function findYolo(root: string): Promise<Source | undefined> {
  const config = await findYoloConfig(root);
  return config && yoloSource(config);
}

const finders: Readonly<Record<DataFormat, (root: string) => Promise<Source | undefined>>> = {
  coco: findCoco,
  voc: findVoc,
  yolo: findYolo,
  'penn-fudan': findPennFudan,
};

const formats = Object.keys(finders) as DataFormat[];

async function sourceOfFile(path: string): Promise<Source> {
  if (/\.json$/i.test(path)) return cocoFileSource(path);
  const config = /\.ya?ml$/i.test(path) ? await readYoloConfig(path) : undefined;
  if (config) return yoloSource(config);
  throw datasetError(
    `${path}: no data set. A file is one of COCO annotations (.json) or the data.yaml of a YOLO data set; else name the folder.`,
  );
}

async function findSource(path: string, format: DataFormat | undefined): Promise<Source> {
  const kind = await kindOf(path);
  if (!kind) throw new TorchdetError('ERR_FILE', `${path}: there is no such file or folder.`);
  if (kind === 'file') return sourceOfFile(path);
  // Penn-Fudan is tried before YOLO, which asks for little.
  const tried = format ? [format] : (['coco', 'voc', 'penn-fudan', 'yolo'] as const);
  for (const name of tried) {
    const source = await finders[name](path);
    if (source) return source;
  }
  throw datasetError(
    `${path}: no ${format === undefined ? '' : `${format} `}data set is in this folder. Looked for COCO annotations (*.json here or in annotations/), ` +
      'Pascal VOC annotations (*.xml), YOLO labels (data.yaml, labels/*.txt) and Penn-Fudan masks (PedMasks/).',
  );
}

function checkOptions(options: OpenOptions): void {
  rejectUnknownOptions('openDataset', options, openOptionNames);
  const { format, onProblem = 'skip', tolerance = 1, classes, split } = options;
  if (format !== undefined && !formats.includes(format)) {
    throw optionError('openDataset', 'format', format, `one of ${formats.join(', ')}`);
  }
  if (typeof onProblem !== 'function' && !['skip', 'throw'].includes(onProblem)) {
    throw optionError('openDataset', 'onProblem', onProblem, "'skip', 'throw' or a function");
  }
  if (!(typeof tolerance === 'number' && tolerance >= 0)) {
    throw optionError('openDataset', 'tolerance', tolerance, 'a number of pixels, 0 or more');
  }
  if (classes && (classes.length === 0 || !classes.every((name) => typeof name === 'string'))) {
    throw optionError('openDataset', 'classes', classes, 'a list of names');
  }
  if (split !== undefined && (typeof split !== 'string' || split === '')) {
    throw optionError('openDataset', 'split', split, 'the name of a split');
  }
}

/**
 * Opens a data set: a folder of COCO, Pascal VOC, YOLO or Penn-Fudan files, a COCO annotation file or a YOLO `data.yaml`.
 *
 * Classes get labels from 1 on in the order of their ids (COCO), of their indices (YOLO), or of the alphabet (VOC,
 * unless a classes.txt lists them). Boxes are taken as they are written: VOC's too, as torchvision's users do, although its
 * corners were once counted from 1.
 *
 * @throws TorchdetError ERR_FILE where there is nothing at the path; ERR_DATASET where no data set is found, the split
 *   is not there, or (`onProblem: 'throw'`) something is wrong with it; ERR_OPTION_VALUE, ERR_OPTION_UNKNOWN; the
 *   signal's reason
 */
export async function openDataset(path: string, options: OpenOptions = {}): Promise<Dataset> {
  checkOptions(options);
  const { classes, imageDir, signal, onProgress, tolerance = 1, onProblem = 'skip' } = options;
  const split = options.split === undefined ? undefined : splitName(options.split);
  const root = resolve(path);
  const source = await findSource(root, options.format);
  const problems = new Problems(onProblem);
  const raw = await source.read({ problems, classes, split, imageDir, signal, onProgress });
  signal?.throwIfAborted();
  return new Store(raw, { path: root, split, classes, tolerance, problems });
}

/**
 * Names of the splits that a data set has, for {@link openDataset}; `valid` and `validation` are called `val`. Empty where it
 * is not split.
 *
 * @throws TorchdetError as {@link openDataset}
 */
export async function datasetSplits(
  path: string,
  { format, signal }: Pick<OpenOptions, 'format' | 'signal'> = {},
): Promise<readonly string[]> {
  checkOptions({ format });
  return (await findSource(resolve(path), format)).splits(signal);
}

/**
 * The splits to open one after the other to see a whole data set once; [undefined] where it is opened as a whole.
 *
 * @internal
 */
export async function datasetParts(
  path: string,
  { split, format, signal }: OpenOptions,
): Promise<readonly (string | undefined)[]> {
  if (split !== undefined) return [split];
  const splits = await datasetSplits(path, { format, signal });
  if (splits.length === 0) return [undefined];
  // VOC's trainval is the two others.
  const isWhole = (name: string): boolean =>
    (name === 'trainval' && splits.includes('train') && splits.includes('val')) || name === 'all';
  const parts = splits.filter((name) => !isWhole(name));
  return parts.length === 0 ? [undefined] : parts;
}
