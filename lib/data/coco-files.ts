/** The files of a data set of COCO's kind: which annotations there are, and where the images lie. */
import { open } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import type { Category } from './dataset';
import { scanJson, type JsonPiece } from './json-scanner';
import {
  datasetError,
  foldersBelow,
  ImageFolder,
  imageSizeOr,
  mapLimited,
  splitName,
  splitOfName,
  type ImageRecord,
  type ReadContext,
} from './reader';

export type Json = Record<string, unknown>;

/** An image as the annotation file lists it. */
export interface CocoImage {
  readonly id: number;
  readonly name: string;
  readonly width: number | undefined;
  readonly height: number | undefined;
  readonly split: string | undefined;
  readonly labelled: readonly unknown[] | undefined;
  readonly line: number;
  readonly offset: number;
}

/** Python writes numbers that JSON does not have; they become null, and are found to be no numbers later. */
export function parseElement(bytes: Buffer): unknown {
  const text = bytes.toString('utf8');
  try {
    return JSON.parse(text);
  } catch (error) {
    const mended = text.replace(/"(?:[^"\\]|\\.)*"|-?\b(?:NaN|Infinity)\b/g, (found) =>
      found.startsWith('"') ? found : 'null',
    );
    if (mended === text) throw error;
    return JSON.parse(mended);
  }
}

/** Folders of the annotation file's split first, those of other splits last: their images may have the same names. */
function bySplit(folders: readonly string[], start: string, file: string): string[] {
  const own = splitOfName(basename(file)) ?? splitOfName(basename(dirname(file)));
  if (own === undefined) return [...folders];
  const rank = (folder: string): number => {
    const split = splitOfName(relative(start, folder));
    if (split === undefined) return 1;
    return split === own ? 0 : 2;
  };
  return [...folders].sort((a, b) => rank(a) - rank(b));
}

/** The folder that the images' names are meant from: the first that has one of a sample of them. */
async function findImageFolder(
  file: string,
  images: readonly CocoImage[],
  root: string | undefined,
): Promise<ImageFolder> {
  const step = Math.max(1, Math.floor(images.length / 20));
  const sample = images.filter((_, i) => i % step === 0);
  const starts = [dirname(file), dirname(dirname(file)), ...(root === undefined ? [] : [root])];
  const searched = new Set<string>();
  for (const depth of [0, 3]) {
    for (const start of new Set(starts)) {
      // Not everything next to the folder that was named is the data set's.
      if (root !== undefined && start.length < root.length) continue;
      for (const folder of bySplit(await foldersBelow(start, depth), start, file)) {
        if (searched.has(folder)) continue;
        searched.add(folder);
        const candidate = new ImageFolder(folder);
        for (const { name } of sample) {
          if (await candidate.find(name)) return candidate;
        }
      }
    }
  }
  const name = images[0]?.name ?? '';
  throw datasetError(
    `${file}: none of its images, ${name} for one, lies in ${[...searched].slice(0, 5).join(', ')} or below. ` +
      'Say where they are with imageDir.',
  );
}

/** Images of the split wanted that are there, and their new indices by their index in the file. */
export async function keepImages(
  file: string,
  listed: readonly CocoImage[],
  categories: readonly Omit<Category, 'label'>[],
  context: ReadContext,
  root: string | undefined,
): Promise<{ images: ImageRecord[]; kept: Map<number, number> }> {
  const { split, problems, signal } = context;
  const chosen = listed.flatMap((image, index) =>
    split === undefined || image.split === split ? [{ image, index }] : [],
  );
  const images: ImageRecord[] = [];
  const kept = new Map<number, number>();
  if (chosen.length === 0) return { images, kept };
  const wanted = chosen.map(({ image }) => image);
  const folder =
    context.imageDir === undefined
      ? await findImageFolder(file, wanted, root)
      : new ImageFolder(context.imageDir);
  const found = await mapLimited(
    wanted,
    8,
    async ({ name, width, height, line, offset }) => {
      const about = { file, line, offset, image: name };
      const path = await folder.find(name);
      if (path === undefined) {
        const message = `the image ${name} is not in ${folder.path}; it is left out with its annotations`;
        problems.report({ kind: 'image-missing', ...about, message });
        return undefined;
      }
      if (width !== undefined && height !== undefined) return { path, width, height };
      const size = await imageSizeOr(path, problems, about);
      return size && { path, ...size };
    },
    signal,
  );
  const categoryOf = new Map<unknown, number>(
    [...categories].sort((a, b) => a.id - b.id).map(({ id }, index) => [id, index]),
  );
  chosen.forEach(({ image: { id, name, labelled, line }, index }, k) => {
    const there = found[k];
    if (!there) return;
    kept.set(index, images.length);
    const marked = labelled?.flatMap((category) => categoryOf.get(category) ?? []);
    images.push({ id, name, ...there, labelled: marked, file, line });
  });
  return { images, kept };
}

/** Splits that the images of an annotation file name. */
export async function cocoImageSplits(file: string, signal?: AbortSignal): Promise<string[]> {
  const splits = new Set<string>();
  const onPiece = ({ key, element, bytes }: JsonPiece): void => {
    if (key !== 'images' || !element || !bytes.includes('"split"')) return;
    const { split } = parseElement(bytes) as Json;
    if (typeof split === 'string') splits.add(splitName(split));
  };
  await scanJson(file, onPiece, { signal });
  return [...splits].sort();
}

/** How the files begin that torchdet writes; the split's name follows. */
export const writtenStart = '{"info":{"description":"written by torchdet"';

/**
 * What a file of COCO's kind says by how it begins: of torchdet's own files the split that they are. Undefined for other files;
 * captions and the like do not count.
 */
export async function beginningOf(file: string): Promise<{ readonly split?: string } | undefined> {
  const handle = await open(file).catch(() => undefined);
  if (!handle) return undefined;
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(4096), 0, 4096, 0);
    const start = buffer.toString('utf8', 0, bytesRead).replace(/^\uFEFF/, '');
    if (!/^\s*\{\s*"(images|annotations|categories|info|licenses|type)"\s*:/.test(start)) {
      return undefined;
    }
    const said = start.startsWith(writtenStart) ? start.slice(writtenStart.length) : '';
    const [, split] = /^,"split":("(?:[^"\\]|\\.)*")\}/.exec(said) ?? [];
    return split === undefined ? {} : { split: splitName(JSON.parse(split) as string) };
  } finally {
    await handle.close();
  }
}

/** Where annotation files lie in a folder: in it, in `annotations`, and in a folder for each split. */
export function cocoFolders(root: string): string[] {
  return ['', 'annotations', 'train', 'valid', 'val', 'test'].map((name) => join(root, name));
}
