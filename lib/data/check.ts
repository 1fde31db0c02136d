/** Looks through a whole data set for what would go wrong later. */
import { readFile } from 'node:fs/promises';
import { optionError, rejectUnknownOptions } from '../errors';
import { decodeImage } from '../images/decode';
import type { DataFormat, Dataset, Entry } from './dataset';
import { outlineFault, outlineStray } from './masks';
import { datasetParts, openDataset, openOptionNames, type OpenOptions } from './open';
import { describeProblem, Problems, type Problem } from './problems';
import { byName, mapLimited, messageOf } from './reader';

/** Images decoded at the same time: sharp has four threads. */
const parallel = 4;

/** Options of {@link checkDataset}; the others are those of opening. */
export interface CheckOptions extends Omit<OpenOptions, 'onProgress'> {
  /** Whether every image is decoded: finds damaged files and sizes that are not those of the annotations. Default true. */
  readonly decode?: boolean | undefined;
  /** Told how far reading of the annotations has come, 0 to 1; begins anew with each split. */
  readonly onReading?: ((done: number) => void) | undefined;
  /** Told after each image how many of how many are done. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/** How often a class occurs. */
export interface ClassCount {
  readonly label: number;
  readonly name: string;
  readonly objects: number;
  /** Images with one or more. */
  readonly images: number;
}

/** What a check found. */
export interface DatasetReport {
  readonly format: DataFormat;
  readonly splits: readonly {
    readonly name: string | undefined;
    readonly images: number;
    readonly objects: number;
  }[];
  readonly images: number;
  readonly objects: number;
  readonly crowds: number;
  /** Images without any object. */
  readonly emptyImages: number;
  /** Images that say which classes are marked in them. */
  readonly partlyMarked: number;
  readonly hasMasks: boolean;
  readonly keypointCount: number;
  readonly classes: readonly ClassCount[];
  /** Lengths of the images' longer sides in pixels; zeros where there are no images. */
  readonly longerSide: { readonly smallest: number; readonly largest: number };
  /** Square roots of the boxes' areas in pixels: the smallest, the middle one, the largest; zeros where there are none. */
  readonly boxSize: {
    readonly smallest: number;
    readonly median: number;
    readonly largest: number;
  };
  /** In the order of files and lines. */
  readonly problems: readonly Problem[];
}

/** An image file against what the annotations say of it. */
async function checkImage(entry: Entry, problems: Problems): Promise<void> {
  const { width, height, name, source } = entry;
  const about = { file: entry.image, image: name };
  try {
    const image = await decodeImage(await readFile(entry.image), { maxPixels: Infinity });
    if (image.width === width && image.height === height) return;
    const turned = image.width === height && image.height === width;
    const why = turned ? ': they seem to be made before its EXIF orientation was applied' : '';
    const message = `it is ${image.width} x ${image.height} pixels, but ${source.file} says ${width} x ${height}${why}; the boxes do not fit it`;
    problems.report({ kind: 'image-size', ...about, message });
  } catch (error) {
    const message = `the image cannot be decoded: ${messageOf(error)}; it would fail in training`;
    problems.report({ kind: 'image-unreadable', ...about, message });
  }
}

async function checkOutlines(entry: Entry, problems: Problems): Promise<void> {
  const outlines = await entry.segmentations?.();
  outlines?.forEach((outline, k) => {
    if (!outline) return;
    const fault = outlineFault(outline, entry.height, entry.width);
    const stray = fault ?? outlineStray(outline, entry.height, entry.width);
    if (stray === undefined) return;
    const end = fault === undefined ? 'what lies beyond is cut off' : 'it would fail in training';
    const message = `${entry.where(k)}: its outline is wrong: ${stray}; ${end}`;
    problems.report({ kind: 'mask', file: entry.source.file, image: entry.name, message });
  });
}

/** Counts what a data set holds, split after split. */
class Counter {
  readonly splits: { name: string | undefined; images: number; objects: number }[] = [];
  readonly #classes = new Map<string, { label: number; objects: number; images: number }>();
  readonly #boxSizes: number[] = [];
  #crowds = 0;
  #emptyImages = 0;
  #partlyMarked = 0;
  #smallest = Infinity;
  #largest = 0;

