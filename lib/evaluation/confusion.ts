/** Which class is taken for which, and in which images a detector errs most. */
import type { NativeConfusion } from '../../binding';
import { TorchdetError } from '../errors';
import type { PackedObjects } from './packed-objects';
import type { EvaluatedCategory } from './types';

/** What went wrong in one image. Numbers are places in the lists that the image was added with. */
export interface ImageErrors {
  readonly imageId: number | string;
  /** Objects that no detection was found for. */
  readonly missed: readonly number[];
  /** Detections of something that is not there. */
  readonly falseDetections: readonly number[];
  /** Objects found, but taken for another class. */
  readonly confused: readonly { readonly object: number; readonly detection: number }[];
  /** Objects found, and of the right class. */
  readonly found: number;
}

/** Figures of one class at the score threshold; -1 where there is nothing to divide by. */
export interface ClassConfusion extends EvaluatedCategory {
  /** Share of its detections that are right. */
  readonly precision: number;
  /** Share of its objects that were found as such. */
  readonly recall: number;
  /** Harmonic mean of the two. */
  readonly f1: number;
}

/** Where an image's objects and detections stand in the native lists. */
export interface ConfusionSource {
  readonly imageIds: readonly (number | string)[];
  readonly order: Int32Array;
  readonly truth: PackedObjects;
  readonly found: PackedObjects;
}

const share = (part: number, whole: number) => (whole === 0 ? -1 : part / whole);

/** The confusion matrix of an evaluation, and the errors of each image. */
export class Confusion {
  readonly categories: readonly EvaluatedCategory[];
  /**
   * (C + 1) x (C + 1) counts, row by row. Rows are what is there, columns what was detected, in the order of the categories; the last
   * row counts false detections, the last column missed objects.
   */
  readonly matrix: Int32Array;
  readonly classes: readonly ClassConfusion[];
  /** All images, in the order of their ids. */
  readonly images: readonly ImageErrors[];

  /** @internal */
  constructor(
    categories: readonly EvaluatedCategory[],
    native: NativeConfusion,
    source: ConfusionSource,
  ) {
    this.categories = categories;
    this.matrix = native.matrix;
    this.classes = categories.map(({ label, name }, k) => this.#classAt(label, name, k));
    this.images = Array.from(source.order, (image) => errorsOf(image, native, source));
  }

  /**
   * How many objects of one class were detected as another.
   *
   * @param actual label of what is there; null: nothing, so false detections
   * @param detected label it was detected as; null: missed objects
   * @throws TorchdetError ERR_INVALID_ARGUMENT where there is no such label
   */
  count(actual: number | null, detected: number | null): number {
    return this.#at(this.#place(actual), this.#place(detected));
  }

  /** Images with the most missed, false and confused objects, worst first; those without errors are left out. */
  worstImages(count = 10): ImageErrors[] {
    const errors = (image: ImageErrors) =>
      image.missed.length + image.falseDetections.length + image.confused.length;
    return this.images
      .filter((image) => errors(image) > 0)
      .sort((a, b) => errors(b) - errors(a))
      .slice(0, count);
  }

  #at(row: number, column: number): number {
    return this.matrix[row * (this.categories.length + 1) + column] ?? 0;
  }

  #place(label: number | null): number {
    if (label === null) return this.categories.length;
    const place = this.categories.findIndex((category) => category.label === label);
    if (place >= 0) return place;
    throw new TorchdetError(
      'ERR_INVALID_ARGUMENT',
      `count: ${label} is no label of a category; null stands for nothing.`,
    );
  }

  #classAt(label: number, name: string, k: number): ClassConfusion {
    let [objects, detections] = [0, 0];
    for (let other = 0; other <= this.categories.length; other++) {
      objects += this.#at(k, other);
      detections += this.#at(other, k);
    }
    const right = this.#at(k, k);
    return {
      label,
      name,
      precision: share(right, detections),
      recall: share(right, objects),
      f1: share(2 * right, objects + detections),
    };
  }
}

function errorsOf(image: number, native: NativeConfusion, source: ConfusionSource): ImageErrors {
  const { truth, found, imageIds } = source;
  const { categories: truthCategories } = truth.view();
  const { categories: foundCategories } = found.view();
  const missed: number[] = [];
  const falseDetections: number[] = [];
  const confused: { object: number; detection: number }[] = [];
  let right = 0;
  for (let d = found.offset(image); d < found.offset(image + 1); d++) {
    if (native.foundMatches[d] === -1) falseDetections.push(found.index(d));
  }
  for (let g = truth.offset(image); g < truth.offset(image + 1); g++) {
    const d = native.truthMatches[g] ?? -1;
    if (d === -1) missed.push(truth.index(g));
    if (d < 0) continue;
    if (truthCategories[g] === foundCategories[d]) right++;
    else confused.push({ object: truth.index(g), detection: found.index(d) });
  }
  return { imageId: imageIds[image] ?? image, missed, falseDetections, confused, found: right };
}
