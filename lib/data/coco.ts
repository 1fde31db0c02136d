/** COCO's annotation files, read piece by piece: no more than one annotation is in memory as text. */
import { open, stat } from 'node:fs/promises';
import { keepImages, parseElement, type CocoImage, type Json } from './coco-files';
import type { Category, Segmentation } from './dataset';
import { scanJson, type JsonPiece } from './json-scanner';
import { outlineFault } from './masks';
import type { Problem } from './problems';
import {
  datasetError,
  fileError,
  isSet,
  splitName,
  type ImageRecord,
  type RawDataset,
  type ReadContext,
} from './reader';
import { KeypointTable, ObjectTable, type ObjectRow } from './table';

function numberOr(value: unknown, fallback: number): number {
  return typeof value === 'number' ? value : fallback;
}

/** The smallest box around polygons, [x1, y1, x2, y2]. */
function boxOfPolygons(polygons: readonly (readonly number[])[]): number[] {
  const box = [Infinity, Infinity, -Infinity, -Infinity];
  for (const polygon of polygons) {
    polygon.forEach((value, i) => {
      box[i % 2] = Math.min(box[i % 2] ?? value, value);
      box[2 + (i % 2)] = Math.max(box[2 + (i % 2)] ?? value, value);
    });
  }
  return box;
}

/** Collects what one annotation file says. */
class CocoReader {
  readonly categories: Omit<Category, 'label'>[] = [];
  readonly images: CocoImage[] = [];
  /** Until the end of the file `image` and `category` of the rows are keys and ids: lists come in any order. */
  readonly objects = new ObjectTable();
  keypoints: KeypointTable | undefined;
  hasMasks = false;
  readonly seen = new Set<string>();
  /** Numbers for image ids, which some files write as text. */
  readonly #keys = new Map<unknown, number>();
  readonly #idOfKey: unknown[] = [];
  readonly #imageOfKey = new Map<number, number>();
  readonly #imageOfName = new Map<string, number>();

  constructor(
    private readonly file: string,
    private readonly context: ReadContext,
  ) {}

