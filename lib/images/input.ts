import type { Binding, NativeImage } from '../../binding';
import { TorchdetError } from '../errors';
import type { Tensor } from '../tensor';
import { decodeImage, type DecodeOptions } from './decode';

/**
 * Decoded 8-bit pixels, interleaved, rows from top to bottom without padding between them: `width * height * channels`
 * numbers. One channel is grey, three are RGB, four are RGBA of which A is ignored. What sharp's `raw()` and a canvas's
 * `getImageData` give fits, with `channels` added.
 */
export interface RawImage {
  readonly data: Uint8Array | Uint8ClampedArray | Buffer;
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3 | 4;
}

/** Decoded pixels as models take them: float32 RGB planes one after another, in 0..1: `3 * height * width` numbers. */
export interface FloatImage {
  readonly data: Float32Array;
  readonly width: number;
  readonly height: number;
  readonly channels: 3;
  readonly layout: 'chw';
}

/**
 * What a detector takes as an image: an encoded file's bytes (JPEG, PNG, WebP, GIF, TIFF, AVIF), raw 8-bit pixels, float
 * planes, or a float32 tensor of shape [3, height, width] in 0..1. Raw pixels, planes and tensors are used in place,
 * without a copy: do not write to them until the call has settled. (Memory shared between threads is copied first.)
 */
export type ImageInput = Buffer | Uint8Array | ArrayBuffer | RawImage | FloatImage | Tensor;

const expected =
  'the bytes of an image file, { data, width, height, channels } or a float32 tensor of shape [3, height, width]';

function invalid(name: string, problem: string): TorchdetError {
  return new TorchdetError('ERR_INVALID_ARGUMENT', `${name}: ${problem}`);
}

function typeName(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value !== 'object') return typeof value;
  const { constructor } = value as { constructor?: { name?: string } };
  return constructor?.name ?? 'object';
}

/** Views on memory that may change under the reader's feet are copied; all others are passed as they are. */
function settled<T extends Uint8Array | Uint8ClampedArray | Float32Array>(data: T): T {
  const { buffer } = data as { buffer: ArrayBufferLike & { resizable?: boolean } };
  const mayChange = buffer instanceof SharedArrayBuffer || buffer.resizable === true;
  return mayChange ? (data.slice() as T) : data;
}

interface Pixels {
  readonly data: unknown;
  readonly width: unknown;
  readonly height: unknown;
  readonly channels?: unknown;
  readonly layout?: unknown;
}

function checkSide(name: string, side: 'width' | 'height', value: unknown): number {
  if (typeof value === 'number' && Number.isInteger(value) && value > 0) return value;
  throw invalid(name, `${side} must be a positive integer, got ${String(value)}.`);
}

function checkLength(name: string, length: number, shape: readonly number[], what: string): void {
  const wanted = shape.reduce((product, side) => product * side, 1);
  if (length === wanted) return;
  const detached = length === 0 ? ' (0 is also what memory transferred to another thread has)' : '';
  throw invalid(
    name,
    `data must hold ${what} = ${shape.join(' x ')} = ${wanted} numbers, got ${length}${detached}.`,
  );
}

function prepareRaw(name: string, image: Pixels, width: number, height: number): NativeImage {
  const { data, channels, layout } = image;
  if (!(data instanceof Uint8Array || data instanceof Uint8ClampedArray)) {
    const hint =
      data instanceof Float32Array
        ? ' Float pixels are taken as planes: three of them, in 0..1, with layout: "chw".'
        : '';
    throw invalid(name, `data must be a Uint8Array of pixels, got ${typeName(data)}.${hint}`);
  }
  if (layout !== undefined && layout !== 'hwc') {
    const shown = JSON.stringify(layout);
    throw invalid(name, `8-bit pixels are interleaved and take no layout, got layout ${shown}.`);
  }
  if (channels !== 1 && channels !== 3 && channels !== 4) {
    const inferred = data.length / (width * height);
    const hint = [1, 3, 4].includes(inferred) ? ` The data's length speaks for ${inferred}.` : '';
    throw invalid(name, `channels must be 1, 3 or 4, got ${String(channels)}.${hint}`);
  }
  checkLength(name, data.length, [width, height, channels], 'width x height x channels');
  return { data: settled(data), width, height, channels };
}

