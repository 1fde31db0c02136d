/** Data sets of Pascal VOC's kind: an XML file for each image, and lists of the images of each split. */
import { readdir, readFile } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { background, unusedName } from './dataset';
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

/** Names of the classes that objects have, by alphabet. */
function namesThatOccur(parsed: ReadonlyMap<string, Parsed>): string[] {
  const names = new Set<string>();
  for (const entry of parsed.values()) {
    if (!('annotation' in entry)) continue;
    for (const { name } of entry.annotation.objects) if (name !== '') names.add(name);
  }
  return [...names].sort();
}

interface Annotations {
  readonly parsed: ReadonlyMap<string, Parsed>;
  /** The classes of the data set in their order: of a file that lists them, else all that occur. */
  readonly names: readonly string[];
}

/** Reads files, counted against how many there may be to read in all. */
async function parseInto(
  parsed: Map<string, Parsed>,
  files: readonly string[],
  total: number,
  { signal, onProgress }: ReadContext,
): Promise<void> {
  const parse = async (file: string) => {
    parsed.set(file, await parseFile(file));
    onProgress?.(parsed.size / total);
  };
  await mapLimited(files, parallel, parse, signal);
}

/** Reads the annotations of the files chosen, and others as far as it takes to know which of the classes asked for there are. */
async function readAsked(
  files: VocFiles,
  chosen: readonly string[],
  listed: readonly string[],
  context: ReadContext,
): Promise<Annotations> {
  const parsed = new Map<string, Parsed>();
  const known = () => new Set([...listed, ...namesThatOccur(parsed)]);
  const asked = (context.classes ?? []).filter((name) => ![background, unusedName].includes(name));
  const isEnough = (names: ReadonlySet<string>) => asked.every((name) => names.has(name));
  const total = isEnough(known()) ? chosen.length : files.xml.length;
  await parseInto(parsed, chosen, total, context);
  // A class that is nowhere in this split is no unknown one where another split has it.
  if (!isEnough(known())) {
    const others = files.xml.filter((file) => !parsed.has(file));
    await parseInto(parsed, others, total, context);
  }
  context.onProgress?.(1);
  return { parsed, names: [...known()] };
}

async function readAnnotations(
  files: VocFiles,
  chosen: readonly string[],
  context: ReadContext,
): Promise<Annotations> {
  const places = ['classes.txt', 'labels.txt'].map((name) => join(files.root, name));
  const listed = await readClassFile(places);
  if (context.classes) return readAsked(files, chosen, listed ?? [], context);
  const parsed = new Map<string, Parsed>();
  // Labels must not depend on the split: without a list of classes all files say which there are.
  await parseInto(parsed, files.xml, files.xml.length, context);
  return { parsed, names: listed ?? namesThatOccur(parsed) };
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

/** The classes with their numbers: VOC knows names alone, so these follow the list that was asked for, where one was. */
function categoriesOf(
  names: readonly string[],
  classes: readonly string[] | undefined,
): { name: string; id: number }[] {
  const asked = classes?.filter((name) => name !== background) ?? [];
  return names.map((name, k) => {
    const at = asked.indexOf(name);
    return { name, id: at < 0 ? asked.length + k + 1 : at + 1 };
  });
}

async function readVoc(files: VocFiles, context: ReadContext): Promise<RawDataset> {
  const { problems, classes } = context;
  const chosen = await filesOfSplit(files, context);
  const { parsed, names: all } = await readAnnotations(files, chosen, context);
  const categories = categoriesOf(all, classes);
  const isUsed = ([name]: readonly [string, number]) => !classes || classes.includes(name);
  const names = new Map(all.map((name, k) => [name, k] as const).filter(isUsed));
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
    categories,
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