  add(dataset: Dataset, split: string | undefined): void {
    const counts = { name: split, images: dataset.length, objects: 0 };
    for (const { name, label } of dataset.categories) {
      if (!this.#classes.has(name)) this.#classes.set(name, { label, objects: 0, images: 0 });
    }
    for (let i = 0; i < dataset.length; i++) {
      const entry = dataset.entry(i);
      counts.objects += entry.length;
      this.#entry(dataset, entry);
    }
    this.splits.push(counts);
  }

  #entry(dataset: Dataset, entry: Entry): void {
    const longer = Math.max(entry.width, entry.height);
    this.#smallest = Math.min(this.#smallest, longer);
    this.#largest = Math.max(this.#largest, longer);
    if (entry.length === 0) this.#emptyImages += 1;
    if (entry.labelledClasses) this.#partlyMarked += 1;
    this.#crowds += entry.crowd.filter(Boolean).length;
    for (const label of entry.labels) {
      const counts = this.#classes.get(dataset.names[label] ?? '');
      if (counts) counts.objects += 1;
    }
    for (const label of new Set(entry.labels)) {
      const counts = this.#classes.get(dataset.names[label] ?? '');
      if (counts) counts.images += 1;
    }
    for (let k = 0; k < entry.length; k++) {
      const [x1 = 0, y1 = 0, x2 = 0, y2 = 0] = entry.boxes.subarray(4 * k, 4 * k + 4);
      this.#boxSizes.push(Math.sqrt((x2 - x1) * (y2 - y1)));
    }
  }

  get report() {
    const sizes = Float64Array.from(this.#boxSizes).sort();
    const sum = (key: 'images' | 'objects') =>
      this.splits.reduce((total, split) => total + split[key], 0);
    const [images, objects] = [sum('images'), sum('objects')];
    return {
      splits: this.splits,
      images,
      objects,
      crowds: this.#crowds,
      emptyImages: this.#emptyImages,
      partlyMarked: this.#partlyMarked,
      classes: [...this.#classes].map(([name, counts]) => ({ name, ...counts })),
      longerSide: { smallest: images === 0 ? 0 : this.#smallest, largest: this.#largest },
      boxSize: {
        smallest: sizes[0] ?? 0,
        median: sizes[Math.floor(sizes.length / 2)] ?? 0,
        largest: sizes.at(-1) ?? 0,
      },
    };
  }
}

/** Images are decoded in no fixed order. */
function byPlace(a: Problem, b: Problem): number {
  const place = ({ line = 0, offset = 0 }: Problem) => offset || line;
  return byName(a.file, b.file) || place(a) - place(b);
}

/** The same image in two splits: what is measured on the one was learnt from the other. */
function checkOverlap(
  datasets: readonly { dataset: Dataset; split: string | undefined }[],
  problems: Problems,
): void {
  const splitOf = new Map<string, string>();
  for (const { dataset, split = '' } of datasets) {
    for (let i = 0; i < dataset.length; i++) {
      const { image, name, source } = dataset.entry(i);
      const other = splitOf.get(image);
      if (other === undefined) {
        splitOf.set(image, split);
        continue;
      }
      const message = `${name} is in the splits ${other} and ${split}; both keep it`;
      problems.report({ kind: 'duplicate-image', file: source.file, image: name, message });
    }
  }
}

/**
 * Checks a data set, every split of it or the one named: the annotations, that all images are there and can be decoded,
 * that their sizes are those the annotations say, outlines, and that no image is in two splits.
 *
 * @throws TorchdetError as {@link openDataset}; with `onProblem: 'throw'` ERR_DATASET at the first problem
 */
export async function checkDataset(
  path: string,
  options: CheckOptions = {},
): Promise<DatasetReport> {
  rejectUnknownOptions('checkDataset', options, ['decode', 'onReading', ...openOptionNames]);
  const { decode = true, onProgress, onReading, onProblem = 'skip', ...opening } = options;
  if (typeof decode !== 'boolean') {
    throw optionError('checkDataset', 'decode', decode, 'true or false');
  }
  const problems = new Problems(onProblem);
  const told = new Set<string>();
  const tell = (problem: Problem) => {
    // What a file says for all splits is wrong once, not with each of them.
    const line = describeProblem(problem);
    if (!told.has(line)) problems.report(problem);
    told.add(line);
    return 'skip' as const;
  };
  const datasets: { dataset: Dataset; split: string | undefined }[] = [];
  for (const split of await datasetParts(path, opening)) {
    const how = { ...opening, split, onProblem: tell, onProgress: onReading };
    datasets.push({ dataset: await openDataset(path, how), split });
  }
  checkOverlap(datasets, problems);
  const counter = new Counter();
  for (const { dataset, split } of datasets) counter.add(dataset, split);
  const total = datasets.reduce((sum, { dataset }) => sum + dataset.length, 0);
  let done = 0;
  for (const { dataset } of datasets) {
    const indices = Array.from({ length: dataset.length }, (_, i) => i);
    const check = async (index: number) => {
      const entry = dataset.entry(index);
      if (decode) await checkImage(entry, problems);
      await checkOutlines(entry, problems);
      onProgress?.(++done, total);
    };
    await mapLimited(indices, parallel, check, options.signal);
  }
  const [first] = datasets;
  return {
    format: first?.dataset.format ?? 'coco',
    hasMasks: datasets.some(({ dataset }) => dataset.hasMasks),
    keypointCount: Math.max(0, ...datasets.map(({ dataset }) => dataset.keypointCount)),
    ...counter.report,
    problems: [...problems.list].sort(byPlace),
  };
}
