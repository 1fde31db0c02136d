/** Writes YOLO's files: a text file for each image with a line for each object, and a data.yaml. */
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { Dataset, Entry, Segmentation } from './dataset';
import { outlineFault } from './masks';
import { stemOf } from './reader';
import {
  boxOf,
  clean,
  countLosses,
  hasOwnClassIds,
  imagePlace,
  placeImage,
  type WriteContext,
  type Writer,
} from './write';
import { otherKeys } from './yolo-config';

/**
 * Several polygons as one: from each to the first point and back along the same way, which encloses nothing. YOLO has one
 * outline for each object.
 */
function joined(polygons: readonly (readonly number[])[]): readonly number[] {
  const [first = [], ...others] = polygons;
  if (others.length === 0) return first;
  const [x = 0, y = 0] = first;
  const loops = others.flatMap((polygon) => [...polygon, ...polygon.slice(0, 2), x, y]);
  return [...first, x, y, ...loops];
}

/** Writes `images/<split>/`, `labels/<split>/` and `data.yaml`. */
export class YoloWriter implements Writer {
  readonly #splits: string[] = [];
  #first: Dataset | undefined;

  constructor(private readonly context: WriteContext) {}

  async add(dataset: Dataset, split: string | undefined): Promise<void> {
    const { context } = this;
    this.#first ??= dataset;
    // YOLO's programs ask for a train split.
    const name = this.#nameOf(split ?? 'train');
    this.#splits.push(name);
    for (let i = 0; i < dataset.length; i++) {
      context.signal?.throwIfAborted();
      const entry = dataset.entry(i);
      const stem = stemOf(context.names.of(entry));
      const lines = await this.#lines(dataset, entry);
      const file = join(context.out, 'labels', name, `${stem}.txt`);
      await context.written.text(file, lines.map((line) => `${line}\n`).join(''));
      const place = imagePlace(context, join('images', name), entry);
      await placeImage(entry.image, place, context);
      context.step();
    }
  }

  #nameOf(split: string): string {
    if (!otherKeys.has(split)) return split;
    const name = `${split}-split`;
    this.context.losses.add(
      `split called "${split}": data.yaml has another use for it, ${name} is written`,
    );
    return name;
  }

  async #lines(dataset: Dataset, entry: Entry): Promise<string[]> {
    const { losses } = this.context;
    countLosses(dataset, entry, losses, 'YOLO');
    losses.add('marks of difficult objects: YOLO has none', entry.difficult.filter(Boolean).length);
    const outlines = await entry.segmentations?.();
    const lines: string[] = [];
    for (let k = 0; k < entry.length; k++) {
      if (entry.crowd[k] === 1) losses.add('crowds: left out, YOLO has none');
      else lines.push(this.#line(dataset, entry, k, outlines?.[k]));
    }
    return lines;
  }

  #line(dataset: Dataset, entry: Entry, k: number, outline: Segmentation | undefined): string {
    const { losses } = this.context;
    const { width, height } = entry;
    const shares = (points: ArrayLike<number>) =>
      Array.from(points, (value, i) => clean(value / (i % 2 === 0 ? width : height)));
    const category = (entry.labels[k] ?? 1) - 1;
    const [x1, y1, x2, y2] = boxOf(entry, k);
    const box = shares([(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1]);
    if (entry.keypoints) {
      if (outline) losses.add('masks: YOLO holds keypoints or masks');
      const size = 3 * dataset.keypointCount;
      const points = Array.from(entry.keypoints.subarray(k * size, (k + 1) * size), (value, i) =>
        i % 3 === 2 ? value : clean(value / (i % 3 === 0 ? width : height)),
      );
      return [category, ...box, ...points].join(' ');
    }
    if (outline && 'size' in outline) {
      losses.add('masks given as runs: YOLO holds outlines, the box is kept');
    } else if (outline && outlineFault(outline, height, width) !== undefined) {
      losses.add('masks that are no outlines: the box is kept');
    } else if (outline) {
      if (outline.length > 1) losses.add('masks of several parts: joined into one outline');
      return [category, ...shares(joined(outline))].join(' ');
    }
    return [category, ...box].join(' ');
  }

  async finish(): Promise<void> {
    const dataset = this.#first;
    if (dataset && hasOwnClassIds(dataset)) {
      this.context.losses.add('set of class ids: YOLO counts classes from 0');
    }
    const names = Object.fromEntries((dataset?.names.slice(1) ?? []).map((name, k) => [k, name]));
    const splits = Object.fromEntries(this.#splits.map((name) => [name, `images/${name}`]));
    const shape = dataset && dataset.keypointCount > 0 && { kpt_shape: [dataset.keypointCount, 3] };
    const text = stringify({ path: '.', ...splits, ...shape, names });
    await this.context.written.text(join(this.context.out, 'data.yaml'), text);
  }
}
