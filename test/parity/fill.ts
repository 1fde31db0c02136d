import { crc32 } from 'node:zlib';
import { Tensor } from '../../lib';
import type { Golden, ImageRecipe } from './golden';
import { elements } from './golden';

/** Side in pixels of the blocks of one colour that images are made of. */
const BLOCK = 8;

export interface FilledTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** torch.randn or torch.rand after torch.manual_seed(seed). */
export function random(
  kind: 'normal' | 'uniform',
  shape: readonly number[],
  seed: number,
): FilledTensor {
  return { shape, data: Tensor.random(kind, shape, seed).data as Float32Array };
}

function draw(name: string, shape: readonly number[], scale: number): Float32Array {
  const seed = crc32(name);
  if (shape.length > 1) {
    const factor = Math.fround(scale / Math.sqrt(elements(shape.slice(1))));
    return random('normal', shape, seed).data.map((value) => value * factor);
  }
  if (/(^|\.)(weight|running_var)$/.test(name)) {
    return random('uniform', shape, seed).data.map((value) => value * 0.5 + 0.75);
  }
  return random('normal', shape, seed).data.map((value) => value * 0.5);
}

/** The state dict that test/oracle/fill.py fills torchvision's model with; the rule is told there. */
export function fillState(
  shapes: Iterable<readonly [name: string, shape: readonly number[]]>,
  { scales = {}, values = {} }: Pick<Golden, 'scales' | 'values'>,
): Map<string, FilledTensor> {
  const state = new Map<string, FilledTensor>();
  for (const [name, shape] of shapes) {
    if (name.endsWith('num_batches_tracked')) continue;
    const given = values[name];
    const data = given ? Float32Array.from(given) : draw(name, shape, scales[name] ?? 1);
    state.set(name, { shape, data });
  }
  return state;
}

export type MadeImage =
  | { readonly kind: 'tensor'; readonly shape: readonly number[]; readonly data: Float32Array }
  | {
      readonly kind: 'pixels';
      readonly data: Uint8Array;
      readonly width: number;
      readonly height: number;
      readonly channels: 1 | 3;
    };

/** Uniform colours in blocks, or noise; floats and noise come as CHW, the others as interleaved bytes. */
export function makeImage({ height, width, seed, kind = 'float' }: ImageRecipe): MadeImage {
  if (kind === 'noise') {
    return { kind: 'tensor', ...random('uniform', [3, height, width], seed) };
  }
  const channels = kind === 'grey' ? 1 : 3;
  const rows = Math.ceil(height / BLOCK);
  const columns = Math.ceil(width / BLOCK);
  const colours = random('uniform', [channels, rows, columns], seed).data;
  const colour = (channel: number, y: number, x: number): number =>
    colours[(channel * rows + Math.floor(y / BLOCK)) * columns + Math.floor(x / BLOCK)] ?? NaN;
  if (kind === 'float') {
    const data = new Float32Array(3 * height * width);
    for (let i = 0; i < data.length; i++) {
      const [channel, pixel] = [Math.floor(i / (height * width)), i % (height * width)];
      data[i] = colour(channel, Math.floor(pixel / width), pixel % width);
    }
    return { kind: 'tensor', shape: [3, height, width], data };
  }
  const data = new Uint8Array(channels * height * width);
  for (let i = 0; i < data.length; i++) {
    const pixel = Math.floor(i / channels);
    const value = Math.fround(colour(i % channels, Math.floor(pixel / width), pixel % width) * 255);
    data[i] = value;
  }
  return { kind: 'pixels', data, width, height, channels };
}
