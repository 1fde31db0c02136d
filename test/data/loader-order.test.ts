import assert from 'node:assert/strict';
import { aspectRatioBounds, type BatchOrder, batchesOf, shardOf } from '../../lib/data/sampler';

const order: BatchOrder = {
  batchSize: 4,
  shuffle: true,
  seed: 7,
  epoch: 0,
  dropLast: false,
  aspectRatioGroups: 3,
};

const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/** Images of three shapes in turn. */
const shapes: readonly (readonly [number, number])[] = [
  [640, 480],
  [480, 640],
  [500, 500],
];
const sizes = Int32Array.from(range(50).flatMap((i) => [...(shapes[i % 3] ?? [1, 1])]));

describe('batches', () => {
  it('groups have the bounds of torchvision', () => {
    // 2 ** numpy.linspace(-1, 1, 7)
    const wanted = [0.5, 0.63, 0.794, 1, 1.26, 1.587, 2];
    const bounds = aspectRatioBounds(3);
    assert.deepEqual(
      bounds.map((bound) => Math.round(bound * 1000) / 1000),
      wanted,
    );
    assert.deepEqual(aspectRatioBounds(0), []);
  });

  it('hold every image once, all but the last ones of one shape', () => {
    const batches = batchesOf(range(50), sizes, order);
    assert.equal(batches.length, 13);
    assert.deepEqual(
      batches.map((batch) => batch.length),
      [...new Array<number>(12).fill(4), 2],
    );
    assert.deepEqual(
      batches.flat().sort((a, b) => a - b),
      range(50),
    );
    // 17, 17 and 16 images of a shape: four full batches of each.
    const mixed = batches.filter((batch) => new Set(batch.map((index) => index % 3)).size > 1);
    assert.ok(mixed.length <= 1, JSON.stringify(mixed));
  });

  it('drop what does not fill a batch, if asked', () => {
    const batches = batchesOf(range(50), sizes, { ...order, dropLast: true });
    assert.equal(batches.length, 12);
    assert.ok(batches.every((batch) => batch.length === 4));
  });

  it('come in an order of the seed and the epoch', () => {
    const make = (change: Partial<BatchOrder>): number[][] =>
      batchesOf(range(50), sizes, { ...order, ...change });
    assert.deepEqual(make({}), make({}));
    assert.notDeepEqual(make({}), make({ epoch: 1 }));
    assert.notDeepEqual(make({}), make({ seed: 8 }));
    const plain = make({ shuffle: false, aspectRatioGroups: 0 });
    assert.deepEqual(plain.flat(), range(50));
  });

  it('use only the images asked for', () => {
    const batches = batchesOf([3, 9, 30], sizes, { ...order, batchSize: 2 });
    assert.deepEqual(
      batches.flat().sort((a, b) => a - b),
      [3, 30, 9].sort((a, b) => a - b),
    );
  });

  it('are shared out evenly among processes', () => {
    const parts = [0, 1, 2].map((index) => shardOf([5, 6, 7, 8], { index, count: 3 }));
    assert.deepEqual(parts, [
      [5, 6],
      [7, 8],
      [5, 6],
    ]);
    assert.deepEqual(shardOf([5, 6, 7, 8], { index: 1, count: 2 }), [7, 8]);
    assert.deepEqual(shardOf([5], { index: 1, count: 2 }), [5]);
  });
});
