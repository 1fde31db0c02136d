/** Several data sets as one. */
import { optionError, rejectUnknownOptions, TorchdetError } from '../errors';
import { background, type Category, type Dataset, type Entry } from './dataset';

/** Options of {@link joinDatasets}. */
export interface JoinDatasetsOptions {
  /**
   * Names of the classes by label from 1 on (a first `__background__` is passed over). Objects of other classes are left
   * out. Default: all classes of all sets, in the order in which they come.
   */
  readonly classes?: readonly string[] | undefined;
}

function classNames(datasets: readonly Dataset[], { classes }: JoinDatasetsOptions): string[] {
  const known = new Set(datasets.flatMap(({ categories }) => categories.map(({ name }) => name)));
  if (!classes) return [...known];
  const names = classes[0] === background ? classes.slice(1) : [...classes];
  const missing = names.find((name) => !known.has(name));
  if (names.length === 0 || new Set(names).size < names.length) {
    throw optionError('joinDatasets', 'classes', classes, 'names, each once');
  }
  if (missing !== undefined) {
    throw new TorchdetError(
      'ERR_DATASET',
      `joinDatasets: no set has the class "${missing}". There are ${[...known].join(', ')}.`,
    );
  }
  return names;
}

/** How many keypoints objects have, where all sets have the same; else 0: they could not stand side by side. */
function sharedKeypoints(datasets: readonly Dataset[]): number {
  const counts = new Set(datasets.map(({ keypointCount }) => keypointCount));
  const named = datasets.flatMap(({ categories }) => categories.filter((c) => c.keypoints));
  const classes = new Set(named.map(({ name }) => name));
  const lists = new Set(named.map(({ name, keypoints }) => JSON.stringify([name, keypoints])));
  const [count = 0] = counts;
  return counts.size === 1 && lists.size === classes.size ? count : 0;
}

/** How many objects the images before each image have. */
function countedObjects(datasets: readonly Dataset[]): Float64Array {
  const starts = new Float64Array(datasets.reduce((sum, { length }) => sum + length, 0));
  let image = 0;
  let objects = 0;
  for (const data of datasets) {
    for (let i = 0; i < data.length; i++) {
      starts[image++] = objects;
      objects += data.entry(i).length;
    }
  }
  return starts;
}

/** One set's part in the whole. */
class Part {
  /** By the set's label: the label in the whole, 0 for what is left out. */
  readonly #labelOf: Int32Array;
  /** Labels of the whole that this set knows. */
  readonly #known: readonly number[];

  constructor(
    readonly data: Dataset,
    private readonly names: readonly string[],
    private readonly kept: { readonly masks: boolean; readonly keypoints: number },
  ) {
    this.#labelOf = Int32Array.from(data.names, (name) => names.indexOf(name) + 1);
    this.#known = [...this.#labelOf].filter((label) => label > 0);
  }

  /** Classes that the image marks: none that its set does not know. Undefined: all. */
  #marked({ labelledClasses }: Entry): readonly number[] | undefined {
    const named = labelledClasses?.map((label) => this.#labelOf[label] ?? 0) ?? this.#known;
    const labels = [...new Set(named)].filter((label) => label > 0);
    return labels.length === this.names.length ? undefined : labels;
  }

