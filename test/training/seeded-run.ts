import assert from 'node:assert/strict';
import { availableParallelism } from 'node:os';
import { type Detector, setThreads, sgd, type TypedArray } from '../../lib';
import { assertClose } from '../parity/golden';
import { samplesOf } from './rcnn-cases';
import type { TrainingGolden } from './rcnn-cases';

interface Values {
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

/** The same kind of array for all, copied in one go: loops over many millions of numbers are quick then. */
function numbersOf(data: TypedArray): Float64Array {
  return data instanceof BigInt64Array ? Float64Array.from(data, Number) : new Float64Array(data);
}

/** Copies: a model's tensors change in place. */
async function stateOf(detector: Detector): Promise<ReadonlyMap<string, Values>> {
  const state = await detector.stateDict();
  return new Map(
    Object.entries(state).map(([name, { shape, data }]) => [
      name,
      { shape, data: numbersOf(data) },
    ]),
  );
}

function difference({ data: after }: Values, { data: before }: Values): Float64Array {
  const change = new Float64Array(after.length);
  for (let i = 0; i < change.length; i++) change[i] = (after[i] ?? NaN) - (before[i] ?? NaN);
  return change;
}

function largestOf({ data }: Values): number {
  let largest = 0;
  for (const value of data) largest = Math.max(largest, Math.abs(value));
  return largest;
}

function isZero(numbers: Float64Array): boolean {
  for (const number of numbers) if (number !== 0) return false;
  return true;
}

/** How far a loss may be from torchvision's, relative to it, or to 0.1 where it is less. */
const LOSS_TOLERANCE = 1e-4;

/** Half a digit of float32 for some of the ten steps. */
const ROUNDINGS = 4 * 2 ** -24;

/**
 * Trains as `train` in test/oracle/training.py does and checks losses of every step, gradients of the first, and what changed of
 * parameters and buffers in all: what is not in the golden file must be as it was.
 */
export async function checkSeededRun(detector: Detector, golden: TrainingGolden): Promise<void> {
  // In steps this small, threads mostly wait for each other: for very long where others want the processor too.
  setThreads(1);
  try {
    await checkRun(detector, golden);
  } finally {
    setThreads(availableParallelism());
  }
}

async function checkRun(detector: Detector, golden: TrainingGolden): Promise<void> {
  const { learningRate, lossNames, seed, trained } = golden;
  assert.deepEqual(await detector.trainableParameters(), trained);
  const samples = samplesOf(golden);
  const before = await stateOf(detector);
  const optimizer = await detector.optimizer(sgd({ lr: learningRate, momentum: 0.9 }));
  const measured = await detector.losses(samples, { seed });
  const changed = changesOf(before, await stateOf(detector));
  assert.deepEqual([...changed.keys()], [], 'losses() changed the detector');

  const expected = golden.tensors.get('losses') ?? assert.fail('no losses');
  const each = lossNames.length + 1;
  for (let step = 0; step < expected.length / each; step++) {
    const options = step === 0 ? { optimizer, seed } : { optimizer };
    const { losses, total, stepped } = await detector.trainStep(samples, options);
    assert.ok(stepped);
    if (step === 0) {
      assert.deepEqual(measured, losses);
      // With momentum but no weight decay, what is kept of the first step is its gradient.
      checkGradients(golden, await optimizer.stateDict());
    }
    assert.deepEqual(Object.keys(losses), lossNames);
    [...Object.values(losses), total].forEach((loss, i) => {
      const wanted = expected[step * each + i] ?? NaN;
      const what = `step ${step}, ${lossNames[i] ?? 'total'}: ${loss}, torchvision has ${wanted}`;
      const limit = LOSS_TOLERANCE * Math.max(Math.abs(wanted), 0.1);
      assert.ok(Math.abs(loss - wanted) <= limit, what);
    });
  }
  checkChanges(golden, before, await stateOf(detector));
  optimizer.dispose();
}

/** Names of what the golden file keeps under a prefix. */
function keptNames(golden: TrainingGolden, prefix: string): string[] {
  return Object.keys(golden.samples).filter((name) => name.startsWith(prefix));
}

/** What is 0 but for rounding, as the gradient of a softmax's common bias, must be so here. */
function checkSample(
  golden: TrainingGolden,
  prefix: string,
  name: string,
  values: Values,
  tolerance: number,
): void {
  const maxOf = (kept: string) => golden.samples[kept]?.max ?? NaN;
  const nothing = 1e-7 * Math.max(...keptNames(golden, prefix).map(maxOf));
  if (maxOf(name) > nothing) {
    assertClose(golden, name, values, tolerance);
    return;
  }
  assert.ok(largestOf(values) <= nothing, `${name} should be 0 but for rounding`);
}

function checkGradients(
  golden: TrainingGolden,
  state: Awaited<ReturnType<Detector['stateDict']>>,
): void {
  const found = Object.entries(state).flatMap(([key, tensor]) => {
    const [, name] = /^state\.(.*)\.momentum_buffer$/.exec(key) ?? [];
    return name === undefined ? [] : [[`gradient.${name}`, tensor] as const];
  });
  const uncertain = new Set(golden.uncertain?.map((name) => `gradient.${name}`));
  for (const [name, tensor] of found) {
    if (!uncertain.has(name))
      checkSample(
        golden,
        'gradient.',
        name,
        { shape: tensor.shape, data: numbersOf(tensor.data) },
        1e-4,
      );
  }
  assert.deepEqual(found.map(([name]) => name).sort(), keptNames(golden, 'gradient.').sort());
}

/** What is another than before, by name. */
function changesOf(
  before: ReadonlyMap<string, Values>,
  after: ReadonlyMap<string, Values>,
): ReadonlyMap<string, Values> {
  return new Map(
    [...after].flatMap(([name, values]) => {
      const data = difference(values, before.get(name) ?? assert.fail(`${name} is new`));
      return isZero(data) ? [] : [[name, { shape: values.shape, data }] as const];
    }),
  );
}

function checkChanges(
  golden: TrainingGolden,
  before: ReadonlyMap<string, Values>,
  after: ReadonlyMap<string, Values>,
): void {
  const changes = changesOf(before, after);
  const changed = [...changes.keys()].map((name) => `change.${name}`);
  assert.deepEqual(changed.sort(), keptNames(golden, 'change.').sort());
  for (const [name, values] of changes) {
    // Small changes of large weights are as exact as the weights are.
    const largest = largestOf(after.get(name) ?? assert.fail());
    const rounding = (ROUNDINGS * largest) / (golden.samples[`change.${name}`]?.max ?? NaN);
    checkSample(golden, 'change.', `change.${name}`, values, Math.max(1e-3, rounding));
  }
}
