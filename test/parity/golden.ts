import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** How an image is made; see `image` in test/oracle/fill.py. */
export interface ImageRecipe {
  readonly height: number;
  readonly width: number;
  readonly seed: number;
  readonly kind?: 'float' | 'rgb' | 'grey' | 'noise';
}

/** What a strided sample was taken from. */
interface Sample {
  readonly shape: readonly number[];
  readonly stride: number;
  /** L2 norm of the whole tensor. */
  readonly norm: number;
  /** Largest magnitude in the whole tensor. */
  readonly max: number;
}

/** Values torchvision found, and how to make the inputs again. Written by test/oracle/stages.py. */
export interface Golden {
  readonly case: string;
  readonly images: readonly ImageRecipe[];
  /** Factors and replacements of the filling rule, by tensor name. */
  readonly scales?: Readonly<Record<string, number>>;
  readonly values?: Readonly<Record<string, readonly number[]>>;
  readonly imageSizes: readonly (readonly [number, number])[];
  readonly featureShapes: Readonly<Record<string, readonly number[]>>;
  /** How far torchvision's own detections move when it computes in float64 or in channels last. */
  readonly noise: {
    readonly boxes: number;
    readonly scores: number;
    /** The same of the backbone's maps, relative to their largest value. */
    readonly backbone?: number;
  };
  /** An image that scripted and eager torchvision resize differently (archives only). */
  readonly eagerImage?: ImageRecipe;
  readonly samples: Readonly<Record<string, Sample>>;
  readonly tensors: ReadonlyMap<string, Float32Array | Int32Array>;
}

export const PARITY_FIXTURES = join(__dirname, '..', 'fixtures', 'parity');
export const ARCHIVE_FIXTURES = join(__dirname, '..', 'fixtures', 'archives');

type Header = Record<string, { dtype: string; data_offsets: [number, number] }>;

/** A safetensors file, read without the library's own reader: a test should not lean on what it tests. */
export function readGolden(path: string): Golden {
  const file = readFileSync(path);
  const headerEnd = 8 + Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.toString('utf8', 8, headerEnd)) as Header & {
    __metadata__: Record<string, string>;
  };
  const { __metadata__: metadata, ...entries } = header;
  const tensors = new Map<string, Float32Array | Int32Array>();
  for (const [name, { dtype, data_offsets: range }] of Object.entries(entries)) {
    // A copy, so that the values are aligned to their size.
    const bytes = file.buffer.slice(
      file.byteOffset + headerEnd + range[0],
      file.byteOffset + headerEnd + range[1],
    );
    tensors.set(name, dtype === 'I32' ? new Int32Array(bytes) : new Float32Array(bytes));
  }
  const values = Object.entries(metadata).map(([key, json]) => [key, JSON.parse(json) as unknown]);
  return { ...(Object.fromEntries(values) as Golden), tensors };
}

/** Values of a tensor that was kept whole. */
export function whole(golden: Golden, name: string): Float32Array | Int32Array {
  const values = golden.tensors.get(name);
  assert.ok(values, `${golden.case} has no ${name}`);
  assert.equal(golden.samples[name]?.stride, 1, `${name} is only a sample`);
  return values;
}

export function elements(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/**
 * Checks a tensor against a sample: shape, every sampled value to `tolerance` times the largest magnitude, and the norm of
 * the whole. Leading dimensions of one size are free, so N x 4 and 1 x N x 4 agree.
 */
export function assertClose(
  golden: Golden,
  name: string,
  actual: {
    readonly shape: readonly number[];
    readonly data: ArrayLike<number | bigint> & Iterable<number | bigint>;
  },
  tolerance = 1e-5,
): void {
  const sample = golden.samples[name];
  const expected = golden.tensors.get(name);
  assert.ok(sample && expected, `${golden.case} has no ${name}`);
  assert.equal(
    elements(actual.shape),
    elements(sample.shape),
    `${name}: shape ${actual.shape.join('x')}, torchvision has ${sample.shape.join('x')}`,
  );
  const { data } = actual;
  const limit = tolerance * Math.max(sample.max, 1e-6);
  let worst = 0;
  let where = 0;
  expected.forEach((value, i) => {
    const difference = Math.abs(Number(data[i * sample.stride]) - value);
    // Written so that NaN counts as different.
    if (!(difference <= worst)) [worst, where] = [difference, i];
  });
  assert.ok(
    worst <= limit,
    `${name}[${where * sample.stride}]: ${Number(data[where * sample.stride])}, torchvision has ` +
      `${expected[where] ?? NaN}; difference ${worst} over ${limit}`,
  );
  let squares = 0;
  for (const value of data) squares += Number(value) ** 2;
  const norm = Math.sqrt(squares);
  assert.ok(
    Math.abs(norm - sample.norm) <= tolerance * Math.max(sample.norm, 1e-6),
    `${name}: norm ${norm}, torchvision has ${sample.norm}`,
  );
}

/**
 * For the exact mode: boxes to 1e-3 px and scores to 1e-5, or twice what torchvision's own result moves in another
 * layout or precision, where that is more.
 */
export function exactTolerance({ noise }: Golden): { boxes: number; scores: number } {
  return { boxes: Math.max(1e-3, 2 * noise.boxes), scores: Math.max(1e-5, 2 * noise.scores) };
}
