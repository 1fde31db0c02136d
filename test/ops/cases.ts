import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { Binding, DType, NativeTensor, ScriptValue, TypedArray } from '../../binding';
import { readSafetensors } from '../../lib/checkpoints/safetensors';
import type { CheckpointTensor } from '../../lib/checkpoints/types';

/** An argument as test/oracle/operators.py writes it: a string names a tensor of the file. */
type Argument = string | number | boolean | readonly Argument[];

/** One call of an operator, with what torchvision answers. */
export interface OperatorCase {
  readonly name: string;
  readonly operator: string;
  readonly args: readonly Argument[];
  readonly outputs: readonly string[];
  /** Gradient of the first output, and the names of the gradients of the arguments; absent where there are none. */
  readonly gradOutput?: string;
  readonly gradients?: readonly (string | null)[];
}

/** A file of test/fixtures/ops. */
export class OperatorCases {
  readonly cases: readonly OperatorCase[];
  private readonly tensors: Map<string, CheckpointTensor>;

  constructor(family: string) {
    const path = join(__dirname, '../fixtures/ops', `${family}.safetensors`);
    const { tensors, metadata } = readSafetensors(path);
    this.tensors = tensors;
    this.cases = JSON.parse(metadata.cases ?? '[]') as OperatorCase[];
  }

  stored(name: string): CheckpointTensor {
    return this.tensors.get(name) ?? assert.fail(`the file has no tensor "${name}"`);
  }

  tensor(binding: Binding, name: string): NativeTensor {
    const { data, dtype, shape } = this.stored(name);
    return binding.Tensor.fromMemory(data, dtype, shape);
  }

  argument(binding: Binding, argument: Argument): ScriptValue {
    if (typeof argument === 'string') return this.tensor(binding, argument);
    if (typeof argument !== 'object') return argument;
    return argument.map((item) => this.argument(binding, item));
  }
}

/** The values of a stored tensor as numbers. */
export function valuesOf({ dtype, data }: CheckpointTensor): TypedArray {
  const bytes = new Uint8Array(data).buffer;
  switch (dtype) {
    case 'float32':
      return new Float32Array(bytes);
    case 'float64':
      return new Float64Array(bytes);
    case 'int32':
      return new Int32Array(bytes);
    case 'int64':
      return new BigInt64Array(bytes);
    default:
      return assert.fail(`no fixture has dtype ${dtype}`);
  }
}

/** Greatest difference allowed, relative to the tensor's largest value. */
const tolerances: Partial<Record<DType, number>> = { float32: 5e-6, float64: 1e-12 };

/** Same shape, dtype and NaNs; integers equal, floating point within the dtype's tolerance. */
export function assertClose(actual: NativeTensor, expected: CheckpointTensor, what: string): void {
  assert.deepEqual(actual.shape, expected.shape, `${what}: shape`);
  assert.equal(actual.dtype, expected.dtype, `${what}: dtype`);
  const [got, wanted] = [actual.toTypedArray(), valuesOf(expected)];
  const tolerance = tolerances[actual.dtype];
  if (tolerance === undefined || wanted instanceof BigInt64Array || got instanceof BigInt64Array) {
    assert.deepEqual(got, wanted, what);
    return;
  }
  let scale = 1e-3;
  for (const value of wanted) if (Number.isFinite(value)) scale = Math.max(scale, Math.abs(value));
  wanted.forEach((value: number, i: number) => {
    const other = got[i] ?? NaN;
    const same = Object.is(other, value) || Math.abs(other - value) <= tolerance * scale;
    assert.ok(same, `${what}: element ${i} is ${other}, torchvision has ${value}`);
  });
}
