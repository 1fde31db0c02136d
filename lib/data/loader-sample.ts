/** One image of a data set and its target, as training takes them: read, decoded, augmented. */
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { engine } from '../engine';
import { TorchdetError } from '../errors';
import { decodeImage, type DecodedImage, type DecodeOptions } from '../images/decode';
import { applyTransforms } from './augment';
import { Draft } from './augment-draft';
import type { RandomSource } from './augment-random';
import type { Transform } from './augment-transforms';
import type { Dataset, Entry } from './dataset';
import { entryMasks } from './masks';

/** An image to train on; `Detector.trainStep` and `Detector.losses` take lists of them. */
export interface Sample {
  /** RGB, interleaved. It may be shared with the loader's memory: not to be written to. */
  readonly image: DecodedImage;
  /** N x 4: x1, y1, x2, y2 in pixels of the image. */
  readonly boxes: Float32Array;
  /** N labels, from 1. */
  readonly labels: Int32Array;
  /** N x height x width, 0 or 1; where the data set has masks. */
  readonly masks?: Uint8Array;
  /** N x K x 3: x, y, visibility; where the data set has keypoints. */
  readonly keypoints?: Float32Array;
  /** Labels that are marked exhaustively in the image; absent: all. */
  readonly labelledClasses?: readonly number[];
  /** What messages call the image: its path. */
  readonly name: string;
}

/** What a file holds, before anything is drawn. */
export interface Decoded {
  readonly image: DecodedImage;
  readonly masks: Uint8Array | undefined;
}

/** Pairs of keypoints that a mirror exchanges: those whose names differ in left and right alone, however they are spelt. */
export function mirroredKeypoints(names: readonly string[]): [number, number][] {
  const pairs: [number, number][] = [];
  const spelt = names.map((name) => name.toLowerCase());
  spelt.forEach((name, left) => {
    const right = spelt.indexOf(name.replace('left', 'right'));
    if (name.includes('left') && right >= 0) pairs.push([left, right]);
  });
  return pairs;
}

/**
 * Reads the image and draws the masks.
 *
 * @throws TorchdetError as {@link decodeEntryImage}, and with the image's path ERR_DATASET for masks
 */
export async function decodeEntry(entry: Entry, options: DecodeOptions): Promise<Decoded> {
  const image = await decodeEntryImage(entry, options);
  return { image, masks: await entryMasks(entry) };
}

/**
 * Reads the image alone.
 *
 * @throws TorchdetError with the image's path: ERR_FILE, the errors of decodeImage, ERR_DATASET where the image's size is
 *   not that of the annotations
 */
export async function decodeEntryImage(
  entry: Entry,
  options: DecodeOptions,
): Promise<DecodedImage> {
  const image = await decodeFile(entry.image, options);
  const { width, height } = entry;
  if (image.width !== width || image.height !== height) {
    throw new TorchdetError(
      'ERR_DATASET',
      `${entry.image}: the image has ${image.width} x ${image.height} pixels, but ${width} x ${height} according to ${basename(entry.source.file)}: its boxes would be in wrong places.`,
    );
  }
  return image;
}

async function decodeFile(path: string, options: DecodeOptions): Promise<DecodedImage> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new TorchdetError('ERR_FILE', `${path}: cannot be read: ${reason}`, { cause: error });
  }
  try {
    return await decodeImage(bytes, options);
  } catch (error) {
    if (!(error instanceof TorchdetError)) throw error;
    throw new TorchdetError(error.code, `${path}: ${error.message}`, { cause: error });
  }
}

/**
 * What is to be learnt from an entry, as a draft: crowds are left out, boxes clamped to the image, and those without area
 * dropped, as torchvision's references do.
 */
function draftOf(entry: Entry, dataset: Dataset): Draft {
  const names = dataset.categories.find((category) => category.keypoints)?.keypoints ?? [];
  const { width, height, boxes, keypoints } = entry;
  const pairs = mirroredKeypoints(names);
  const draft = new Draft({ width, height, boxes, keypoints, mirroredKeypoints: pairs });
  draft.keep((k) => {
    const [x1 = 0, y1 = 0, x2 = 0, y2 = 0] = draft.boxes.subarray(4 * k, 4 * k + 4);
    return entry.crowd[k] !== 1 && x2 > x1 && y2 > y1;
  });
  return draft;
}

/** Memory that is written in full by what comes next. */
function uninitialised(length: number): Buffer {
  // Not from Node's pool: the memory goes to native code for a while.
  return Buffer.allocUnsafeSlow(length);
}

/** Carries out what was drawn, on a thread of its own. */
async function render(
  { image, masks }: Decoded,
  draft: Draft,
  lane: number,
): Promise<{ image: DecodedImage; masks: Uint8Array | undefined }> {
  const { width, height, steps } = draft;
  const area = width * height;
  const allKept = !masks || masks.length === draft.length * image.width * image.height;
  if (steps.length === 0 && allKept) return { image, masks };
  const out = {
    image: uninitialised(area * 3),
    ...(masks && { masks: uninitialised(draft.length * area) }),
  };
  await engine().augment(image, masks ?? null, draft.kept, steps, out, lane);
  return { image: { data: out.image, width, height, channels: 3 }, masks: out.masks };
}

/**
 * Augments a decoded entry.
 *
 * @param random the entry's own stream
 * @param lane which of the threads for augmentation works on it
 */
export async function sampleOf(
  entry: Entry,
  dataset: Dataset,
  decoded: Decoded,
  transforms: readonly Transform[],
  random: RandomSource,
  lane: number,
): Promise<Sample> {
  const draft = draftOf(entry, dataset);
  applyTransforms(transforms, draft, random);
  const { image, masks } = await render(decoded, draft, lane);
  return {
    image,
    boxes: draft.boxes,
    labels: Int32Array.from(draft.kept, (k) => entry.labels[k] ?? 0),
    ...(masks && { masks }),
    ...(draft.keypoints && { keypoints: draft.keypoints }),
    ...(entry.labelledClasses && { labelledClasses: entry.labelledClasses }),
    name: entry.image,
  };
}
