/** Data sets of Pascal VOC's kind: an XML file for each image, and lists of the images of each split. */
import { background } from './dataset';
import { readdir, readFile } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import {
  byName,
  checkSplit,
  datasetError,
  foldersBelow,
  imageSizeOr,
  isImageName,
  mapLimited,
  messageOf,
  readClassFile,
  splitName,
  splitOfName,
  stemOf,
  type ImageRecord,
  type RawDataset,
  type ReadContext,
  type Source,
} from './reader';
import { ObjectTable } from './table';
import { VocImages } from './voc-images';
import { decodeXml, parseVoc, type VocAnnotation } from './voc-xml';

/** Files read at the same time. */
const parallel = 8;

interface VocFiles {
  readonly root: string;
  /** All annotation files. */
  readonly xml: readonly string[];
  /** Stems of the images of each split, and the list that names them; or a folder of annotations for each split. */
  readonly lists: ReadonlyMap<string, string>;
  readonly folders: ReadonlyMap<string, string>;
}

async function filesIn(folder: string, fits: (name: string) => boolean): Promise<string[]> {
  const names = await readdir(folder).catch(() => []);
  return names.filter(fits).sort(byName);
}

/** Whether a list is of one class only, as cat_train.txt: it says of each image whether the class is on it. */
async function isClassList(file: string): Promise<boolean> {
  if (!basename(file).includes('_')) return false;
  const lines = (await readFile(file, 'utf8').catch(() => '')).split(/\r?\n/);
  const named = lines.filter((line) => line.trim() !== '');
  return named.length > 0 && named.every((line) => /\s(-1|0|1)\s*$/.test(line));
}

async function findFiles(root: string): Promise<VocFiles | undefined> {
  const xml: string[] = [];
  const lists = new Map<string, string>();
  const folders = new Map<string, string>();
  for (const folder of await foldersBelow(root, 3)) {
    const found = await filesIn(folder, (name) => /\.xml$/i.test(name) && !name.startsWith('.'));
    xml.push(...found.map((name) => join(folder, name)));
    const split = splitOfName(relative(root, folder));
    if (found.length > 0 && split !== undefined) folders.set(split, folder);
    if (!/^ImageSets[/\\]Main$/i.test(join(basename(dirname(folder)), basename(folder)))) continue;
    for (const name of await filesIn(folder, (file) => /\.txt$/i.test(file))) {
      const list = join(folder, name);
      if (!(await isClassList(list))) lists.set(splitName(stemOf(name)), list);
    }
  }
  return xml.length === 0 ? undefined : { root, xml, lists, folders };
}

/** Annotation files of a split, in the order of its list. */
async function filesOfSplit(
  { root, xml, lists, folders }: VocFiles,
  { split, problems }: ReadContext,
): Promise<string[]> {
  if (split === undefined) return [...xml];
  checkSplit(root, split, [...new Set([...lists.keys(), ...folders.keys()])]);
  const list = lists.get(split);
  if (list === undefined) return xml.filter((file) => dirname(file) === folders.get(split));
  const byStem = new Map(xml.map((file) => [stemOf(file), file]));
  const files = new Set<string>();
  const lines = (await readFile(list, 'utf8')).split(/\r?\n/);
  lines.forEach((text, i) => {
    const whole = text.trim();
    if (whole === '') return;
    // Names may have spaces, and some lists have a number after the name.
    const [first = ''] = whole.split(/\s+/);
    const names = [text, whole, ...(isImageName(whole) ? [stemOf(whole)] : []), first];
    const name = names.find((other) => byStem.has(other)) ?? stemOf(first);
    const file = byStem.get(name);
    const place = { file: list, line: i + 1, image: name };
    if (file === undefined) {
      const message = `"${whole}" has no annotation file; it is left out`;
      problems.report({ kind: 'annotation', ...place, message });
    } else if (files.has(file)) {
      const message = `"${name}" is in the list before; it is taken once`;
      problems.report({ kind: 'duplicate-image', ...place, message });
    } else {
      files.add(file);
    }
  });
  return [...files];
}

type Parsed =
  | { readonly annotation: VocAnnotation }
  | { readonly error: string; readonly line?: number | undefined };

async function parseFile(file: string): Promise<Parsed> {
  try {
    return { annotation: parseVoc(decodeXml(await readFile(file))) };
  } catch (error) {
    // The parser's messages begin with line and column.
    const [, line, reason] = /^(\d+):\d+: (.*)$/.exec(messageOf(error)) ?? [];
    return reason === undefined
      ? { error: messageOf(error) }
      : { error: reason, line: Number(line) };
  }
}

