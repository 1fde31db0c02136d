import assert from 'node:assert/strict';
import type { Binding, NativeTensor, ScriptValue } from '../../binding';
import { requireLoader } from '../../lib/runtime/addons';
import { loadBinding } from '../../lib/runtime/binding';
import { buildCuda } from './build';

/** Builds and opens the CUDA operators' code for the CPU: its operators are torchdet_host::nms and so on. */
export async function openHostOperators(): Promise<Binding> {
  const binding = loadBinding();
  const built = await buildCuda('--host');
  assert.ok('path' in built, 'this needs no CUDA compiler');
  requireLoader().open(built.path);
  return binding;
}

export function tensorsOf(value: ScriptValue): NativeTensor[] {
  return (Array.isArray(value) ? value : [value]) as NativeTensor[];
}

/** Values drawn anew for every test, the same in every run. */
export class Random {
  #seed = 1;

  constructor(readonly binding: Binding) {}

  /** Uniform in from..to, or where `whole` integers of it. */
  uniform(shape: readonly number[], from = 0, to = 1, whole = false): NativeTensor {
    const drawn = this.binding.Tensor.random('uniform', shape, this.#seed++);
    const values = Float32Array.from(drawn.toTypedArray() as Float32Array, (value) => {
      const number = from + value * (to - from);
      return whole ? Math.round(number) : number;
    });
    return this.binding.Tensor.fromMemory(values, 'float32', shape);
  }

  /** An integer in from..to. */
  integer(from: number, to: number): number {
    this.#seed = (this.#seed * 48271) % 2147483647;
    return from + (this.#seed % (to - from + 1));
  }

  /** count boxes within size x size, most of them with sides above 0; as RoIs where `images` is given. */
  boxes(count: number, size: number, images?: number): NativeTensor {
    const numbers = this.uniform([count, 4], 0, size).toTypedArray() as Float32Array;
    const columns = images === undefined ? 4 : 5;
    const data = new Float32Array(count * columns);
    for (let i = 0; i < count; i++) {
      const [x = 0, y = 0, w = 0, h = 0] = numbers.subarray(i * 4, i * 4 + 4);
      const box = [x * 0.7, y * 0.7, x * 0.7 + w * 0.5, y * 0.7 + h * 0.5];
      data.set(images === undefined ? box : [i % images, ...box], i * columns);
    }
    return this.binding.Tensor.fromMemory(data, 'float32', [count, columns]);
  }

  async call(operator: string, ...args: ScriptValue[]): Promise<NativeTensor> {
    const [result] = tensorsOf(await this.binding.callOperator(operator, args, 'cpu'));
    return result ?? assert.fail(`${operator} gave nothing`);
  }
}

/** Same shape and, to `tolerance` of the largest value, the same numbers; NaN where NaN is. */
export function assertSame(
  actual: NativeTensor,
  expected: NativeTensor,
  tolerance: number,
  what: string,
): void {
  assert.deepEqual(actual.shape, expected.shape, `${what}: shape`);
  assert.equal(actual.dtype, expected.dtype, `${what}: dtype`);
  const [got, wanted] = [actual.toTypedArray(), expected.toTypedArray()];
  if (tolerance === 0) {
    assert.deepEqual(got, wanted, what);
    return;
  }
  const values = Array.from(wanted, Number);
  const scale = values.reduce((most, value) => Math.max(most, Math.abs(value) || 0), 1e-3);
  values.forEach((value, i) => {
    const found = Number(got[i]);
    const near = Math.abs(found - value) <= tolerance * scale;
    assert.ok(
      near || Object.is(found, value),
      `${what}[${String(i)}]: ${String(found)} for ${String(value)}`,
    );
  });
}
