import sharp, { type Metadata, type SharpOptions } from 'sharp';
import { optionError, rejectUnknownOptions, TorchdetError } from '../errors';
import { gifCanvas, sniffFormat, supportedFormats, type ImageFormat } from './format';

/** How much damage is tolerated, in sharp's terms; each level includes the ones before it. */
export type FailOn = 'none' | 'truncated' | 'error' | 'warning';

export interface DecodeOptions {
  /**
   * Images with more pixels (width x height) are refused before any pixel is decoded; decoding takes three bytes for
   * each. Infinity removes the limit. Default 100,000,000.
   */
  readonly maxPixels?: number | undefined;
  /**
   * What counts as a damaged file. Default 'error': a file that ends early or has broken pixel data is refused, one that
   * its decoder merely grumbles about is read: stray bytes between JPEG segments and bad Huffman codes, which other
   * readers load without a word, do not cost a detection. 'none' also reads what there is of a cut-off file where
   * its decoder can; 'warning' refuses everything that is not spotless.
   */
  readonly failOn?: FailOn | undefined;
}

/** A decoded picture, upright: interleaved RGB, 8 bits a channel. A raw image of {@link ImageInput}, so it can be handed on. */
export interface DecodedImage {
  /** width * height * 3 bytes, rows from top to bottom. */
  readonly data: Buffer;
  readonly width: number;
  readonly height: number;
  readonly channels: 3;
}

/** Default of {@link DecodeOptions.maxPixels}. */
export const defaultMaxPixels = 100_000_000;

const failOnLevels: readonly FailOn[] = ['none', 'truncated', 'error', 'warning'];

/** Throws on options that do not fit, and fills in the defaults. */
export function checkDecodeOptions(
  where: string,
  options: DecodeOptions,
): { maxPixels: number; failOn: FailOn } {
  const { maxPixels = defaultMaxPixels, failOn = 'error' } = options;
  const wholeOrUnlimited = Number.isInteger(maxPixels) || maxPixels === Infinity;
  if (!wholeOrUnlimited || maxPixels < 1) {
    throw optionError(where, 'maxPixels', maxPixels, 'a positive integer or Infinity');
  }
  if (!failOnLevels.includes(failOn)) {
    throw optionError(where, 'failOn', failOn, `one of ${failOnLevels.join(', ')}`);
  }
  return { maxPixels, failOn };
}

function asBuffer(source: Buffer | Uint8Array | ArrayBuffer): Buffer {
  if (Buffer.isBuffer(source)) return source;
  if (source instanceof ArrayBuffer) return Buffer.from(source);
  // Decoding runs on another thread: memory that other threads may write to is copied first.
  if (source.buffer instanceof SharedArrayBuffer) return Buffer.from(source);
  return Buffer.from(source.buffer, source.byteOffset, source.byteLength);
}

function checkSize(width: number, height: number, maxPixels: number): void {
  const pixels = width * height;
  if (pixels <= maxPixels) return;
  throw new TorchdetError(
    'ERR_IMAGE_TOO_LARGE',
    `The image is ${width}x${height}, ${pixels} pixels; the limit is ${maxPixels}. Raise maxPixels if it is meant to be that large.`,
  );
}

/** Decoders say in words alone whether a file is damaged or of a kind they do not handle. */
const unsupportedKind =
  /data precision|JPEG process|colou?r conversion|arithmetic|not been built in|codec|channel limit|not (?:supported|implemented)|unsupported (?!marker|image format)/i;

/** What sharp reports, without its preamble and what it says more than once. */
function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const lines = text.replace('Input buffer has corrupt header:', 'corrupt header\n').split('\n');
  const parts = lines.map((line) => line.replace(/^\s*(?:vips\w*:)?\s*|\s+$/gi, ''));
  return [...new Set(parts.filter(Boolean))].join('; ');
}

function decodingError(error: unknown, format: ImageFormat): TorchdetError {
  const reason = reasonOf(error);
  const name = format.toUpperCase();
  if (/out of memory|unable to allocate/i.test(reason)) {
    return new TorchdetError('ERR_OUT_OF_MEMORY', `No memory to decode the ${name}: ${reason}.`, {
      cause: error,
    });
  }
  if (unsupportedKind.test(reason) && !reason.startsWith('corrupt header')) {
    return new TorchdetError(
      'ERR_IMAGE_FORMAT',
      `This kind of ${name} cannot be decoded: ${reason}. Save it as an ordinary 8-bit file.`,
      { cause: error },
    );
  }
  return new TorchdetError('ERR_IMAGE_CORRUPT', `The ${name} is damaged or cut off: ${reason}.`, {
    cause: error,
  });
}

