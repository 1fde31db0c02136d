/** Folders of files written for the occasion. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import sharp from 'sharp';
import type { Dataset, DatasetEntry } from '../../lib/data';

/** Text or bytes of a file, [width, height] of a picture, or what is written as JSON. */
export type MadeFile = string | Buffer | readonly [width: number, height: number] | object;

const folders: string[] = [];

/** A new folder with these files in it. */
export async function makeFiles(files: Readonly<Record<string, MadeFile>> = {}): Promise<string> {
  const root = mkdtempSync(join(tmpdir(), 'torchdet-data-'));
  folders.push(root);
  for (const [name, content] of Object.entries(files)) {
    const file = join(root, name);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, await bytesOf(content));
  }
  return root;
}

async function bytesOf(content: MadeFile): Promise<string | Buffer> {
  if (typeof content === 'string' || Buffer.isBuffer(content)) return content;
  if (!Array.isArray(content)) return JSON.stringify(content, null, 1);
  const [width = 0, height = 0] = content as number[];
  return sharp({ create: { width, height, channels: 3, background: '#8899aa' } })
    .png()
    .toBuffer();
}

/** Removes all of them. */
export function removeFiles(): void {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
}

export function entriesOf(dataset: Dataset): DatasetEntry[] {
  return Array.from({ length: dataset.length }, (_, i) => dataset.entry(i));
}

/** An object's box with the name of its class, for comparing. */
export function objectsOf(dataset: Dataset, entry: DatasetEntry): string[] {
  return Array.from(entry.labels, (label, k) => {
    const box = Array.from(entry.boxes.subarray(4 * k, 4 * k + 4), (x) => Number(x.toFixed(4)));
    return `${dataset.names[label] ?? '?'} ${box.join(' ')}`;
  });
}

const polygon = [2, 2, 12, 2, 12, 10, 2, 10];
const hole = { size: [20, 30], counts: [25, 4, 571] };

/** Two images, classes with holes in their ids, everything that COCO's format has. */
export const cocoFile = {
  info: { description: 'made' },
  images: [
    { id: 7, file_name: 'a.png', width: 30, height: 20, labelled_classes: [90, 18] },
    { id: 'eight', file_name: 'sub/b.png', width: 40, height: 50 },
    { id: 9, file_name: 'empty.png', width: 16, height: 16 },
  ],
  annotations: [
    {
      ...{ id: 100, image_id: 7, category_id: 90, bbox: [2, 2, 10, 8], area: 75.5, iscrowd: 0 },
      segmentation: [polygon],
    },
    { id: 101, image_id: 'eight', category_id: 18, bbox: [1.5, 2.25, 20, 30], iscrowd: 0 },
    {
      ...{ id: 102, image_id: 7, category_id: 18, bbox: [1, 5, 1, 4], area: 4, iscrowd: 1 },
      segmentation: hole,
    },
  ],
  categories: [
    { id: 90, name: 'toothbrush' },
    { id: 18, name: 'dog', supercategory: 'animal' },
  ],
};

/** cocoFile and its images. */
export const cocoFiles = {
  'instances.json': cocoFile,
  'images/a.png': [30, 20],
  'images/sub/b.png': [40, 50],
  'images/empty.png': [16, 16],
} as const;

export function vocXml(
  filename: string,
  [width, height]: readonly [number, number],
  objects: readonly (readonly [name: string, ...box: (number | string)[]])[],
): string {
  const sides = ['xmin', 'ymin', 'xmax', 'ymax'];
  const lines = objects.map(
    ([name, ...box]) =>
      `<object><name>${name}</name>\n<bndbox>${box.map((side, i) => `<${sides[i] ?? ''}>${side}</${sides[i] ?? ''}>`).join('')}</bndbox></object>\n`,
  );
  return `<annotation>\n<filename>${filename}</filename>\n<size><width>${width}</width><height>${height}</height></size>\n${lines.join('')}</annotation>\n`;
}

/** Three images in two splits. */
export const vocFiles = {
  'Annotations/one.xml': vocXml(
    'one.png',
    [30, 20],
    [
      ['cat', 1, 2, 11, 12],
      ['ant', 3, 3, 9, 9],
    ],
  ),
  'Annotations/two.xml': vocXml('two.png', [40, 30], [['cat', 5, 5, 25, 20]]),
  'Annotations/three.xml': vocXml('three.png', [16, 16], []),
  'JPEGImages/one.png': [30, 20],
  'JPEGImages/two.png': [40, 30],
  'JPEGImages/three.png': [16, 16],
  'ImageSets/Main/train.txt': 'two\none\n',
  'ImageSets/Main/val.txt': 'three\n',
  'ImageSets/Main/trainval.txt': 'one\ntwo\nthree\n',
} as const;

/** Two images in two splits. */
export const yoloFiles = {
  'data.yaml': 'path: .\ntrain: images/train\nval: images/val\nnames:\n  0: cat\n  1: dog\n',
  'images/train/a.png': [40, 20],
  'labels/train/a.txt': '1 0.5 0.5 0.5 0.5\n0 0.25 0.5 0.1 0.2\n',
  'images/val/b.png': [20, 20],
} as const;
