import assert from 'node:assert/strict';
import type { Binding, NativeTensor, ScriptValue } from '../../binding';
import { loadBinding } from '../../lib/runtime/binding';
import { assertSame, Random } from './host';

/*
 * Detection without waiting for the device works on lists of fixed size. It is made of tensor operations, so the CPU can run it:
 * it must find what the ordinary selection finds.
 */
describe('selection in lists of fixed size', () => {
  let binding: Binding;
  let random: Random;

  before(() => {
    binding = loadBinding();
    random = new Random(binding);
  });

  async function lists(
    operator: string,
    ...args: readonly ScriptValue[]
  ): Promise<NativeTensor[][]> {
    return (await binding.callOperator(`torchdet::${operator}`, args, 'cpu')) as NativeTensor[][];
  }

  /** Calls both ways and compares every list of every image; gives the lengths of the lists. */
  async function compare(operator: string, ...args: readonly ScriptValue[]): Promise<number[]> {
    const [padded, ordinary] = await Promise.all(
      [true, false].map((way) => lists(operator, ...args, way)),
    );
    assert.ok(padded && ordinary);
    assert.equal(padded.length, ordinary.length);
    ordinary.forEach((images, part) => {
      images.forEach((expected, image) => {
        const actual = padded[part]?.[image] ?? assert.fail();
        const tolerance = expected.dtype === 'float32' ? 1e-6 : 0;
        assertSame(actual, expected, tolerance, `part ${String(part)} of image ${String(image)}`);
      });
    });
    return (ordinary[0] ?? []).map(({ shape }) => shape[0] ?? 0);
  }

  const SIZES = [
    [100, 64, 90],
    [80, 120, 33],
  ] as const;

  /** Three levels of anchors for three images, with deltas that move them by a few pixels. */
  async function proposals(
    spread: number,
    minimum: number,
    pre: number,
    post: number,
  ): Promise<number[]> {
    const levels = [150, 60, 12];
    const anchors = random.boxes(222, 130);
    const objectness = random.uniform([3 * 222, 1], -spread, spread);
    const deltas = random.uniform([3 * 222, 4], -0.4, 0.4);
    return compare(
      'select_proposals',
      objectness,
      deltas,
      anchors,
      levels,
      ...SIZES,
      0.7,
      minimum,
      pre,
      post,
    );
  }

  it('proposes what the ordinary one proposes', async () => {
    const lengths: number[] = [];
    for (const [minimum, pre, post] of [
      [0, 1000, 1000],
      [0, 40, 30],
      [0.6, 100, 50],
      [0, 7, 1],
    ] as const) {
      for (const spread of [1, 6]) lengths.push(...(await proposals(spread, minimum, pre, post)));
    }
    // The cases are worth something: some lists are cut and some are shorter than they may be.
    assert.ok(lengths.includes(30) && lengths.some((length) => length > 50), lengths.join());
  });

  it('proposes nothing where no score passes', async () => {
    assert.deepEqual(await proposals(3, 1, 100, 50), [0, 0, 0]);
  });

  /** Detections of three images with lists of proposals of different lengths. */
  async function detections(
    classes: number,
    counts: readonly number[],
    [nms, score, most, threshold]: readonly [number, number, number, number],
  ): Promise<number[]> {
    const rows = counts.reduce((sum, count) => sum + count, 0);
    const logits = random.uniform([rows, classes], -3, 3);
    const regression = random.uniform([rows, 4 * classes], -4, 4);
    const boxes = counts.map((count) => random.boxes(count, 110));
    return compare(
      'select_detections',
      logits,
      regression,
      boxes,
      ...SIZES,
      nms,
      score,
      most,
      threshold,
    );
  }

  it('detects what the ordinary one detects', async () => {
    const lengths: number[] = [];
    for (const classes of [2, 4, 11]) {
      for (const options of [
        [0.5, 0.05, 100, 0],
        [0.3, 0.2, 5, 0],
        [0.5, 0.01, 60, 0.25],
      ] as const) {
        lengths.push(...(await detections(classes, [25, 40, 1], options)));
      }
    }
    assert.ok(lengths.includes(5) && lengths.some((length) => length > 20), lengths.join());
  });

  it('detects nothing where nothing passes, and in images without proposals', async () => {
    assert.deepEqual(await detections(3, [10, 4, 2], [0.5, 1, 10, 0]), [0, 0, 0]);
    const [first, second, third] = await detections(3, [12, 0, 5], [0.5, 0.05, 10, 0]);
    assert.ok(first && third, 'the others have some');
    assert.equal(second, 0);
  });

  /** Two images with three levels of places; FCOS has points with strides where the others have boxes. */
  async function dense(
    head: string,
    [nms, score, candidates, most, threshold]: readonly [number, number, number, number, number],
  ): Promise<number[]> {
    const [levels, classes] = [[40, 12, 5], 4];
    const rows = levels.reduce((sum, count) => sum + count, 0);
    const logits = random.uniform([2, rows, classes], -4, 2);
    const original = head === 'fcosOriginal';
    const linear = original || head === 'fcos';
    const deltas = linear
      ? random.uniform([2, rows, 4], 0.1, 3)
      : random.uniform([2, rows, 4], -0.4, 0.4);
    const references = original ? random.uniform([rows, 3], 8, 60) : random.boxes(rows, 110);
    const ctrness = linear ? random.uniform([2, rows, 1], -2, 3) : null;
    const [sizes, widths] = [SIZES[0].slice(0, 2), SIZES[1].slice(0, 2)];
    const tensors = [logits, deltas, ctrness, references];
    return compare(
      'select_dense',
      head,
      ...tensors,
      levels,
      sizes,
      widths,
      nms,
      score,
      candidates,
      most,
      threshold,
    );
  }

  for (const head of ['retinanet', 'fcos', 'fcosOriginal', 'ssd']) {
    it(`${head}: detects what the ordinary one detects`, async () => {
      const lengths: number[] = [];
      for (const options of [
        [0.5, 0.05, 1000, 100, 0],
        [0.3, 0.2, 10, 300, 0],
        [0.6, 0.1, 100, 7, 0.3],
        [0.5, 1, 100, 100, 0],
      ] as const) {
        lengths.push(...(await dense(head, options)));
      }
      assert.ok(lengths.includes(7) && lengths.some((length) => length > 15), lengths.join());
      assert.deepEqual(lengths.slice(-2), [0, 0]);
    });
  }
});
