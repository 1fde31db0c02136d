import { type PickleValue, type TensorReference } from './pickle-values';
import { aligned, type CheckpointTensor, formatError, itemSizes, numel, showShape } from './types';

/** torch itself allows no more. */
const maxDimensions = 64;

function isSizes(value: PickleValue): value is number[] {
  return (
    Array.isArray(value) &&
    value.length <= maxDimensions &&
    value.every((v) => typeof v === 'number' && Number.isSafeInteger(v) && v >= 0)
  );
}

/** Turns a file's tensor references into contiguous tensors: views on its storages wherever they can be. */
export class TensorViews {
  private copied = 0;
  private readonly maxCopied: number;

  /**
   * @param bytesOf the bytes of the storage with this key, or undefined where the file has none
   * @param fileSize bounds what may be copied: strides of 0 could blow a few bytes up to any size
   */
  constructor(
    private readonly where: string,
    private readonly bytesOf: (key: string) => Uint8Array | undefined,
    fileSize: number,
  ) {
    this.maxCopied = 8 * fileSize + (64 << 20);
  }

  /** @throws TorchdetError ERR_CHECKPOINT_FORMAT where the tensor does not lie within its storage */
  make(name: string, { storage, dtype, offset, size, stride }: TensorReference): CheckpointTensor {
    const bad = (problem: string): Error =>
      formatError(this.where, `tensor "${name.slice(0, 200)}" ${problem}.`);
    if (dtype === undefined) throw bad(`is of ${storage.type}: a dtype torchdet does not read`);
    if (!isSizes(size) || !isSizes(stride) || size.length !== stride.length) {
      throw bad('has a shape or strides that are no list of sizes');
    }
    if (typeof offset !== 'number' || !Number.isSafeInteger(offset) || offset < 0) {
      throw bad('has an offset that is no position');
    }
    const itemSize = itemSizes[dtype];
    const count = numel(size);
    if (count === 0) return { dtype, shape: [...size], data: new Uint8Array(0) };

    const bytes = this.bytesOf(storage.key);
    if (bytes === undefined) throw bad(`is kept in storage ${storage.key}, which the file lacks`);
    const first = offset + storage.viewOffset;
    const last = size.reduce((sum, extent, i) => sum + (extent - 1) * (stride[i] ?? 0), first);
    if ((last + 1) * itemSize > bytes.length) {
      throw bad(
        `of shape ${showShape(size)} and ${dtype} reaches beyond its storage ` +
          `(element ${last} of ${Math.floor(bytes.length / itemSize)}): the file is truncated or damaged`,
      );
    }

    if (isContiguous(size, stride)) {
      const view = bytes.subarray(first * itemSize, (first + count) * itemSize);
      if (view.byteOffset % itemSize !== 0) this.spend(view.length, bad);
      return { dtype, shape: [...size], data: aligned(view, itemSize) };
    }
    const window = bytes.subarray(first * itemSize, (last + 1) * itemSize);
    this.spend(count * itemSize + (window.byteOffset % itemSize === 0 ? 0 : window.length), bad);
    const data = gather(aligned(window, itemSize), itemSize, size, stride, count);
    return { dtype, shape: [...size], data };
  }

  private spend(bytes: number, bad: (problem: string) => Error): void {
    this.copied += bytes;
    if (this.copied > this.maxCopied) {
      throw bad(
        `would take the copies of strided tensors to ${this.copied} bytes, far more than the file`,
      );
    }
  }
}

function isContiguous(size: readonly number[], stride: readonly number[]): boolean {
  let expected = 1;
  for (let i = size.length - 1; i >= 0; i--) {
    const extent = size[i] ?? 1;
    if (extent !== 1 && stride[i] !== expected) return false;
    expected *= extent;
  }
  return true;
}

/** Copies a strided tensor, whose first element is the first of `bytes`, into row-major order. Elements are moved as unsigned integers of their width. */
function gather(
  bytes: Uint8Array,
  itemSize: number,
  size: readonly number[],
  stride: readonly number[],
  count: number,
): Uint8Array {
  const out = new Uint8Array(count * itemSize);
  const length = bytes.length / itemSize;
  if (itemSize === 8) {
    const from = new BigUint64Array(bytes.buffer, bytes.byteOffset, length);
    const to = new BigUint64Array(out.buffer, 0, count);
    walk(size, stride, (source, target) => (to[target] = from[source] ?? 0n));
  } else {
    const View = itemSize === 4 ? Uint32Array : itemSize === 2 ? Uint16Array : Uint8Array;
    const from = new View(bytes.buffer as ArrayBuffer, bytes.byteOffset, length);
    const to = new View(out.buffer, 0, count);
    walk(size, stride, (source, target) => (to[target] = from[source] ?? 0));
  }
  return out;
}

function walk(
  size: readonly number[],
  stride: readonly number[],
  visit: (source: number, target: number) => void,
): void {
  const inner = size.at(-1) ?? 1;
  const innerStride = stride.at(-1) ?? 0;
  const index = size.map(() => 0);
  let source = 0;
  let target = 0;
  for (;;) {
    for (let i = 0; i < inner; i++) visit(source + i * innerStride, target++);
    let axis = size.length - 2;
    for (; axis >= 0; axis--) {
      const next = (index[axis] ?? 0) + 1;
      if (next < (size[axis] ?? 0)) {
        index[axis] = next;
        source += stride[axis] ?? 0;
        break;
      }
      source -= (next - 1) * (stride[axis] ?? 0);
      index[axis] = 0;
    }
    if (axis < 0) return;
  }
}