  #report(kind: Problem['kind'], { line, offset }: CocoPlace, message: string, image?: string) {
    const about = image === undefined ? {} : { image };
    this.context.problems.report({ kind, file: this.file, line, offset, ...about, message });
  }

  readonly onPiece = (piece: JsonPiece): void => {
    this.seen.add(piece.key);
    if (!piece.element) return;
    const read = { images: this.#image, annotations: this.#annotation, categories: this.#category };
    const handler = Object.hasOwn(read, piece.key)
      ? read[piece.key as keyof typeof read]
      : undefined;
    if (!handler) return;
    let value: unknown;
    try {
      value = parseElement(piece.bytes);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#report('annotation', piece, `an element of "${piece.key}" is no JSON: ${reason}`);
      return;
    }
    if (typeof value !== 'object' || value === null) {
      this.#report('annotation', piece, `an element of "${piece.key}" is no object; left out`);
      return;
    }
    handler(value as Json, piece);
  };

  #keyOf(id: unknown): number {
    const known = this.#keys.get(id);
    if (known !== undefined) return known;
    this.#keys.set(id, this.#idOfKey.length);
    return this.#idOfKey.push(id) - 1;
  }

  readonly #category = (value: Json, piece: CocoPlace): void => {
    const { id, name, supercategory, keypoints, skeleton } = value;
    if (typeof id !== 'number' || typeof name !== 'string') {
      this.#report('annotation', piece, 'a category has no id and name; it is left out');
      return;
    }
    const known = this.categories.find((category) => category.id === id);
    if (known) {
      const message = `the category id ${id} of ${name} is that of ${known.name} already; ${name} is left out`;
      this.#report('annotation', piece, message);
      return;
    }
    this.categories.push({
      id,
      name,
      ...(typeof supercategory === 'string' && { supercategory }),
      ...(Array.isArray(keypoints) && { keypoints: keypoints.map(String) }),
      ...(Array.isArray(skeleton) && { skeleton: skeleton as [number, number][] }),
    });
  };

  readonly #image = (value: Json, piece: CocoPlace): void => {
    const { id, file_name: name, width, height, split, labelled_classes: labelled } = value;
    if ((typeof id !== 'number' && typeof id !== 'string') || typeof name !== 'string') {
      this.#report('annotation', piece, 'an image has no id and file_name; it is left out');
      return;
    }
    const key = this.#keyOf(id);
    const known = this.#imageOfKey.get(key);
    if (known !== undefined) {
      const other = this.images[known]?.name ?? '';
      const message = `the image id ${String(id)} of ${name} is that of ${other} already; ${name} is left out`;
      this.#report('duplicate-image', piece, message, name);
      return;
    }
    const same = this.#imageOfName.get(name);
    if (same !== undefined) {
      const other = String(this.images[same]?.id ?? '');
      const message = `${name} is listed twice, with the ids ${other} and ${String(id)}; it is taken once, with the annotations of both`;
      this.#report('duplicate-image', piece, message, name);
      this.#imageOfKey.set(key, same);
      return;
    }
    this.#imageOfKey.set(key, this.images.length);
    this.#imageOfName.set(name, this.images.length);
    const size = (side: unknown) => (typeof side === 'number' && side > 0 ? side : undefined);
    this.images.push({
      id: numberOr(id, this.images.length + 1),
      name,
      width: size(width),
      height: size(height),
      split: typeof split === 'string' ? splitName(split) : undefined,
      labelled: Array.isArray(labelled) ? labelled : undefined,
      line: piece.line,
      offset: piece.offset,
    });
  };

  readonly #annotation = (value: Json, piece: CocoPlace & { readonly bytes: Buffer }): void => {
    const { id, image_id: image, category_id: category, bbox, segmentation } = value;
    const name = `annotation ${String(id)}`;
    if (image === undefined || typeof category !== 'number') {
      this.#report('annotation', piece, `${name} has no image_id and category_id; it is left out`);
      return;
    }
    const hasOutline = segmentation !== undefined && segmentation !== null;
    if (hasOutline && !(Array.isArray(segmentation) && segmentation.length === 0)) {
      this.hasMasks = true;
    }
    const box = this.#box(bbox, segmentation);
    if (!box) {
      const message = `${name} has no bbox [x, y, width, height]; it is left out`;
      this.#report('annotation', piece, message);
      return;
    }
    const [x1 = NaN, y1 = NaN, x2 = NaN, y2 = NaN] = box;
    this.#addKeypoints(value.keypoints, name, piece);
    this.objects.push({
      image: this.#keyOf(image),
      category,
      ...{ x1, y1, x2, y2 },
      area: numberOr(value.area, NaN),
      crowd: isSet(value.iscrowd),
      difficult: isSet(value.difficult),
      id: numberOr(id, this.objects.length + 1),
      line: piece.line,
      offset: piece.offset,
      end: piece.offset + piece.bytes.length,
    });
  };

  #box(bbox: unknown, segmentation: unknown): number[] | undefined {
    if (Array.isArray(bbox) && bbox.length === 4) {
      const [x = NaN, y = NaN, width = NaN, height = NaN] = bbox.map((side) => numberOr(side, NaN));
      return [x, y, x + width, y + height];
    }
    const isOutline = bbox === undefined && Array.isArray(segmentation);
    if (!isOutline || outlineFault(segmentation, 0, 0) !== undefined) return undefined;
    return boxOfPolygons(segmentation as number[][]);
  }

  /** Keypoints of the object that is added next. */
  #addKeypoints(value: unknown, name: string, piece: CocoPlace): void {
    if (!Array.isArray(value) || value.length === 0) return;
    this.keypoints ??= new KeypointTable(Math.floor(value.length / 3));
    const { count } = this.keypoints;
    if (value.length !== 3 * count || !value.every((number) => Number.isFinite(number))) {
      const message = `${name} has ${value.length} numbers for keypoints, not ${3 * count}; it is kept without them`;
      this.#report('annotation', piece, message);
      return;
    }
    this.keypoints.set(this.objects.length, value as number[]);
  }

  /** Puts indices in the place of keys and ids; `kept` says which images stay, by their index now. */
  resolve(kept: ReadonlyMap<number, number>): void {
    // Ids grow with labels, as everybody expects them to.
    this.categories.sort((a, b) => a.id - b.id);
    const categoryOf = new Map(this.categories.map(({ id }, index) => [id, index]));
    for (let row = 0; row < this.objects.length; row++) {
      const object = this.objects.get(row);
      const listed = this.#imageOfKey.get(object.image);
      const category = categoryOf.get(object.category);
      const image = listed === undefined ? undefined : kept.get(listed);
      const name = `annotation ${object.id}`;
      if (listed === undefined) {
        const id = String(this.#idOfKey[object.image]);
        const message = `${name} is of image ${id}, which is not listed; it is left out`;
        this.#report('unknown-image', object, message);
      } else if (image !== undefined && category === undefined) {
        const message = `${name} has category_id ${object.category}, which is not listed; it is left out`;
        this.#report('unknown-class', object, message, this.images[listed]?.name);
      }
      const isUsed = image !== undefined && category !== undefined;
      this.objects.set(row, { ...object, image: isUsed ? image : -1, category: category ?? 0 });
    }
  }
}

