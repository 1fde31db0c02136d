/** Which images of one call go through the network together. */
import type { DetectionConfig, NativeImage, TransformConfig } from '../../binding';

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

/** What an image may share a batch with. */
export interface BatchPlace {
  /** Images of the same shape need no padding beside each other. */
  readonly shape: string;
  /** How many of them are of use in one batch. */
  readonly most: number;
}

/**
 * Where an image goes, so that it is not padded for another: with those of its size, or with any where the model resizes to one. What
 * is found in it then depends on it alone. Undefined: alone, as how an archive with a forward of its own resizes is not known.
 */
export function batchPlace(
  image: NativeImage,
  config: DetectionConfig,
  device: string,
): BatchPlace | undefined {
  if (config.kind === 'forward') return undefined;
  const { transform } = config;
  const size = sizeOf(image);
  const limit = device === 'cpu' ? CPU_PIXELS : GPU_PIXELS;
  return {
    shape: transform.fixedSize ? '' : `${size.width} x ${size.height}`,
    most: Math.max(1, Math.floor(limit / resizedPixels(size, transform))),
  };
}
