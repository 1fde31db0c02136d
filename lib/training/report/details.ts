/** An evaluation as plain data: what a report shows, and a file can keep. */
import { readFile } from 'node:fs/promises';
import sharp from 'sharp';
import type { Dataset, Entry } from '../../data/dataset';
import type { BoxFigures, ImageErrors, KeypointFigures, KindEvaluation } from '../../evaluation';
import { drawDetections, type RawImage } from '../../images';
import type { DrawnObject } from '../../images/draw';
import type { DetectorEvaluation, FoundObjects } from '../evaluate';

/** A class's figures; -1 where there is nothing to divide by. */
export interface ClassDetails {
  readonly label: number;
  readonly name: string;
  readonly objects: number;
  readonly detections: number;
  readonly ap: number;
  readonly ap50: number;
  readonly ap75: number;
  /** Precision at recall 0, 0.01, … 1, at IoU 0.5. */
  readonly precision: readonly number[];
}

/** The figures of one kind. */
export interface KindDetails {
  readonly figures: Readonly<Record<string, number>>;
  readonly classes: readonly ClassDetails[];
}

/** An image in which much went wrong. */
export interface WorstImage {
  readonly name: string;
  readonly missed: number;
  readonly falseDetections: number;
  readonly confused: number;
  readonly found: number;
  /** A JPEG with the errors drawn on it, base64. */
  readonly jpeg: string;
}

/** Everything. */
export interface EvaluationDetails {
  readonly images: number;
  readonly kinds: Readonly<Partial<Record<'bbox' | 'segm' | 'keypoints', KindDetails>>>;
  readonly confusion: {
    readonly names: readonly string[];
    /** Detections below are left out. Files of before it was kept lack it: 0.5. */
    readonly scoreThreshold?: number;
    /** (C + 1) x (C + 1), row by row; rows are what is there. The last of each is nothing. */
    readonly matrix: readonly number[];
    /** By class, at the score threshold of the matrix; -1 where there is nothing to divide by. */
    readonly precision: readonly number[];
    readonly recall: readonly number[];
  };
  readonly worst: readonly WorstImage[];
}

/** Options of {@link evaluationDetails}. */
export interface DetailsOptions {
  /** How many of the worst images are drawn. Default 8. */
  readonly worstImages?: number;
}

/** Longer side of drawn images in pixels. */
const drawnSide = 640;

/** What went wrong has a colour each: labels whose colours in `drawDetections` are far apart. */
const errorColours = { missed: 3, false: 1, confused: 2 } as const;

const round = (value: number) => Math.round(value * 1e5) / 1e5;

function kindDetails(kind: KindEvaluation<BoxFigures | KeypointFigures>): KindDetails {
  const figures = Object.entries(kind.figures) as [string, number][];
  return {
    figures: Object.fromEntries(figures),
    classes: kind.classes.map(({ label, name, objects, detections, ap, ap50, ap75 }) => ({
      label,
      name,
      objects,
      detections,
      ap,
      ap50,
      ap75,
      precision: Array.from(kind.curve(label).precision, round),
    })),
  };
}

function boxAt(boxes: ArrayLike<number>, k: number, scale: number): number[] {
  return [0, 1, 2, 3].map((i) => (boxes[4 * k + i] ?? 0) * scale);
}

/** The errors in an image, as things to draw. */
function errorsToDraw(
  errors: ImageErrors,
  entry: Entry,
  found: FoundObjects,
  names: readonly string[],
  scale: number,
): DrawnObject[] {
  const nameOf = (label: number | undefined) => names[label ?? 0] ?? `class ${label ?? 0}`;
  const missed = errors.missed.map((k) => ({
    box: boxAt(entry.boxes, k, scale),
    label: errorColours.missed,
    name: `missed ${nameOf(entry.labels[k])}`,
  }));
  const wrong = errors.falseDetections.map((k) => ({
    box: boxAt(found.boxes, k, scale),
    label: errorColours.false,
    name: `false ${nameOf(found.labels[k])}`,
    score: found.scores[k],
  }));
  const confused = errors.confused.map(({ object, detection }) => ({
    box: boxAt(found.boxes, detection, scale),
    label: errorColours.confused,
    name: `${nameOf(found.labels[detection])}, is ${nameOf(entry.labels[object])}`,
    score: found.scores[detection],
  }));
  return [...missed, ...wrong, ...confused];
}

/** The image file, upright and no larger than it is drawn. */
async function smallImage(path: string): Promise<RawImage> {
  const size = {
    width: drawnSide,
    height: drawnSide,
    fit: 'inside',
    withoutEnlargement: true,
  } as const;
  const { data, info } = await sharp(await readFile(path), { limitInputPixels: false })
    .autoOrient()
    .resize(size)
    .toColourspace('srgb')
    .removeAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  return { data, width: info.width, height: info.height, channels: info.channels as 1 | 3 };
}

async function drawWorst(
  errors: ImageErrors,
  { found, positions }: DetectorEvaluation,
  dataset: Dataset,
): Promise<WorstImage | undefined> {
  const index = positions.get(errors.imageId);
  const detections = index === undefined ? undefined : found.get(index);
  if (index === undefined || !detections) return undefined;
  const entry = dataset.entry(index);
  const image = await smallImage(entry.image);
  const scale = image.width / entry.width;
  const objects = errorsToDraw(errors, entry, detections, dataset.names, scale);
  const jpeg = await drawDetections(image, objects, { quality: 80 });
  return {
    name: entry.name,
    missed: errors.missed.length,
    falseDetections: errors.falseDetections.length,
    confused: errors.confused.length,
    found: errors.found,
    jpeg: jpeg.toString('base64'),
  };
}

/**
 * What a report shows of an evaluation, with the worst images drawn.
 *
 * @param dataset that was evaluated on
 */
export async function evaluationDetails(
  evaluated: DetectorEvaluation,
  dataset: Dataset,
  { worstImages = 8 }: DetailsOptions = {},
): Promise<EvaluationDetails> {
  const { evaluation, confusion, scoreThreshold } = evaluated;
  const { bbox, segm, keypoints } = evaluation;
  const worst: WorstImage[] = [];
  for (const errors of confusion.worstImages(worstImages)) {
    const drawn = await drawWorst(errors, evaluated, dataset);
    if (drawn) worst.push(drawn);
  }
  return {
    images: evaluation.images,
    kinds: {
      ...(bbox && { bbox: kindDetails(bbox) }),
      ...(segm && { segm: kindDetails(segm) }),
      ...(keypoints && { keypoints: kindDetails(keypoints) }),
    },
    confusion: {
      names: confusion.categories.map(({ name }) => name),
      scoreThreshold,
      matrix: Array.from(confusion.matrix),
      precision: confusion.classes.map(({ precision }) => precision),
      recall: confusion.classes.map(({ recall }) => recall),
    },
    worst,
  };
}