function prepareFloat(
  name: string,
  image: Pixels,
  width: number,
  height: number,
  binding: Binding,
): NativeImage {
  const { data, channels } = image;
  if (!(data instanceof Float32Array)) {
    throw invalid(name, `data of layout "chw" must be a Float32Array, got ${typeName(data)}.`);
  }
  if (channels !== 3) {
    throw invalid(name, `channels of layout "chw" must be 3, got ${String(channels)}.`);
  }
  checkLength(name, data.length, [3, height, width], '3 x height x width');
  return binding.Tensor.fromMemory(settled(data), 'float32', [3, height, width]);
}

function isTensor(input: object): input is Tensor {
  return 'native' in input && 'shape' in input && 'dtype' in input;
}

function prepareTensor(name: string, tensor: Tensor): NativeImage {
  const { shape, dtype } = tensor;
  const [channels, ...sides] = shape;
  if (dtype === 'float32' && shape.length === 3 && channels === 3 && !sides.includes(0)) {
    return tensor.native;
  }
  const hint = dtype === 'uint8' ? ' Pass 8-bit pixels as { data, width, height, channels }.' : '';
  throw invalid(
    name,
    `a tensor must be float32 of shape [3, height, width], got ${dtype} [${shape.join(', ')}].${hint}`,
  );
}

export interface PrepareOptions extends DecodeOptions {
  /** What messages call the image, for example `images[2]`. Default `image`. */
  readonly name?: string | undefined;
}

function isFileBytes(input: object): input is Uint8Array | ArrayBuffer {
  return input instanceof Uint8Array || input instanceof ArrayBuffer;
}

/** Puts the image's name in front of what decoding had to say. */
async function decodeNamed(
  name: string,
  bytes: Uint8Array | ArrayBuffer,
  options: DecodeOptions,
): Promise<NativeImage> {
  try {
    return await decodeImage(bytes, options);
  } catch (error) {
    if (!(error instanceof TorchdetError)) throw error;
    throw new TorchdetError(error.code, `${name}: ${error.message}`, { cause: error });
  }
}

/**
 * Turns one input into what the native part takes: encoded files are decoded, everything else is checked and passed
 * without a copy.
 *
 * @throws TorchdetError ERR_INVALID_ARGUMENT naming the image, and the errors of {@link decodeImage}.
 */
export async function prepareImage(
  input: ImageInput,
  options: PrepareOptions,
  binding: Binding,
): Promise<NativeImage> {
  const { name = 'image', ...decodeOptions } = options;
  const given: unknown = input;
  if (typeof given === 'string' || given instanceof URL) {
    const shown = JSON.stringify(String(given).slice(0, 80));
    throw invalid(
      name,
      `got ${shown}: paths and addresses are not read here. Read the file first, for example await readFile(path), and pass its bytes.`,
    );
  }
  if (typeof given !== 'object' || given === null) {
    throw invalid(name, `must be ${expected}, got ${typeName(given)}.`);
  }
  if (isFileBytes(given)) return decodeNamed(name, given, decodeOptions);
  if (isTensor(given)) return prepareTensor(name, given);
  if (!('data' in given && 'width' in given && 'height' in given)) {
    const hint = ArrayBuffer.isView(given) ? ' Bare pixels need their width and height.' : '';
    throw invalid(name, `must be ${expected}, got ${typeName(given)}.${hint}`);
  }
  const image: Pixels = given;
  const width = checkSide(name, 'width', image.width);
  const height = checkSide(name, 'height', image.height);
  if (image.layout === 'chw') return prepareFloat(name, image, width, height, binding);
  return prepareRaw(name, image, width, height);
}
