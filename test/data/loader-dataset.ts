/** A small data set made of pictures written for the occasion. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import type { Dataset, Entry } from '../../lib/data/dataset';

export interface MadeImage {
  readonly width: number;
  readonly height: number;
  readonly boxes?: readonly number[];
  readonly crowd?: readonly number[];
  readonly keypoints?: readonly number[];
  readonly masks?: boolean;
  readonly labelledClasses?: readonly number[];
  /** Contents of the file instead of a picture. */
  readonly bytes?: Buffer;
  /** What the annotations say, where it is not what the file has. */
  readonly claimedWidth?: number;
}

const folders: string[] = [];

/** Removes what was written. */
export function removeDatasets(): void {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
}

async function write(folder: string, index: number, image: MadeImage): Promise<string> {
  const path = join(folder, `${index}.png`);
  const { width, height, bytes } = image;
  // Every picture has a colour of its own, and a column that tells left from right.
  const colour = { r: index, g: 100, b: 200 };
  const picture = sharp({ create: { width, height, channels: 3, background: colour } });
  const column = { create: { width: 1, height, channels: 3 as const, background: '#ffffff' } };
  const png = picture.composite([{ input: column, left: 0, top: 0 }]).png();
  writeFileSync(path, bytes ?? (await png.toBuffer()));
  return path;
}

function entryOf(image: MadeImage, path: string, index: number): Entry {
  const { width, height, boxes = [0, 0, width, height], keypoints, labelledClasses } = image;
  const length = boxes.length / 4;
  const outline = [1, 1, width - 1, 1, width - 1, height - 1, 1, height - 1];
  return {
    index,
    id: index + 1,
    name: `${index}.png`,
    image: path,
    width: image.claimedWidth ?? width,
    height,
    length,
    boxes: Float64Array.from(boxes),
    labels: Int32Array.from({ length }, (_, k) => k + 1),
    areas: new Float64Array(length),
    crowd: Uint8Array.from(image.crowd ?? new Array<number>(length).fill(0)),
    difficult: new Uint8Array(length),
    objectIds: new Float64Array(length),
    ...(keypoints && { keypoints: Float32Array.from(keypoints) }),
    ...(labelledClasses && { labelledClasses }),
    source: { file: '/data/annotations.json', line: 1 },
    where: (k) => `object ${k}`,
    ...(image.masks && {
      segmentations: () => Promise.resolve(Array.from({ length }, () => [outline])),
    }),
  };
}

export async function makeDataset(images: readonly MadeImage[]): Promise<Dataset> {
  const folder = mkdtempSync(join(tmpdir(), 'torchdet-loader-'));
  folders.push(folder);
  const entries = await Promise.all(
    images.map(async (image, index) => entryOf(image, await write(folder, index, image), index)),
  );
  const keypoints = ['left_eye', 'right_eye'];
  return {
    format: 'coco',
    path: folder,
    categories: [{ label: 1, name: 'thing', id: 1, keypoints }],
    names: ['__background__', 'thing'],
    length: images.length,
    hasMasks: images.some((image) => image.masks),
    keypointCount: 2,
    problems: [],
    entry: (index) => entries[index] ?? assertNever(index),
    sizes: Int32Array.from(images.flatMap(({ width, height }) => [width, height])),
  };
}

function assertNever(index: number): never {
  throw new Error(`no entry ${index}`);
}
