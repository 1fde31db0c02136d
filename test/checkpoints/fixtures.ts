import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

import type { DType, StateEntry } from '../../binding';
import { type Checkpoint, type CheckpointTensor, itemSizes } from '../../lib/checkpoints/types';

/** Files written by test/oracle/checkpoints.py. */
export const fixtures = join(__dirname, '../fixtures/checkpoints');

/** Bigger files that are not in the repository. */
export const testData =
  process.env.TORCHDET_TEST_DATA ?? resolve(__dirname, '../../../shared/data');

type Expected = Record<string, Record<string, { dtype: DType; shape: number[]; data: string }>>;

const expected = JSON.parse(readFileSync(join(fixtures, 'expected.json'), 'utf8')) as Expected;

/** Names of the fixtures whose contents are known. */
export const expectedFiles = Object.keys(expected);

/** Every tensor as torch has it: names and their order, dtypes, shapes and bytes. */
export function assertExpected(file: string, tensors: Map<string, CheckpointTensor>): void {
  const wanted = expected[file] ?? assert.fail(`nothing is known of ${file}`);
  assert.deepEqual([...tensors.keys()].sort(), Object.keys(wanted).sort());
  for (const [name, { dtype, shape, data }] of Object.entries(wanted)) {
    const tensor = tensors.get(name);
    assert.ok(tensor);
    assert.equal(tensor.dtype, dtype, name);
    assert.deepEqual(tensor.shape, shape, name);
    assert.equal(Buffer.from(tensor.data).toString('base64'), data, name);
    assert.equal(tensor.data.byteOffset % itemSizes[dtype], 0, `${name} is aligned`);
  }
}

/** A checkpoint with these shapes and no values worth looking at. */
export function checkpointOf(shapes: Record<string, number[]>): Checkpoint {
  const tensors = Object.entries(shapes).map(([name, shape]): [string, CheckpointTensor] => [
    name,
    { dtype: 'float32', shape, data: new Uint8Array(0) },
  ]);
  return { tensors: new Map(tensors), metadata: {} };
}

/** A model's state dict with these shapes. */
export function modelOf(shapes: Record<string, number[]>): StateEntry[] {
  return Object.entries(shapes).map(([name, shape]) => ({
    name,
    shape,
    kind: 'parameter',
    dtype: 'float32',
    requiresGrad: true,
  }));
}

interface Names {
  today: Record<string, number[]>;
  /** Names of 2019 and 2020 that differ, and today's. */
  renamed: Record<string, string>;
  /** Shapes that differ where the model knows 5 classes instead of 91. */
  fiveClasses: Record<string, number[]>;
}

/** State dicts of torchvision's detectors as names and shapes. */
export const names = JSON.parse(readFileSync(join(fixtures, 'names.json'), 'utf8')) as Record<
  string,
  Names
>;

export function namesOf(builder: string): Names {
  return names[builder] ?? assert.fail(`no names of ${builder}`);
}