  entry(within: number, index: number, firstObject: number): Entry {
    const entry = this.data.entry(within);
    const rows = Array.from(entry.labels.keys()).filter(
      (k) => (this.#labelOf[entry.labels[k] ?? 0] ?? 0) > 0,
    );
    const pick = <T>(values: ArrayLike<T>, k: number): T => values[k] as T;
    const per = 3 * this.kept.keypoints;
    const marked = this.#marked(entry);
    const { keypoints } = entry;
    const { name, image, width, height, source } = entry;
    return {
      ...{ index, id: index + 1, name, image, width, height, source, length: rows.length },
      boxes: Float64Array.from(rows.flatMap((k) => [...entry.boxes.subarray(4 * k, 4 * k + 4)])),
      labels: Int32Array.from(rows, (k) => this.#labelOf[pick(entry.labels, k)] ?? 0),
      areas: Float64Array.from(rows, (k) => pick(entry.areas, k)),
      crowd: Uint8Array.from(rows, (k) => pick(entry.crowd, k)),
      difficult: Uint8Array.from(rows, (k) => pick(entry.difficult, k)),
      objectIds: Float64Array.from(rows, (_, k) => firstObject + k + 1),
      ...(per > 0 &&
        keypoints && {
          keypoints: Float32Array.from(
            rows.flatMap((k) => [...keypoints.subarray(k * per, (k + 1) * per)]),
          ),
        }),
      ...(marked && { labelledClasses: marked }),
      where: (k) => entry.where(rows[k] ?? k),
      ...(this.kept.masks && {
        segmentations: async () => {
          const outlines = (await entry.segmentations?.()) ?? [];
          return rows.map((k) => outlines[k]);
        },
      }),
    };
  }
}

/**
 * Several data sets as one, one after the other. Classes are joined by name. An image of a set that does not know a class says
 * nothing about it: the class is not among the image's {@link Entry.labelledClasses}, so that what a detector finds of it
 * there counts as no mistake. Masks, and keypoints of the same number and names, are kept where all sets have them. Images and
 * objects are numbered anew, from 1. An image that is in several of the sets comes several times.
 *
 * @throws TorchdetError ERR_INVALID_ARGUMENT without a set; ERR_OPTION_UNKNOWN, ERR_OPTION_VALUE; ERR_DATASET for a class that
 * no set has
 */
export function joinDatasets(
  datasets: readonly Dataset[],
  options: JoinDatasetsOptions = {},
): Dataset {
  rejectUnknownOptions('joinDatasets', options, ['classes']);
  if (datasets.length === 0) {
    throw new TorchdetError('ERR_INVALID_ARGUMENT', 'joinDatasets: there is no set.');
  }
  return joinByName(datasets, classNames(datasets, options));
}

/**
 * As {@link joinDatasets}, with classes that may be in none of the sets.
 *
 * @internal
 */
export function joinByName(datasets: readonly Dataset[], names: readonly string[]): Dataset {
  const masks = datasets.every(({ hasMasks }) => hasMasks);
  const keypoints = sharedKeypoints(datasets);
  const parts = datasets.map((data) => new Part(data, names, { masks, keypoints }));
  const starts: number[] = [];
  let length = 0;
  for (const { data } of parts) {
    starts.push(length);
    length += data.length;
  }
  // Counting makes every entry once: not before the first is asked for.
  let objectStarts: Float64Array | undefined;
  const categories = names.map((name, k): Category => {
    const found = datasets.flatMap((data) => data.categories).find((known) => known.name === name);
    const { supercategory, keypoints: points, skeleton } = found ?? {};
    return {
      ...{ label: k + 1, name, id: k + 1 },
      ...(supercategory !== undefined && { supercategory }),
      ...(keypoints > 0 && points && { keypoints: points, ...(skeleton && { skeleton }) }),
    };
  });
  return {
    format: 'coco',
    path: datasets.map(({ path }) => path).join(' + '),
    categories,
    names: [background, ...names],
    length,
    hasMasks: masks,
    keypointCount: keypoints,
    problems: datasets.flatMap(({ problems }) => [...problems]),
    sizes: Int32Array.from(datasets.flatMap(({ sizes }) => [...sizes])),
    entry: (index) => {
      const k = starts.filter((start) => start <= index).length - 1;
      const part = parts[k];
      if (!part || !Number.isInteger(index) || index >= length) {
        throw new TorchdetError(
          'ERR_INVALID_ARGUMENT',
          `entry: there is no image ${index}; the data set has ${length}, counted from 0.`,
        );
      }
      objectStarts ??= countedObjects(datasets);
      return part.entry(index - (starts[k] ?? 0), index, objectStarts[index] ?? 0);
    },
  };
}
