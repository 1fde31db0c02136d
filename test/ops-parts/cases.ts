import assert from 'node:assert/strict';
import { join } from 'node:path';
import { ops, Tensor, type TypedArray } from '../../lib';
import { readSafetensors } from '../../lib/checkpoints/safetensors';
import type { CheckpointTensor } from '../../lib/checkpoints/types';
import { valuesOf } from '../ops/cases';

/** What test/oracle/parts.py writes: "@name" is a tensor of the file, anything else stands for itself. */
type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json };

export interface PartCase {
  readonly name: string;
  readonly function: string;
  readonly args: readonly Json[];
  readonly result: Json;
}

type AnyFunction = (...args: unknown[]) => Promise<unknown>;

/** A file of test/fixtures/ops-parts. */
export class PartCases {
  readonly cases: readonly PartCase[];
  readonly #tensors: Map<string, CheckpointTensor>;

  constructor(topic: string) {
    const path = join(__dirname, '../fixtures/ops-parts', `${topic}.safetensors`);
    const { tensors, metadata } = readSafetensors(path);
    this.#tensors = tensors;
    this.cases = JSON.parse(metadata.cases ?? '[]') as PartCase[];
  }

  /** Calls the function with what `make` makes of the tensors among its arguments. */
  async call(part: PartCase, make: (stored: CheckpointTensor) => unknown): Promise<unknown> {
    const called = (ops as unknown as Record<string, AnyFunction>)[part.function];
    assert.ok(called, `ops.${part.function} does not exist`);
    return called(...part.args.map((argument) => this.#value(argument, make)));
  }

  #value(json: Json, make: (stored: CheckpointTensor) => unknown): unknown {
    if (typeof json === 'string' && json.startsWith('@')) return make(this.stored(json));
    if (typeof json !== 'object' || json === null) return json;
    if (Array.isArray(json))
      return (json as readonly Json[]).map((item) => this.#value(item, make));
    const entries = Object.entries(json as Record<string, Json>);
    return Object.fromEntries(entries.map(([name, value]) => [name, this.#value(value, make)]));
  }

  stored(reference: string): CheckpointTensor {
    return this.#tensors.get(reference.slice(1)) ?? assert.fail(`no tensor ${reference}`);
  }

  /** Compares a result with torchvision's: integers equal, floats to `tolerance` of the largest. */
  check(actual: unknown, expected: Json, tolerance: number): void {
    if (typeof expected === 'string') {
      const stored = this.stored(expected);
      if (actual instanceof Tensor) assert.deepEqual(actual.shape, stored.shape);
      assertSame(actual instanceof Tensor ? actual.data : actual, valuesOf(stored), tolerance);
      return;
    }
    const parts = Object.entries(expected as Record<string, Json>);
    assert.equal(Object.keys(actual as object).length, parts.length);
    for (const [name, part] of parts) {
      this.check((actual as Record<string, unknown>)[name], part, tolerance);
    }
  }
}

export const asTensor = (stored: CheckpointTensor): Tensor =>
  Tensor.from(valuesOf(stored), stored.shape);

/** Arrays; int64 as an Int32Array, as most programs have labels. */
export function asArray(stored: CheckpointTensor): TypedArray {
  const values = valuesOf(stored);
  return values instanceof BigInt64Array ? Int32Array.from(values, Number) : values;
}

function assertSame(actual: unknown, wanted: TypedArray, tolerance: number): void {
  if (!(wanted instanceof Float32Array)) {
    const numbers = (values: unknown) => Array.from(values as Int32Array, Number);
    assert.deepEqual(numbers(actual), numbers(wanted));
    return;
  }
  assert.ok(actual instanceof Float32Array, 'the result is a Float32Array');
  assert.equal(actual.length, wanted.length);
  const scale = wanted.reduce(
    (max, x) => (Number.isFinite(x) ? Math.max(max, Math.abs(x)) : max),
    0,
  );
  wanted.forEach((value, i) => {
    const other = actual[i] ?? NaN;
    const same = other === value || (Number.isNaN(other) && Number.isNaN(value));
    const near = Math.abs(other - value) <= tolerance * scale;
    assert.ok(same || near, `element ${i} is ${other}, torchvision has ${value}`);
  });
}
