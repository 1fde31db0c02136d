/** The open data set: checks what a reader found, sorts it by image and gives out entries. */
import { TorchdetError } from '../errors';
import { BoxChecks } from './box-checks';
import { background, unusedName, type Category, type Dataset, type Entry } from './dataset';
import type { Problem, Problems } from './problems';
import { datasetError, type ImageRecord, type RawDataset } from './reader';
import type { ObjectRow } from './table';

export interface StoreOptions {
  readonly path: string;
  readonly split?: string | undefined;
  /** Names of the classes by label from 1; the data set's own where absent. */
  readonly classes?: readonly string[] | undefined;
  /** Pixels that a box may lie outside its image. */
  readonly tolerance: number;
  readonly problems: Problems;
}

/** A name is one class, however many numbers it has: the first of them stays. */
function classesByName(
  { categories, classFile }: RawDataset,
  wanted: readonly string[] | undefined,
  { path, problems }: StoreOptions,
): Map<string, Omit<Category, 'label'>> {
  const byName = new Map<string, Omit<Category, 'label'>>();
  const repeated = new Map<string, number[]>();
  for (const category of categories) {
    const { name, id } = category;
    const first = byName.get(name);
    if (first) repeated.set(name, [...(repeated.get(name) ?? [first.id]), id]);
    else byName.set(name, category);
  }
  for (const [name, ids] of repeated) {
    if (wanted && !wanted.includes(name)) continue;
    const message = `the classes ${ids.join(', ')} are all called "${name}"; they are taken as one`;
    problems.report({ kind: 'duplicate-class', file: classFile ?? path, message });
  }
  return byName;
}

/** The classes by label, and the label of each of the reader's classes, 0 for those that are not wanted. */
function chooseCategories(
  raw: RawDataset,
  options: StoreOptions,
): { categories: Category[]; labels: Int32Array } {
  const { classes, path, problems } = options;
  const wanted = classes?.[0] === background ? classes.slice(1) : classes;
  const byName = classesByName(raw, wanted, options);
  const labelsOf = (categories: readonly Category[]) => {
    const labelOf = new Map(categories.map(({ name, label }) => [name, label]));
    return Int32Array.from(raw.categories, ({ name }) => labelOf.get(name) ?? 0);
  };
  if (!wanted) {
    const categories = [...byName.values()].map((category, k) => ({ ...category, label: k + 1 }));
    return { categories, labels: labelsOf(categories) };
  }
  const categories = wanted.map((name, k): Category => {
    const label = k + 1;
    const category = byName.get(name);
    if (category) return { ...category, label };
    if (name !== unusedName) {
      const there = raw.categories.map((other) => other.name).join(', ');
      const message = `the class "${name}" was asked for, but the data set has none of it; it has ${there}`;
      problems.report({ kind: 'unknown-class', file: path, message });
    }
    return { label, name, id: label };
  });
  const labels = labelsOf(categories);
  if (!labels.some((label) => label > 0)) {
    const names = raw.categories.map(({ name }) => name).join(', ');
    throw datasetError(
      `${path}: none of the classes asked for is in the data set: it has ${names}.`,
    );
  }
  return { categories, labels };
}

/** Rows of each image, as [starts of the images, rows]. */
function sortByImage(raw: RawDataset): { starts: Int32Array; rows: Int32Array } {
  const starts = new Int32Array(raw.images.length + 1);
  const { objects } = raw;
  for (let row = 0; row < objects.length; row++) {
    const image = objects.imageOf(row);
    if (image >= 0) starts[image + 1] = (starts[image + 1] ?? 0) + 1;
  }
  for (let i = 0; i < raw.images.length; i++) {
    starts[i + 1] = (starts[i + 1] ?? 0) + (starts[i] ?? 0);
  }
  const rows = new Int32Array(starts.at(-1) ?? 0);
  const next = starts.slice();
  for (let row = 0; row < objects.length; row++) {
    const image = objects.imageOf(row);
    if (image < 0) continue;
    const at = next[image] ?? 0;
    rows[at] = row;
    next[image] = at + 1;
  }
  return { starts, rows };
}

function placeOf(image: ImageRecord, row: ObjectRow): Pick<Problem, 'file' | 'line' | 'offset'> {
  return {
    file: image.file,
    line: row.line,
    ...(Number.isNaN(row.offset) ? {} : { offset: row.offset }),
  };
}

/** A {@link Dataset} over what a reader found. */
export class Store implements Dataset {
  readonly format;
  readonly path;
  readonly split?: string;
  readonly categories: readonly Category[];
  readonly names: readonly string[];
  readonly problems: readonly Problem[];
  readonly sizes: Int32Array;
  readonly keypointCount: number;
  readonly #raw: RawDataset;
  readonly #labelOf: Int32Array;
  /** Objects of image i: [#starts[i], #starts[i + 1]). */
  readonly #starts: Int32Array;
  readonly #rows: Int32Array;
  readonly #boxes: Float64Array;

