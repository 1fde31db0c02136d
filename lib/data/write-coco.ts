/** Writes COCO's annotation files, piece by piece. */
import { open, rename, rm, type FileHandle } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { compress } from '../detection/rle';
import { writtenStart } from './coco-files';
import type { Category, Dataset, Entry, Segmentation } from './dataset';
import { boxOf, clean, placeImage, type WriteContext, type Writer } from './write';
import { partOf, writeError, type Written } from './written';

/** Text that goes to a file in large pieces. The file has its name only once it is whole. */
class TextFile {
  #pending: string[] = [];
  #length = 0;

  private constructor(
    private readonly handle: FileHandle,
    private readonly file: string,
  ) {}

  static async create(file: string, written: Written): Promise<TextFile> {
    try {
      await written.begin(file);
      return new TextFile(await open(partOf(file), 'w'), file);
    } catch (error) {
      throw writeError(file, error);
    }
  }

  async write(text: string): Promise<void> {
    this.#pending.push(text);
    this.#length += text.length;
    if (this.#length > 1 << 20) await this.#flush();
  }

  async #flush(): Promise<void> {
    const text = this.#pending.join('');
    this.#pending = [];
    this.#length = 0;
    try {
      await this.handle.appendFile(text);
    } catch (error) {
      throw writeError(this.file, error);
    }
  }

  /** Ends the file and gives it its name. */
  async keep(): Promise<void> {
    await this.#flush();
    try {
      // The name must not outlast a loss of power without what it names.
      await this.handle.sync();
      await this.handle.close();
      await rename(partOf(this.file), this.file);
    } catch (error) {
      throw writeError(this.file, error);
    }
  }

  /** Leaves nothing of it: what it failed of is to be told, not this. */
  async drop(): Promise<void> {
    await this.handle.close().catch(() => undefined);
    await rm(partOf(this.file), { force: true }).catch(() => undefined);
  }
}

function categoryOf({ id, name, supercategory, keypoints, skeleton }: Category) {
  return {
    id,
    name,
    ...(supercategory !== undefined && { supercategory }),
    ...(keypoints && { keypoints }),
    ...(skeleton && { skeleton }),
  };
}

/** Polygons as they are, runs as text. */
function outlineOf(outline: Segmentation): unknown {
  return 'size' in outline && typeof outline.counts !== 'string' ? compress(outline) : outline;
}

function annotationOf(
  entry: Entry,
  k: number,
  dataset: Dataset,
  { id, imageId, outline }: { id: number; imageId: number; outline: Segmentation | undefined },
): unknown {
  const [x1, y1, x2, y2] = boxOf(entry, k);
  const category = dataset.categories[(entry.labels[k] ?? 1) - 1];
  const size = 3 * dataset.keypointCount;
  const keypoints = Array.from(entry.keypoints?.subarray(k * size, (k + 1) * size) ?? [], clean);
  return {
    id,
    image_id: imageId,
    category_id: category?.id ?? 0,
    bbox: [x1, y1, x2 - x1, y2 - y1].map(clean),
    area: clean(entry.areas[k] ?? 0),
    iscrowd: entry.crowd[k] ?? 0,
    ...(entry.difficult[k] === 1 && { difficult: 1 }),
    ...(outline && { segmentation: outlineOf(outline) }),
    ...(size > 0 && {
      num_keypoints: keypoints.filter((value, i) => i % 3 === 2 && value > 0).length,
      keypoints,
    }),
  };
}

/** Writes `annotations/instances_<split>.json` and `images/`. */
export class CocoWriter implements Writer {
  /** Ids are the source's own where it has any; else they go on counting from split to split. */
  #images = 0;
  #annotations = 0;

  constructor(private readonly context: WriteContext) {}

  /** How many objects were written so far. */
  get objects(): number {
    return this.#annotations;
  }

  async add(dataset: Dataset, split: string | undefined): Promise<void> {
    const { out, written } = this.context;
    const name = split === undefined ? 'instances.json' : `instances_${split}.json`;
    const file = await TextFile.create(join(out, 'annotations', name), written);
    try {
      await this.#writeStart(file, dataset, split);
      await this.#writeImages(file, dataset, split);
      await this.#writeAnnotations(file, dataset);
      await file.keep();
    } catch (error) {
      await file.drop();
      throw error;
    }
    this.#images += dataset.length;
  }

  #keepsIds(dataset: Dataset): boolean {
    return dataset.format === 'coco' && this.context.renumber !== true;
  }

  #imageId(dataset: Dataset, entry: Entry): number {
    return this.#keepsIds(dataset) ? entry.id : this.#images + entry.index + 1;
  }

  async #writeStart(file: TextFile, dataset: Dataset, split: string | undefined): Promise<void> {
    const said = split === undefined ? '' : `,"split":${JSON.stringify(split)}`;
    await file.write(`${writtenStart}${said}},\n"categories":[\n`);
    const categories = dataset.categories.map((category) => JSON.stringify(categoryOf(category)));
    await file.write(`${categories.join(',\n')}\n],\n"images":[\n`);
  }

  async #writeImages(file: TextFile, dataset: Dataset, split: string | undefined): Promise<void> {
    const copies = new Map<string, number>();
    for (let i = 0; i < dataset.length; i++) {
      this.context.signal?.throwIfAborted();
      const entry = dataset.entry(i);
      // Sets that were joined may have an image in common, and each says something else of it.
      const copy = copies.get(entry.image) ?? 0;
      copies.set(entry.image, copy + 1);
      const id = this.#imageId(dataset, entry);
      const image = await this.#image(dataset, entry, { id, copy, split });
      await file.write(`${i === 0 ? '' : ',\n'}${image}`);
    }
  }

  async #writeAnnotations(file: TextFile, dataset: Dataset): Promise<void> {
    await file.write('\n],\n"annotations":[');
    let first = true;
    for (let i = 0; i < dataset.length; i++) {
      this.context.signal?.throwIfAborted();
      const entry = dataset.entry(i);
      const imageId = this.#imageId(dataset, entry);
      const outlines = await entry.segmentations?.();
      for (let k = 0; k < entry.length; k++) {
        this.#annotations += 1;
        const id = this.#keepsIds(dataset) ? (entry.objectIds[k] ?? 0) : this.#annotations;
        const what = { id, imageId, outline: outlines?.[k] };
        const line = JSON.stringify(annotationOf(entry, k, dataset, what));
        await file.write(`${first ? '' : ','}\n${line}`);
        first = false;
      }
      this.context.step();
    }
    await file.write('\n]}\n');
  }

  /** A name that leads to the image where it lies; a copy's is another that leads to the same. */
  #ownName({ name, image }: Entry, copy: number): string {
    // Sets that were joined have their images in several folders.
    const own = this.context.renumber === true ? image : name;
    const start = own.length - basename(own).length;
    return own.slice(0, start) + './'.repeat(copy) + own.slice(start);
  }

  async #image(
    dataset: Dataset,
    entry: Entry,
    { id, copy, split }: { id: number; copy: number; split: string | undefined },
  ): Promise<string> {
    const { out, images, names } = this.context;
    const name = images === 'none' ? this.#ownName(entry, copy) : names.of(entry, copy);
    await placeImage(entry.image, join(out, 'images', name), this.context);
    const marked = entry.labelledClasses?.map((label) => dataset.categories[label - 1]?.id);
    return JSON.stringify({
      id,
      file_name: name,
      width: entry.width,
      height: entry.height,
      ...(marked && { labelled_classes: marked }),
      ...(split !== undefined && { split }),
    });
  }

  finish(): Promise<void> {
    return Promise.resolve();
  }
}
