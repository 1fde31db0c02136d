/** `torchdet data show`: pictures of a data set with what is marked in them. */
import { mkdir, realpath, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import type { AugmentationName } from '../data/augment';
import { permutation, RandomStream } from '../data/augment-random';
import type { Dataset, Entry } from '../data/dataset';
import { Loader } from '../data/loader';
import { decodeEntry } from '../data/loader-sample';
import { datasetParts, openDataset } from '../data/open';
import { ImageNames } from '../data/write';
import { TorchdetError } from '../errors';
import { drawDetections, type DrawnObject } from '../images/draw';
import type { RawImage } from '../images/input';
import { plainTable } from './report';
import { DataProgress, openingOf, plural, type DataContext, type DataOptions } from './run-data';
import { UsageError } from './usage-error';

export interface ShowCommandOptions extends DataOptions {
  readonly out: string;
  /** How many pictures. */
  readonly count: number;
  /** Chooses them, and the augmentation. */
  readonly seed: number;
  /** Names of images to draw instead of chosen ones. */
  readonly image?: readonly string[];
  readonly augment?: AugmentationName;
}

/** What is printed of one picture. */
interface Shown {
  readonly image: string;
  readonly picture: string;
  readonly objects: number;
}

interface Choice {
  readonly dataset: Dataset;
  readonly indices: readonly number[];
}

function chooseNamed(datasets: readonly Dataset[], names: readonly string[]): Choice[] {
  const missing = new Set(names);
  const choices = datasets.map((dataset) => {
    const indices: number[] = [];
    for (let i = 0; i < dataset.length; i++) {
      const { name } = dataset.entry(i);
      const fitting = names.filter((wanted) => wanted === name || wanted === basename(name));
      for (const wanted of fitting) missing.delete(wanted);
      if (fitting.length > 0) indices.push(i);
    }
    return { dataset, indices };
  });
  if (missing.size === 0) return choices;
  throw new UsageError(`--image: the data set has no ${[...missing].join(', ')}.`);
}

/** Some images of all data sets together, in their order. */
function chooseSome(datasets: readonly Dataset[], count: number, seed: number): Choice[] {
  const total = datasets.reduce((sum, { length }) => sum + length, 0);
  const chosen = new Set(permutation(total, new RandomStream(seed)).slice(0, count));
  let first = 0;
  return datasets.map((dataset) => {
    const indices = Array.from({ length: dataset.length }, (_, i) => i);
    const start = first;
    first += dataset.length;
    return { dataset, indices: indices.filter((i) => chosen.has(start + i)) };
  });
}

interface Objects {
  readonly boxes: Float32Array | Float64Array;
  readonly labels: Int32Array;
  readonly masks?: Uint8Array | undefined;
  readonly keypoints?: Float32Array | undefined;
}

/** Objects as they are drawn; `note` says more of one than its class. */
function drawn(
  { boxes, labels, masks, keypoints }: Objects,
  dataset: Dataset,
  { width, height }: RawImage,
  note: (k: number) => string = () => '',
): DrawnObject[] {
  const size = 3 * dataset.keypointCount;
  return Array.from(labels, (label, k) => {
    const points = keypoints?.subarray(k * size, (k + 1) * size) ?? [];
    return {
      box: boxes.subarray(4 * k, 4 * k + 4),
      label,
      name: `${dataset.names[label] ?? label}${note(k)}`,
      mask: masks?.subarray(k * width * height, (k + 1) * width * height),
      keypoints: Array.from({ length: points.length / 3 }, (_, i) => ({
        x: points[3 * i] ?? 0,
        y: points[3 * i + 1] ?? 0,
        visible: (points[3 * i + 2] ?? 0) > 0,
      })),
    };
  });
}

interface Picture {
  readonly image: RawImage;
  readonly objects: readonly DrawnObject[];
}

/** An entry as it is in the files. */
async function plainPicture(dataset: Dataset, entry: Entry): Promise<Picture> {
  const { image, masks } = await decodeEntry(entry, { maxPixels: Infinity });
  const note = (k: number) =>
    (entry.crowd[k] === 1 ? ' (crowd)' : '') + (entry.difficult[k] === 1 ? ' (difficult)' : '');
  const { boxes, labels, keypoints } = entry;
  return { image, objects: drawn({ boxes, labels, masks, keypoints }, dataset, image, note) };
}

/** An entry as training would see it. */
async function augmentedPicture(
  dataset: Dataset,
  entry: Entry,
  augmentation: AugmentationName,
  seed: number,
): Promise<Picture> {
  const loader = new Loader(dataset, {
    ...{ indices: [entry.index], batchSize: 1, workers: 1, prefetch: 0 },
    ...{ augmentation, seed, maxPixels: Infinity },
  });
  for await (const { samples } of loader) {
    for (const sample of samples) {
      return { image: sample.image, objects: drawn(sample, dataset, sample.image) };
    }
  }
  throw new TorchdetError('ERR_FILE', `${entry.image}: cannot be read.`);
}

/** The folder to write to, which must not be one that the images are in. */
async function makeOut(out: string, choices: readonly Choice[]): Promise<void> {
  try {
    await mkdir(out, { recursive: true });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new TorchdetError('ERR_FILE', `--out ${out} cannot be a folder: ${reason}`, {
      cause: error,
    });
  }
  const folder = await realpath(out);
  const folders = new Set(
    choices.flatMap(({ dataset, indices }) =>
      indices.map((index) => dirname(dataset.entry(index).image)),
    ),
  );
  for (const images of folders) {
    if ((await realpath(images).catch(() => images)) === folder) {
      throw new UsageError(`--out ${out}: the images themselves are there; name another folder.`);
    }
  }
}

async function openAll(
  path: string,
  options: ShowCommandOptions,
  context: DataContext,
  progress: DataProgress,
): Promise<Dataset[]> {
  const opening = openingOf(options, context);
  const datasets: Dataset[] = [];
  for (const split of await datasetParts(resolve(path), opening)) {
    datasets.push(await openDataset(path, { ...opening, split, onProgress: progress.onReading }));
  }
  return datasets;
}

/**
 * Draws images of a data set with their boxes, masks and keypoints; an image that cannot be read is reported on `stderr`.
 *
 * @returns 0, or 1 where an image could not be read
 * @throws UsageError; what openDataset throws
 */
export async function showData(
  path: string,
  options: ShowCommandOptions,
  context: DataContext,
): Promise<number> {
  const { out, image: wanted, count, seed, augment } = options;
  const { stdout, stderr, signal } = context;
  const progress = new DataProgress(stderr);
  const shown: Shown[] = [];
  let done = 0;
  try {
    const datasets = await openAll(path, options, context, progress);
    const choices = wanted ? chooseNamed(datasets, wanted) : chooseSome(datasets, count, seed);
    await makeOut(out, choices);
    const total = choices.reduce((sum, { indices }) => sum + indices.length, 0);
    const names = new ImageNames();
    for (const { dataset, indices } of choices) {
      for (const index of indices) {
        signal?.throwIfAborted();
        const entry = dataset.entry(index);
        try {
          const { image, objects } = augment
            ? await augmentedPicture(dataset, entry, augment, seed)
            : await plainPicture(dataset, entry);
          const picture = join(out, names.of(entry).replace(/\.[^.]*$/, '.jpg'));
          await writeFile(picture, await drawDetections(image, objects));
          shown.push({ image: entry.image, picture, objects: objects.length });
        } catch (error) {
          if (!(error instanceof TorchdetError)) throw error;
          progress.message(`error: ${error.message} (${error.code})`);
        }
        progress.onProgress(++done, total);
      }
    }
  } finally {
    progress.stop();
  }
  if (options.json) {
    stdout.write(`${JSON.stringify(shown, null, 2)}\n`);
  } else if (shown.length > 0) {
    const rows = shown.map(({ picture, image, objects }) => [picture, String(objects), image]);
    stdout.write(plainTable(['picture', 'objects', 'image'], rows, [1]));
  }
  stderr.write(`${plural(shown.length, 'picture')} drawn in ${out}\n`);
  return shown.length < done ? 1 : 0;
}