/** Names of all classes in their order: of a file that lists them, or all that occur by alphabet. */
async function classNames(files: VocFiles, parsed: ReadonlyMap<string, Parsed>): Promise<string[]> {
  const places = ['classes.txt', 'labels.txt'].map((name) => join(files.root, name));
  const listed = await readClassFile(places);
  if (listed) return listed;
  const names = new Set<string>();
  for (const entry of parsed.values()) {
    if (!('annotation' in entry)) continue;
    for (const { name } of entry.annotation.objects) if (name !== '') names.add(name);
  }
  return [...names].sort();
}

function addObjects(
  objects: ObjectTable,
  image: number,
  file: string,
  { annotation, names }: { annotation: VocAnnotation; names: ReadonlyMap<string, number> },
  { problems, classes }: ReadContext,
): void {
  annotation.objects.forEach(({ name, box, difficult, line }, k) => {
    const place = { file, line, image: annotation.filename ?? stemOf(file) };
    const category = names.get(name);
    if (category === undefined) {
      // Other classes than those the caller chose are left out without a word.
      if (classes) return;
      const message = `object ${k + 1} is of the class "${name}", which is not listed; it is left out`;
      problems.report({ kind: 'unknown-class', ...place, message });
      return;
    }
    if (!box) {
      const message = `object ${k + 1} (${name}) has no bndbox; it is left out`;
      problems.report({ kind: 'annotation', ...place, message });
      return;
    }
    // Number('') is 0: what is missing must not become a coordinate.
    const side = (key: string): number => (box[key] ? Number(box[key]) : NaN);
    objects.push({
      ...{
        image,
        category,
        x1: side('xmin'),
        y1: side('ymin'),
        x2: side('xmax'),
        y2: side('ymax'),
      },
      ...{ area: NaN, crowd: false, difficult, id: k + 1, line, offset: NaN, end: NaN },
    });
  });
}

async function readVoc(files: VocFiles, context: ReadContext): Promise<RawDataset> {
  const { problems, signal, classes } = context;
  const chosen = await filesOfSplit(files, context);
  // Labels must not depend on the split: without a list of classes all files say which there are.
  const needed = classes ? chosen : files.xml;
  let done = 0;
  const results = await mapLimited(
    needed,
    parallel,
    async (file) => {
      const result = await parseFile(file);
      context.onProgress?.(++done / needed.length);
      return result;
    },
    signal,
  );
  const parsed = new Map(needed.map((file, i) => [file, results[i] ?? { error: 'not read' }]));
  const categories = classes
    ? classes.filter((name) => name !== background)
    : await classNames(files, parsed);
  const names = new Map(categories.map((name, k) => [name, k]));
  const found = await VocImages.find(files.root, files.xml, context.imageDir);
  const idOf = new Map(files.xml.map((file, i) => [file, i + 1]));
  const images: ImageRecord[] = [];
  const objects = new ObjectTable();
  for (const file of chosen) {
    const result = parsed.get(file);
    if (!result || 'error' in result) {
      const message = `it is no annotation file that can be read (${result?.error ?? 'not read'}); it is left out`;
      const place = result?.line === undefined ? { file } : { file, line: result.line };
      problems.report({ kind: 'annotation', ...place, message });
      continue;
    }
    const { annotation } = result;
    const image = annotation.filename ?? stemOf(file);
    const place = found.of(annotation.filename, file);
    if ('reason' in place) {
      const message = `the image ${image} ${place.reason}; it is left out with its objects`;
      problems.report({ kind: 'image-missing', file, image, message });
      continue;
    }
    const { path } = place;
    const { width, height } = annotation;
    const size =
      width !== undefined && height !== undefined
        ? { width, height }
        : await imageSizeOr(path, problems, { file, image });
    if (!size) continue;
    addObjects(objects, images.length, file, { annotation, names }, context);
    images.push({ id: idOf.get(file) ?? 0, name: found.nameOf(path), path, ...size, file });
  }
  if (categories.length === 0) throw datasetError(`${files.root}: no object has a class.`);
  return {
    format: 'voc',
    categories: categories.map((name, k) => ({ name, id: k + 1 })),
    images,
    objects,
    objectName: ({ id }) => `object ${id}`,
  };
}

/** A data set of Pascal VOC's kind in a folder, where there is one. */
export async function findVoc(root: string): Promise<Source | undefined> {
  const files = await findFiles(root);
  if (!files) return undefined;
  const splits = [...new Set([...files.lists.keys(), ...files.folders.keys()])].sort();
  return {
    format: 'voc',
    splits: () => Promise.resolve(splits),
    read: (context) => readVoc(files, context),
  };
}
