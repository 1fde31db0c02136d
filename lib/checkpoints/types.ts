import type { DType } from '../../binding';
import { TorchdetError } from '../errors';

/** One tensor of a checkpoint, still in JavaScript's memory. */
export interface CheckpointTensor {
  dtype: DType;
  /** Sizes of the dimensions; empty for a scalar. */
  shape: number[];
  /**
   * The elements, contiguous (row-major) and little-endian: `numel(shape) * itemSize(dtype)` bytes. A view on the file's
   * bytes wherever possible, so one view keeps the whole file in memory. `byteOffset` is a multiple of the item size:
   * a typed array can be made over it. Treat as read-only: tensors may share their bytes.
   */
  data: Uint8Array;
}

/** What a checkpoint file holds: named tensors and a little text. */
export interface Checkpoint {
  tensors: Map<string, CheckpointTensor>;
  /**
   * safetensors: the file's `__metadata__`. Pickles: `format` (`zip-pickle` or `legacy-pickle`) and, after
   * readCheckpoint, `source` (the nested dictionary the tensors came from) and `strippedPrefix`.
   */
  metadata: Record<string, string>;
  /**
   * Versions of the modules by prefix (`state_dict._metadata`), for example `backbone.fpn` -> 2. Only files of
   * `torch.save` carry them.
   */
  versions?: Map<string, number>;
}

/** Bytes of one element. */
export const itemSizes: Readonly<Record<DType, number>> = {
  float32: 4,
  float64: 8,
  float16: 2,
  bfloat16: 2,
  int8: 1,
  uint8: 1,
  int16: 2,
  int32: 4,
  int64: 8,
  bool: 1,
};

/** Number of elements of a shape; NaN or Infinity where the sizes are absurd, so compare with care. */
export function numel(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** `[64, 3, 7, 7]`, for messages. */
export function showShape(shape: readonly number[]): string {
  return `[${shape.join(', ')}]`;
}

/** The bytes themselves where a typed array can lie over them, a copy at an aligned address where not. */
export function aligned(data: Uint8Array, itemSize: number): Uint8Array {
  return data.byteOffset % itemSize === 0 ? data : new Uint8Array(data);
}

/** A file that is not what its format prescribes. `where` names the file. */
export function formatError(where: string, problem: string, cause?: unknown): TorchdetError {
  return new TorchdetError('ERR_CHECKPOINT_FORMAT', `${where}: ${problem}`, { cause });
}