type CocoPlace = Pick<JsonPiece, 'line' | 'offset'>;

/** Reads an annotation's outline again, from where it was found. */
function outlineReader(file: string) {
  return async (
    _image: ImageRecord,
    objects: readonly ObjectRow[],
  ): Promise<(Segmentation | undefined)[]> => {
    const handle = await open(file).catch((error: unknown) => {
      throw fileError(file, error);
    });
    try {
      const outlines: (Segmentation | undefined)[] = [];
      for (const { id, offset, end } of objects) {
        const bytes = Buffer.alloc(end - offset);
        await handle.read(bytes, 0, bytes.length, offset);
        let value: Json | undefined;
        try {
          value = parseElement(bytes) as Json;
        } catch {
          value = undefined;
        }
        if (value === undefined || (typeof value.id === 'number' && value.id !== id)) {
          throw datasetError(
            `${file}: annotation ${id} is no longer at byte ${offset}: the file was changed after it was opened.`,
          );
        }
        const { segmentation } = value;
        const isEmpty = Array.isArray(segmentation) && segmentation.length === 0;
        outlines.push(isEmpty ? undefined : ((segmentation ?? undefined) as Segmentation));
      }
      return outlines;
    } finally {
      await handle.close();
    }
  };
}

/**
 * Reads a COCO annotation file.
 *
 * @param root the folder that the data set was opened as, where it was one: images are looked for below it
 */
export async function readCoco(
  file: string,
  context: ReadContext,
  root?: string,
): Promise<RawDataset> {
  const reader = new CocoReader(file, context);
  const { size } = await stat(file).catch((error: unknown) => {
    throw fileError(file, error);
  });
  await scanJson(file, reader.onPiece, {
    signal: context.signal,
    onBytes: (bytes) => context.onProgress?.(Math.min(1, bytes / Math.max(1, size))),
  });
  if (reader.images.length === 0 || reader.categories.length === 0) {
    const missing = reader.images.length === 0 ? 'images' : 'categories';
    const there = [...reader.seen].join(', ');
    throw datasetError(
      `${file}: no annotation file of COCO's kind: it lists no "${missing}"${there && `, but has ${there}`}.`,
    );
  }
  const splits = [...new Set(reader.images.flatMap(({ split }) => split ?? []))].sort();
  if (context.split !== undefined && !splits.includes(context.split)) {
    const there = splits.length === 0 ? 'it has no splits' : `it has ${splits.join(', ')}`;
    throw datasetError(`${file}: no image is of the split "${context.split}"; ${there}.`);
  }
  const { images, kept } = await keepImages(file, reader.images, reader.categories, context, root);
  reader.resolve(kept);
  return {
    format: 'coco',
    categories: reader.categories,
    classFile: file,
    images,
    objects: reader.objects,
    keypoints: reader.keypoints,
    segmentations: reader.hasMasks ? outlineReader(file) : undefined,
    objectName: ({ id }) => `annotation ${id}`,
  };
}
