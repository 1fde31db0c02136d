/** Masks laid over a picture: a translucent colour, and a line along each mask's edge that keeps touching objects apart. */
import { TorchdetError } from '../errors';
import type { RawImage } from './input';

/** Which pixels of the picture belong to an object: width * height bytes, row by row, 0 for those that do not. */
export interface ColouredMask {
  readonly mask: Uint8Array;
  /** #rrggbb */
  readonly colour: string;
}

const opacity = 0.45;

/** The picture's pixels as RGB, in memory of their own. */
function copyRgb({ data, width, height, channels }: RawImage): Uint8Array {
  const pixels = width * height;
  const rgb = new Uint8Array(3 * pixels);
  for (let i = 0; i < pixels; i++) {
    for (let c = 0; c < 3; c++) rgb[3 * i + c] = data[i * channels + (channels === 1 ? 0 : c)] ?? 0;
  }
  return rgb;
}

function layOver(
  rgb: Uint8Array,
  width: number,
  height: number,
  { mask, colour }: ColouredMask,
  edge: number,
): void {
  const tint = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
  for (let y = 0; y < height; y++) {
    for (let x = 0, at = y * width; x < width; x++, at++) {
      if (mask[at] === 0) continue;
      // Neighbours beyond the picture count as the object's: a line along the picture's edge would say nothing.
      const onEdge =
        (x >= edge && mask[at - edge] === 0) ||
        (x < width - edge && mask[at + edge] === 0) ||
        (y >= edge && mask[at - edge * width] === 0) ||
        (y < height - edge && mask[at + edge * width] === 0);
      const share = onEdge ? 1 : opacity;
      for (let c = 0; c < 3; c++) {
        const below = rgb[3 * at + c] ?? 0;
        rgb[3 * at + c] = Math.round(below + share * ((tint[c] ?? 0) - below));
      }
    }
  }
}

/**
 * The picture with the masks on it, the first on top; the picture itself where there are none.
 *
 * @param lineWidth of the line along the edges, in pixels
 * @throws TorchdetError ERR_INVALID_ARGUMENT where a mask is not of the picture's size
 */
export function withMasks(
  picture: RawImage,
  masks: readonly ColouredMask[],
  lineWidth: number,
): RawImage {
  if (masks.length === 0) return picture;
  const { width, height } = picture;
  const rgb = copyRgb(picture);
  const edge = Math.max(1, Math.round(lineWidth / 2));
  for (const entry of [...masks].reverse()) {
    if (entry.mask.length !== width * height) {
      throw new TorchdetError(
        'ERR_INVALID_ARGUMENT',
        `drawDetections: a mask has a byte for each pixel, ${width} x ${height} are ${width * height}, got ${entry.mask.length}.`,
      );
    }
    layOver(rgb, width, height, entry, edge);
  }
  return { data: rgb, width, height, channels: 3 };
}
