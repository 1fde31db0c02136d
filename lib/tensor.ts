import type { DType, NativeTensor, TypedArray } from '../binding';
import { engine } from './engine';
import { optionError, TorchdetError } from './errors';

export type { DType, TypedArray } from '../binding';

const DTYPES = new Map<string, DType>([
  ['Float32Array', 'float32'],
  ['Float64Array', 'float64'],
  ['Int8Array', 'int8'],
  ['Uint8Array', 'uint8'],
  ['Uint8ClampedArray', 'uint8'],
  ['Buffer', 'uint8'],
  ['Int16Array', 'int16'],
  ['Int32Array', 'int32'],
  ['BigInt64Array', 'int64'],
]);

/**
 * A LibTorch tensor. Memory is shared in both directions, never copied on the CPU:
 *
 * - `Tensor.from(array, shape)` uses the array's memory. What is written to one is seen in the other; do not write to it, or
 *   transfer it, while a call that uses the tensor is not settled.
 * - `tensor.data` is a view on the tensor's memory. It stays valid after `dispose()`: the memory is freed when neither tensor
 *   nor view is left.
 * - `dispose()` gives the tensor's share back at once; without it garbage collection does, later.
 *
 * Memory shared between threads (`SharedArrayBuffer`) is refused: LibTorch would read it while it changes.
 */
export class Tensor {
  /** @internal */
  readonly native: NativeTensor;

  /** @internal Use {@link Tensor.from}. */
  constructor(native: NativeTensor) {
    this.native = native;
  }

  /**
   * A tensor over the memory of a Buffer or typed array.
   *
   * @param data as many numbers as the shape has places, row-major
   * @param shape sizes of the dimensions, default one dimension with all
   * @param dtype default: what the array holds; `float16` and `bfloat16` are given as Uint16Array, `bool` as Uint8Array
   * @throws TorchdetError ERR_INVALID_ARGUMENT where array, shape and dtype do not fit together.
   */
  static from(
    data: TypedArray | Uint8ClampedArray,
    shape?: readonly number[],
    dtype?: DType,
  ): Tensor {
    const own = DTYPES.get(data.constructor.name);
    const chosen = dtype ?? own;
    if (!chosen) {
      throw new TorchdetError(
        'ERR_INVALID_ARGUMENT',
        `Tensor.from: a ${data.constructor.name} needs a dtype ("float16" or "bfloat16").`,
      );
    }
    // Bytes may be those of any numbers.
    if (own !== undefined && own !== 'uint8' && own !== chosen) {
      throw new TorchdetError(
        'ERR_INVALID_ARGUMENT',
        `Tensor.from: a ${data.constructor.name} holds ${own}, which is not read as ${chosen}.`,
      );
    }
    if (data.buffer instanceof SharedArrayBuffer) {
      throw new TorchdetError(
        'ERR_INVALID_ARGUMENT',
        'Tensor.from: memory shared between threads cannot be used in place; copy it first, for example with slice().',
      );
    }
    const sizes = shape ?? [data.length];
    for (const size of sizes) {
      if (!Number.isInteger(size) || size < 0) {
        throw new TorchdetError(
          'ERR_INVALID_ARGUMENT',
          `Tensor.from: a shape holds non-negative integers, got [${sizes.join(', ')}].`,
        );
      }
    }
    return new Tensor(engine().Tensor.fromMemory(data, chosen, sizes));
  }

  /** Numbers of `torch.randn` (normal) or `torch.rand` (uniform) after `torch.manual_seed(seed)`: the same as Python's. */
  static random(kind: 'normal' | 'uniform', shape: readonly number[], seed = 0): Tensor {
    if (!['normal', 'uniform'].includes(kind)) {
      throw optionError('Tensor.random', 'kind', kind, "'normal' or 'uniform'");
    }
    if (!Number.isSafeInteger(seed) || seed < 0) {
      throw optionError('Tensor.random', 'seed', seed, 'a non-negative integer');
    }
    return new Tensor(engine().Tensor.random(kind, shape, seed));
  }

  /** Sizes of the dimensions. */
  get shape(): readonly number[] {
    return this.native.shape;
  }

  get dtype(): DType {
    return this.native.dtype;
  }

  /** `cpu` or `cuda:<index>`. */
  get device(): string {
    return this.native.device;
  }

  get byteLength(): number {
    return this.native.byteLength;
  }

  /**
   * The elements, row-major, without a copy where the tensor is contiguous and on the CPU. float16 and bfloat16 come as
   * Uint16Array, bool as Uint8Array, int64 as BigInt64Array.
   *
   * @throws TorchdetError ERR_DISPOSED
   */
  get data(): TypedArray {
    return this.native.toTypedArray();
  }

  /** Gives the memory back as far as nothing else uses it. Calling it again does nothing. */
  dispose(): void {
    this.native.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