/** Numbers without a range: a TIFF of floats may hold 0..1, 0..255 or metres, and guessing wrong gives a black picture. */
function checkDepth(metadata: Metadata, format: ImageFormat): void {
  const { depth, space } = metadata;
  if (depth === 'uchar' || depth === 'ushort') return;
  if (['scrgb', 'lab', 'labs', 'xyz'].includes(space)) return;
  throw new TorchdetError(
    'ERR_IMAGE_FORMAT',
    `This kind of ${format.toUpperCase()} cannot be decoded: its pixels are of type ${depth}, whose range is not known. Convert it to 8 or 16 bits a channel, or pass its pixels as a float tensor in 0..1.`,
  );
}

/**
 * Decodes a JPEG, PNG, WebP, GIF, TIFF or AVIF file to upright 8-bit RGB.
 *
 * - The EXIF orientation is applied; width and height are those of the upright picture.
 * - Greyscale is repeated into three channels; palettes are resolved; CMYK is converted to sRGB, by the embedded profile
 *   where there is one; 16 bits a channel are reduced to 8 over their full range.
 * - An alpha channel is dropped, not blended with a background, as torchvision does: colours under transparent pixels
 *   come through as stored.
 * - Profiles embedded in RGB and greyscale files are not applied: pixels are the stored numbers, as torchvision and
 *   Pillow read them, so that a model sees what it was trained on.
 * - Of animations and multi-page files the first frame is taken.
 *
 * Works on sharp's thread pool; neither sharp's cache nor its concurrency setting is touched.
 *
 * @param source - The file's bytes; not to be written to until the promise settles.
 * @throws TorchdetError ERR_IMAGE_FORMAT: not one of the six formats, or a variety of it that cannot be decoded (SVG and
 *   other drawings are never rendered); ERR_IMAGE_TOO_LARGE: more than `maxPixels`; ERR_IMAGE_CORRUPT: damaged or cut
 *   off; ERR_OUT_OF_MEMORY; ERR_OPTION_VALUE and ERR_OPTION_UNKNOWN.
 */
export async function decodeImage(
  source: Buffer | Uint8Array | ArrayBuffer,
  options: DecodeOptions = {},
): Promise<DecodedImage> {
  rejectUnknownOptions('decodeImage', options, ['maxPixels', 'failOn']);
  const { maxPixels, failOn } = checkDecodeOptions('decodeImage', options);
  const bytes = asBuffer(source);
  const sniffed = sniffFormat(bytes);
  if ('looksLike' in sniffed) {
    throw new TorchdetError(
      'ERR_IMAGE_FORMAT',
      `Not an image torchdet decodes: it looks like ${sniffed.looksLike}. Supported are ${supportedFormats}.`,
    );
  }
  const canvas = sniffed.format === 'gif' ? gifCanvas(bytes) : undefined;
  if (canvas) checkSize(canvas.width, canvas.height, maxPixels);
  // The size is checked here, where both numbers can be named, so sharp's own limit is off.
  const limits: SharpOptions = { limitInputPixels: false, failOn };
  try {
    const metadata = await sharp(bytes, limits).metadata();
    checkSize(metadata.width, metadata.height, maxPixels);
    checkDepth(metadata, sniffed.format);
    return await toRgb(bytes, limits, metadata);
  } catch (error) {
    throw error instanceof TorchdetError ? error : decodingError(error, sniffed.format);
  }
}

async function toRgb(
  bytes: Buffer,
  limits: SharpOptions,
  metadata: Metadata,
): Promise<DecodedImage> {
  const ignoreIcc = metadata.space !== 'cmyk';
  const { data, info } = await sharp(bytes, { ...limits, ignoreIcc, autoOrient: true })
    .toColourspace('srgb')
    .removeAlpha()
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true });
  return { data, width: info.width, height: info.height, channels: 3 };
}
