import type { Binding, NativeImage, NativeTarget } from '../../binding';
import { decode, type Rle, type UncompressedRle } from '../detection/rle';
import { TorchdetError } from '../errors';
import type { ImageInput } from '../images/input';

/** An image and what is in it. */
export interface TrainingSample {
  readonly image: ImageInput;
  /** N boxes as x1, y1, x2, y2 in pixels of the image, flat (N * 4 numbers) or one by one. No boxes: all of it is background. */
  readonly boxes: Float32Array | readonly (readonly number[])[];
  /** The label of each box, from 1 on; 0 is the background (but RetinaNet and FCOS, as in torchvision, know no background). */
  readonly labels: Int32Array | BigInt64Array | readonly number[];
  /** For Mask R-CNN: a mask of the image's size for each box, as bytes 0 or 1 row by row (N * height * width) or in COCO's encoding. */
  readonly masks?: Uint8Array | readonly (Rle | UncompressedRle)[];
  /** For Keypoint R-CNN: x, y and visibility (0: not marked) of each box's keypoints, N * K * 3 numbers. */
  readonly keypoints?: Float32Array;
  /**
   * Labels of which this image marks every object, for data sets put together of several. Default: all. Where an image does not
   * mark a class, what has no box is no negative example of it.
   */
  readonly labelledClasses?: readonly number[];
  /** What messages call the image, for example its file. */
  readonly name?: string;
}

function fail(where: string, problem: string): never {
  throw new TorchdetError('ERR_TARGET', `${where}: ${problem}`);
}

function flatBoxes(where: string, boxes: TrainingSample['boxes']): Float32Array {
  if (boxes instanceof Float32Array) {
    if (boxes.length % 4 === 0) return boxes;
    fail(where, `boxes must hold 4 numbers per box, got ${boxes.length} numbers.`);
  }
  if (!Array.isArray(boxes)) {
    fail(where, 'boxes must be a Float32Array or a list of [x1, y1, x2, y2].');
  }
  const flat = new Float32Array(boxes.length * 4);
  (boxes as readonly (readonly number[])[]).forEach((box, i) => {
    // What is no number would be made one: null, which JSON has for NaN, would be 0.
    if (!Array.isArray(box) || box.length !== 4 || !box.every((x) => typeof x === 'number')) {
      fail(where, `box ${i} must be [x1, y1, x2, y2], got ${JSON.stringify(box)}.`);
    }
    flat.set(box, i * 4);
  });
  return flat;
}

function labelNumbers(
  where: string,
  labels: TrainingSample['labels'],
  count: number,
): BigInt64Array {
  if (labels instanceof BigInt64Array || labels instanceof Int32Array || Array.isArray(labels)) {
    if (labels.length !== count) {
      fail(where, `there must be a label for each box, got ${labels.length} for ${count} boxes.`);
    }
    if (labels instanceof BigInt64Array) return labels;
    return BigInt64Array.from(labels as ArrayLike<number>, (label, i) => {
      if (!Number.isSafeInteger(label)) {
        fail(where, `the label of box ${i} must be an integer, got ${String(label)}.`);
      }
      return BigInt(label);
    });
  }
  fail(where, 'labels must be a list of integers, an Int32Array or a BigInt64Array.');
}

function sizeOf(image: NativeImage): { height: number; width: number } {
  if ('data' in image) return image;
  const [, height = 0, width = 0] = image.shape;
  return { height, width };
}

function isRle(mask: unknown): mask is Rle | UncompressedRle {
  if (typeof mask !== 'object' || mask === null) return false;
  const { size, counts }: { size?: unknown; counts?: unknown } = mask;
  const runs = typeof counts === 'string' || Array.isArray(counts);
  return Array.isArray(size) && size.length === 2 && runs;
}

