/** The Penn-Fudan pedestrians: for each image a PNG whose pixels are 0 or the number of the person they belong to. */
import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import sharp from 'sharp';
import { encode } from '../detection/rle';
import type { Segmentation } from './dataset';
import {
  byName,
  checkSplit,
  ImageFolder,
  kindOf,
  mapLimited,
  messageOf,
  stemOf,
  type ImageRecord,
  type RawDataset,
  type ReadContext,
  type Source,
} from './reader';
import { ObjectTable, type ObjectRow } from './table';

const maskFolder = 'PedMasks';
const imageFolders = ['PNGImages', 'Images', 'JPEGImages'];

interface Instances {
  readonly width: number;
  readonly height: number;
  /** The number of the object each pixel belongs to, row by row. */
  readonly pixels: Uint8Array;
}

async function readMask(file: string): Promise<Instances> {
  const { data, info } = await sharp(file, { limitInputPixels: false })
    .toColourspace('b-w')
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true });
  const { width, height, channels } = info;
  if (channels !== 1) throw new Error(`it has ${channels} channels, a mask has one`);
  return { width, height, pixels: data };
}

/** Extent and area of each object. */
function measure({ width, height, pixels }: Instances) {
  const found = new Map<number, { box: [number, number, number, number]; area: number }>();
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++, at++) {
      const instance = pixels[at] ?? 0;
      if (instance === 0) continue;
      let object = found.get(instance);
      if (!object) {
        object = { box: [x, y, x + 1, y + 1], area: 0 };
        found.set(instance, object);
      }
      const { box } = object;
      if (x < box[0]) box[0] = x;
      if (x >= box[2]) box[2] = x + 1;
      box[3] = y + 1;
      object.area += 1;
    }
  }
  return [...found].sort(([a], [b]) => a - b).map(([id, object]) => ({ id, ...object }));
}

async function readOutlines(
  image: ImageRecord,
  objects: readonly ObjectRow[],
): Promise<(Segmentation | undefined)[]> {
  const { width, height, pixels } = await readMask(image.file);
  return objects.map(({ id }) =>
    encode(
      pixels.map((instance) => Number(instance === id)),
      height,
      width,
    ),
  );
}

async function readPennFudan(root: string, context: ReadContext): Promise<RawDataset> {
  const { problems, signal, split } = context;
  if (split !== undefined) checkSplit(root, split, []);
  const folder = join(root, maskFolder);
  const masks = (await readdir(folder)).filter((name) => /_mask\.png$/i.test(name)).sort(byName);
  let done = 0;
  const read = await mapLimited(
    masks,
    4,
    async (name) => {
      const file = join(folder, name);
      const result = await readMask(file).then(
        ({ width, height, pixels }) => ({
          file,
          size: { width, height },
          found: measure({ width, height, pixels }),
        }),
        (error: unknown) => ({ file, error: messageOf(error) }),
      );
      context.onProgress?.(++done / masks.length);
      return result;
    },
    signal,
  );
  const places: ImageFolder[] = [];
  for (const path of [context.imageDir, ...imageFolders.map((name) => join(root, name))]) {
    if (path !== undefined && (await kindOf(path))) places.push(new ImageFolder(path));
  }
  const images: ImageRecord[] = [];
  const objects = new ObjectTable();
  for (const [i, result] of read.entries()) {
    const { file } = result;
    const stem = stemOf(file).replace(/_mask$/i, '');
    if ('error' in result) {
      const message = `the masks cannot be read (${result.error}); the image is left out`;
      problems.report({ kind: 'mask', file, image: stem, message });
      continue;
    }
    let path: string | undefined;
    for (const place of places) {
      for (const extension of ['.png', '.jpg', '.jpeg']) {
        path ??= await place.find(stem + extension);
      }
    }
    if (path === undefined) {
      const message = `the image ${stem} is not there; it is left out`;
      problems.report({ kind: 'image-missing', file, image: stem, message });
      continue;
    }
    for (const { id, box, area } of result.found) {
      const [x1, y1, x2, y2] = box;
      objects.push({
        ...{ image: images.length, category: 0, x1, y1, x2, y2, area, id },
        ...{ crowd: false, difficult: false, line: 1, offset: NaN, end: NaN },
      });
    }
    images.push({ id: i + 1, name: basename(path), path, ...result.size, file });
  }
  return {
    format: 'penn-fudan',
    categories: [{ id: 1, name: 'person' }],
    images,
    objects,
    segmentations: readOutlines,
    objectName: ({ id }) => `person ${id}`,
  };
}

/** The Penn-Fudan data set in a folder, where it is there. */
export async function findPennFudan(root: string): Promise<Source | undefined> {
  if ((await kindOf(join(root, maskFolder))) !== 'folder') return undefined;
  return {
    format: 'penn-fudan',
    splits: () => Promise.resolve([]),
    read: (context) => readPennFudan(root, context),
  };
}
