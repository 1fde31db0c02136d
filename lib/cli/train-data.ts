/** The images of a training run. */
import { permutation, RandomStream } from '../data/augment-random';
import type { Dataset } from '../data/dataset';
import { datasetSplits, openDataset } from '../data/open';
import { readCategories } from './detector-plan';
import type { TrainOptions } from './train-options';
import { UsageError } from './usage-error';

/** What is trained on and what is evaluated on. */
export interface TrainingImages {
  readonly data: Dataset;
  /** Absent: all. */
  readonly indices?: readonly number[];
  readonly val?: Dataset | { readonly data: Dataset; readonly indices: readonly number[] };
}

/** Tells the stream of held out images from others with the same seed. */
const holdOutStream = 0x686f6c64;

/** Sets a share of the images apart, always the same ones for a seed. */
export function holdOut(
  count: number,
  fraction: number,
  seed: number,
): { train: number[]; val: number[] } {
  const held = Math.min(count - 1, Math.max(1, Math.round(count * fraction)));
  const order = permutation(count, new RandomStream(seed, holdOutStream));
  const ascending = (a: number, b: number) => a - b;
  return { val: order.slice(0, held).sort(ascending), train: order.slice(held).sort(ascending) };
}

/** The split to take where none was named: the one of that name, where there is one. */
const splitOr = (given: string | undefined, splits: readonly string[], name: string) =>
  given ?? (splits.includes(name) ? name : undefined);

/**
 * Opens the data sets that the options name.
 *
 * @param classes names by label that the model has already; default: those of `--classes`, else the data set's own
 * @param say is told what was decided for the user
 */
export async function openTrainingImages(
  options: TrainOptions,
  classes: readonly string[] | undefined,
  { signal, say }: { readonly signal?: AbortSignal; readonly say: (line: string) => void },
): Promise<TrainingImages> {
  const { data: path, format, imageDir, val: valPath, valFraction, seed } = options;
  if (path === undefined) throw new UsageError('--data DIR is missing: what to train on?');
  const wanted =
    classes ?? (options.classes === undefined ? undefined : readCategories(options.classes));
  const common = { format, imageDir, signal };
  const splits = await datasetSplits(path, common);
  const data = await openDataset(path, {
    ...common,
    classes: wanted,
    split: splitOr(options.split, splits, 'train'),
  });
  if (data.length === 0) throw new UsageError(`--data ${path}: there are no images in it.`);
  if (valPath === false) return { data };

  const opened = { ...common, classes: data.names };
  if (typeof valPath === 'string') {
    const split = splitOr(options.valSplit, await datasetSplits(valPath, common), 'val');
    return { data, val: await openDataset(valPath, { ...opened, split }) };
  }
  const split = splitOr(options.valSplit, splits, 'val');
  if (split !== undefined && split !== data.split) {
    return { data, val: await openDataset(path, { ...opened, split }) };
  }
  if (data.length < 2) return { data };
  const held = holdOut(data.length, valFraction, seed);
  say(
    `There is no split for validation: ${held.val.length} of ${data.length} images are set apart for it (--val, --val-split or --no-val say otherwise).`,
  );
  return { data, indices: held.train, val: { data, indices: held.val } };
}