function decoded(where: string, mask: Rle | UncompressedRle, i: number): Uint8Array {
  try {
    return decode(mask);
  } catch (error) {
    if (!(error instanceof TorchdetError)) throw error;
    return fail(where, `mask ${i}: ${error.message}`);
  }
}

function maskBytes(
  where: string,
  masks: NonNullable<TrainingSample['masks']>,
  count: number,
  { height, width }: { height: number; width: number },
): Uint8Array {
  const each = height * width;
  if (masks instanceof Uint8Array) {
    if (masks.length === count * each) return masks;
    fail(
      where,
      `masks must hold boxes x height x width = ${count} x ${height} x ${width} = ${count * each} bytes, got ${masks.length}.`,
    );
  }
  if (!Array.isArray(masks)) fail(where, 'masks must be bytes, or a list in COCO’s encoding.');
  if (masks.length !== count) {
    fail(where, `there must be a mask for each box, got ${masks.length} for ${count} boxes.`);
  }
  const bytes = new Uint8Array(count * each);
  masks.forEach((mask, i) => {
    if (!isRle(mask)) {
      fail(where, `mask ${i} must be { size: [height, width], counts }; polygons are not taken.`);
    }
    const [rows, columns] = mask.size;
    if (rows !== height || columns !== width) {
      fail(where, `mask ${i} is ${rows} x ${columns} pixels, the image ${height} x ${width}.`);
    }
    bytes.set(decoded(where, mask, i), i * each);
  });
  return bytes;
}

function keypointShape(where: string, keypoints: unknown, count: number): number[] {
  if (!(keypoints instanceof Float32Array)) fail(where, 'keypoints must be a Float32Array.');
  const each = count === 0 ? 0 : keypoints.length / count / 3;
  if (Number.isInteger(each) && (count > 0 || keypoints.length === 0)) return [count, each, 3];
  fail(
    where,
    `keypoints must hold x, y and visibility of as many points for each of ${count} boxes, got ${keypoints.length} numbers.`,
  );
}

function classList(where: string, classes: readonly number[]): readonly number[] {
  const given: unknown = classes;
  if (Array.isArray(given) && classes.every((label) => Number.isSafeInteger(label))) return classes;
  return fail(where, `labelledClasses must be a list of labels, got ${JSON.stringify(classes)}.`);
}

/**
 * A sample's target as the native part takes it; memory is shared where it has the right form. Boxes and labels themselves are
 * checked there, against the model.
 *
 * @param numClasses of the model, the background counted, where that is known: a list of all classes is as good as none
 * @throws TorchdetError ERR_TARGET
 */
export function prepareTarget(
  sample: TrainingSample,
  where: string,
  image: NativeImage,
  numClasses: number | undefined,
  { Tensor }: Pick<Binding, 'Tensor'>,
): NativeTarget {
  const boxes = flatBoxes(where, sample.boxes);
  const count = boxes.length / 4;
  const labels = labelNumbers(where, sample.labels, count);
  const size = sizeOf(image);
  const { keypoints, labelledClasses } = sample;
  // Of no boxes there are no masks to give.
  const masks = sample.masks ?? (count === 0 ? new Uint8Array(0) : undefined);
  const marked = labelledClasses && new Set(classList(where, labelledClasses));
  const marksAll =
    marked &&
    numClasses !== undefined &&
    Array.from({ length: numClasses - 1 }, (_, i) => i + 1).every((label) => marked.has(label));
  return {
    boxes: Tensor.fromMemory(boxes, 'float32', [count, 4]),
    labels: Tensor.fromMemory(labels, 'int64', [count]),
    ...(masks && {
      masks: Tensor.fromMemory(maskBytes(where, masks, count, size), 'uint8', [
        count,
        size.height,
        size.width,
      ]),
    }),
    ...(keypoints && {
      keypoints: Tensor.fromMemory(keypoints, 'float32', keypointShape(where, keypoints, count)),
    }),
    ...(marked && !marksAll && { labelledClasses: [...marked] }),
  };
}
