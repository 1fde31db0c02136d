/** Which images of one call go through the network together. */
import type {
  DetectionConfig,
  NativeDetections,
  NativeImage,
  TransformConfig,
} from '../../binding';

/** Pixels, as resized, of a batch on a CPU: more share nothing, and take memory. Eight images of 320 x 427. */
const CPU_PIXELS = 8 * 320 * 427;
/** On a GPU, which small batches leave idle. Eight images of 800 x 1333. */
const GPU_PIXELS = 8 * 800 * 1333;

interface Size {
  readonly width: number;
  readonly height: number;
}

function sizeOf(image: NativeImage): Size {
  if ('width' in image) return image;
  const [, height = 0, width = 0] = image.shape;
  return { width, height };
}

/** About as many pixels as an image has in the batch. */
function resizedPixels({ width, height }: Size, { minSize, maxSize, fixedSize }: TransformConfig) {
  if (fixedSize) return fixedSize[0] * fixedSize[1];
  const shorter = minSize.at(-1) ?? Math.min(width, height);
  const scale = Math.min(shorter / Math.min(width, height), maxSize / Math.max(width, height));
  return width * height * scale * scale;
}

/**
 * Groups of images, by index, that become a batch without one of them being padded for another: those of one size, or all where the
 * model resizes to one. What is found in an image then depends on it alone.
 */
export function batchesOf(
  images: readonly NativeImage[],
  config: DetectionConfig,
  device: string,
): number[][] {
  // How an archive with a forward of its own resizes is not known.
  if (config.kind === 'forward') return images.map((_, index) => [index]);
  const { transform } = config;
  const limit = device === 'cpu' ? CPU_PIXELS : GPU_PIXELS;
  const open = new Map<string, number[]>();
  const batches: number[][] = [];
  for (const [index, image] of images.entries()) {
    const size = sizeOf(image);
    const key = transform.fixedSize ? '' : `${size.width} x ${size.height}`;
    const most = Math.max(1, Math.floor(limit / resizedPixels(size, transform)));
    let batch = open.get(key);
    if (!batch || batch.length >= most) {
      batch = [];
      open.set(key, batch);
      batches.push(batch);
    }
    batch.push(index);
  }
  return batches;
}

/** Detects in each image as if it were alone. */
export async function detectApart(
  images: readonly NativeImage[],
  batches: readonly (readonly number[])[],
  detect: (together: readonly NativeImage[]) => Promise<NativeDetections[]>,
): Promise<NativeDetections[]> {
  const found = new Map<number, NativeDetections>();
  for (const batch of batches) {
    const results = await detect(batch.flatMap((index) => images[index] ?? []));
    results.forEach((result, k) => found.set(batch[k] ?? -1, result));
  }
  return images.flatMap((_, index) => found.get(index) ?? []);
}