  /** @throws TorchdetError ERR_DATASET for problems that are to end it, or where no class fits */
  constructor(raw: RawDataset, options: StoreOptions) {
    const { categories, labels } = chooseCategories(raw, options);
    this.format = raw.format;
    this.path = options.path;
    if (options.split !== undefined) this.split = options.split;
    this.categories = categories;
    this.names = [background, ...categories.map(({ name }) => name)];
    this.problems = options.problems.list;
    this.keypointCount = raw.keypoints?.count ?? 0;
    this.#raw = raw;
    this.#labelOf = labels;
    this.sizes = Int32Array.from(raw.images.flatMap(({ width, height }) => [width, height]));
    const { starts, rows } = sortByImage(raw);
    this.#starts = new Int32Array(raw.images.length + 1);
    this.#rows = rows;
    this.#boxes = new Float64Array(4 * rows.length);
    const kept = this.#check(starts, options);
    this.#rows = this.#rows.slice(0, kept);
    this.#boxes = this.#boxes.slice(0, 4 * kept);
  }

  /** Keeps what is right, in place; the number of objects kept. */
  #check(starts: Int32Array, { tolerance, problems }: StoreOptions): number {
    const { images, objects, objectName } = this.#raw;
    let kept = 0;
    images.forEach((image, i) => {
      const checks = new BoxChecks(image, tolerance);
      this.#starts[i] = kept;
      for (let at = starts[i] ?? 0; at < (starts[i + 1] ?? 0); at++) {
        const row = this.#rows[at] ?? 0;
        const object = objects.get(row);
        const label = this.#labelOf[object.category] ?? 0;
        if (label === 0) continue;
        const { box, fault } = checks.check({ ...object, category: label }, objectName(object));
        if (fault) problems.report({ ...fault, ...placeOf(image, object), image: image.name });
        if (!box) continue;
        this.#rows[kept] = row;
        this.#boxes.set(box, 4 * kept);
        kept += 1;
      }
    });
    this.#starts[images.length] = kept;
    return kept;
  }

  get length(): number {
    return this.#raw.images.length;
  }

  get hasMasks(): boolean {
    return this.#raw.segmentations !== undefined;
  }

  entry(index: number): Entry {
    const image = this.#raw.images[index];
    if (!image) {
      throw new TorchdetError(
        'ERR_INVALID_ARGUMENT',
        `entry: there is no image ${index}; the data set has ${this.length}, counted from 0.`,
      );
    }
    const raw = this.#raw;
    const [from = 0, to = 0] = this.#starts.subarray(index, index + 2);
    const rows = this.#rows.subarray(from, to);
    const objects = Array.from(rows, (row) => raw.objects.get(row));
    const boxes = this.#boxes.subarray(4 * from, 4 * to);
    const { id, name, path, width, height, file, line } = image;
    const labelled = image.labelled?.map((category) => this.#labelOf[category] ?? 0);
    const { segmentations } = raw;
    const described = (k: number): string => {
      const object = objects[k];
      if (!object) return file;
      const place = placeOf(image, object);
      return `${file}:${place.line ?? 1} (${raw.objectName(object)})`;
    };
    return {
      index,
      id,
      name,
      image: path,
      width,
      height,
      length: objects.length,
      boxes,
      labels: Int32Array.from(objects, ({ category }) => this.#labelOf[category] ?? 0),
      areas: Float64Array.from(objects, ({ area }, k) => {
        const [x1 = 0, y1 = 0, x2 = 0, y2 = 0] = boxes.subarray(4 * k, 4 * k + 4);
        return Number.isNaN(area) ? (x2 - x1) * (y2 - y1) : area;
      }),
      crowd: Uint8Array.from(objects, ({ crowd }) => Number(crowd)),
      difficult: Uint8Array.from(objects, ({ difficult }) => Number(difficult)),
      objectIds: Float64Array.from(objects, (object) => object.id),
      ...(raw.keypoints && { keypoints: this.#keypoints(rows) }),
      ...(labelled && { labelledClasses: [...new Set(labelled.filter((label) => label > 0))] }),
      source: { file, ...(line !== undefined && { line }) },
      where: described,
      ...(segmentations && { segmentations: () => segmentations(image, objects) }),
    };
  }

  #keypoints(rows: Int32Array): Float32Array {
    const size = 3 * this.keypointCount;
    const keypoints = new Float32Array(size * rows.length);
    rows.forEach((row, k) => {
      const values = this.#raw.keypoints?.get(row);
      if (values) keypoints.set(values, k * size);
    });
    return keypoints;
  }
}
