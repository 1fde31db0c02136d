/** Data sets of YOLO's kind: a text file of labels for each image, and a YAML file that names the classes. */
import { readFile } from 'node:fs/promises';
import { relative } from 'node:path';
import { optionError } from '../errors';
import { background, type Segmentation } from './dataset';
import {
  checkSplit,
  datasetError,
  fileError,
  imageSize,
  mapLimited,
  messageOf,
  type ImageRecord,
  type RawDataset,
  type ReadContext,
  type Source,
} from './reader';
import { KeypointTable, ObjectTable, type ObjectRow } from './table';
import { imagesOf, labelFile, type YoloConfig } from './yolo-config';
import { parseYolo, type YoloFault, type YoloShape } from './yolo-lines';

/** Files read at the same time. */
const parallel = 8;

interface Read {
  readonly path: string;
  readonly labels: string;
  readonly size: { readonly width: number; readonly height: number };
  readonly lines: readonly (YoloShape | YoloFault)[];
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    // An image without a label file has nothing on it.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw fileError(file, error);
  }
}

/** An image's header and labels, or why they cannot be read. */
async function readImage(
  path: string,
  { keypointShape }: YoloConfig,
): Promise<Read | { readonly path: string; readonly error: unknown }> {
  const labels = labelFile(path);
  try {
    const size = await imageSize(path);
    const text = await readText(labels);
    return { path, labels, size, lines: parseYolo(text, size, keypointShape) };
  } catch (error) {
    return { path, error };
  }
}

/** Images of a split, or all; once each. */
async function chooseImages(config: YoloConfig, context: ReadContext): Promise<string[]> {
  const { split, problems } = context;
  const { root, splits } = config;
  if (split !== undefined) checkSplit(root, split, [...splits.keys()].filter(Boolean));
  const places = split === undefined ? [...splits.values()].flat() : (splits.get(split) ?? []);
  const images = new Set<string>();
  for (const place of new Set(places)) {
    for (const image of await imagesOf(place)) {
      if (!images.has(image)) images.add(image);
      else if (split !== undefined) {
        const message = `${image} is listed before; it is taken once`;
        problems.report({ kind: 'duplicate-image', file: place, image, message });
      }
    }
  }
  return [...images];
}

/** The outlines of an image's objects, from its label file. */
async function readOutlines(
  image: ImageRecord,
  objects: readonly ObjectRow[],
): Promise<(Segmentation | undefined)[]> {
  const shapes = parseYolo(await readText(image.file), image);
  const polygons = new Map(
    shapes.map((shape) => [shape.line, 'polygon' in shape ? shape.polygon : undefined]),
  );
  return objects.map(({ line }) => {
    const polygon = polygons.get(line);
    return polygon && [polygon];
  });
}

/** Collects images and objects. */
class YoloReader {
  readonly images: ImageRecord[] = [];
  readonly objects = new ObjectTable();
  readonly keypoints: KeypointTable | undefined;
  hasMasks = false;

  constructor(
    private readonly config: YoloConfig,
    private readonly names: readonly string[],
    private readonly context: ReadContext,
  ) {
    const { keypointShape } = config;
    if (keypointShape) this.keypoints = new KeypointTable(keypointShape[0]);
  }

  add({ path, labels, size, lines }: Read, id: number): void {
    const name = relative(this.config.root, path);
    const { problems } = this.context;
    const image = this.images.length;
    for (const entry of lines) {
      const { line } = entry;
      const place = { file: labels, line, image: name };
      if ('kind' in entry) {
        problems.report({ ...place, kind: entry.kind, message: entry.message });
        continue;
      }
      const { category, box, polygon, keypoints } = entry;
      if (category >= this.names.length) {
        const message = `the class ${category} is not listed: ${this.config.file} has ${this.names.length} names, counted from 0; it is left out`;
        problems.report({ ...place, kind: 'unknown-class', message });
        continue;
      }
      if (polygon) this.hasMasks = true;
      if (keypoints) this.keypoints?.set(this.objects.length, keypoints);
      const [x1, y1, x2, y2] = box;
      this.objects.push({
        ...{ image, category, x1, y1, x2, y2, area: polygon ? areaOf(polygon) : NaN },
        ...{ crowd: false, difficult: false, id: line, line, offset: NaN, end: NaN },
      });
    }
    this.images.push({ id, name, path, ...size, file: labels });
  }
}

/** The area inside a polygon. */
function areaOf(polygon: readonly number[]): number {
  let twice = 0;
  for (let i = 0; i < polygon.length; i += 2) {
    const next = (i + 2) % polygon.length;
    const [x0 = 0, y0 = 0] = [polygon[i], polygon[i + 1]];
    const [x1 = 0, y1 = 0] = [polygon[next], polygon[next + 1]];
    twice += x0 * y1 - x1 * y0;
  }
  return Math.abs(twice) / 2;
}

async function readYolo(config: YoloConfig, context: ReadContext): Promise<RawDataset> {
  const { classes, problems, signal, imageDir } = context;
  if (imageDir !== undefined) {
    const wanted = 'no folder for a YOLO data set: labels are found by where the images lie';
    throw optionError('openDataset', 'imageDir', imageDir, wanted);
  }
  const given = classes?.filter((name) => name !== background);
  const names = config.names ?? given;
  if (!names) {
    throw datasetError(
      `${config.root}: nothing names the classes. Write a data.yaml with "names", or a classes.txt with one name a line.`,
    );
  }
  const paths = await chooseImages(config, context);
  let done = 0;
  const read = await mapLimited(
    paths,
    parallel,
    async (path) => {
      const result = await readImage(path, config);
      context.onProgress?.(++done / paths.length);
      return result;
    },
    signal,
  );
  const reader = new YoloReader(config, names, context);
  read.forEach((result, i) => {
    if (!('error' in result)) {
      reader.add(result, i + 1);
      return;
    }
    const { path, error } = result;
    const reason = messageOf(error).split('\n')[0] ?? '';
    const isMissing = /missing|ENOENT/.test(reason);
    const kind = isMissing ? 'image-missing' : 'image-unreadable';
    const message = isMissing ? 'the image is not there' : `the image cannot be read: ${reason}`;
    problems.report({ kind, file: path, image: path, message: `${message}; it is left out` });
  });
  return {
    format: 'yolo',
    categories: names.map((name, id) => ({ name, id })),
    classFile: config.file,
    images: reader.images,
    objects: reader.objects,
    keypoints: reader.keypoints,
    segmentations: reader.hasMasks ? readOutlines : undefined,
    objectName: () => 'the object',
  };
}

/** A data set of YOLO's kind. */
export function yoloSource(config: YoloConfig): Source {
  const splits = [...config.splits.keys()].filter(Boolean).sort();
  return {
    format: 'yolo',
    splits: () => Promise.resolve(splits),
    read: (context) => readYolo(config, context),
  };
}
