// What the parts do beside torchvision's numbers: kinds, messages, empty lists, types.
import assert from 'node:assert/strict';
import { ops, Tensor, TorchdetError } from '../../lib';

const boxes = Float32Array.of(0, 0, 10, 10, 1, 1, 11, 11, 30, 30, 40, 50);
const scores = Float32Array.of(0.8, 0.9, 0.7);
const tensor = (values: readonly number[], shape: readonly number[]) =>
  Tensor.from(Float32Array.from(values), shape);
const features = () => Tensor.random('normal', [1, 4, 8, 8], 1);

/** Fails with a code and a message that names what is wrong. */
async function rejects(work: Promise<unknown>, code: string, message: RegExp): Promise<void> {
  await assert.rejects(work, (error) => {
    assert.ok(error instanceof TorchdetError, String(error));
    assert.equal(error.code, code);
    assert.match(error.message, message);
    assert.match(error.stack ?? '', /behaviour\.test/);
    return true;
  });
}

describe('the parts', () => {
  it('give arrays for arrays and Tensors for Tensors, with types that say so', async () => {
    const kept: Int32Array = await ops.nms(boxes, scores, 0.5);
    assert.deepEqual(kept, Int32Array.of(1, 2));
    const plain: Int32Array = await ops.nms([...boxes], [...scores], 0.5);
    assert.deepEqual(plain, kept);
    const given: Tensor = await ops.nms(tensor([...boxes], [3, 4]), tensor([...scores], [3]), 0.5);
    assert.equal(given.dtype, 'int64');
    assert.deepEqual(given.data, BigInt64Array.of(1n, 2n));
    const iou: Float32Array = await ops.boxIou(boxes, boxes);
    assert.equal(iou.length, 9);
    // @ts-expect-error arrays and Tensors are not mixed
    void ops.nms(boxes, tensor([1, 2, 3], [3]), 0.5).catch(() => undefined);
    // @ts-expect-error boxes alone have no scores
    void ops.nms(boxes, 0.5).catch(() => undefined);
  });

  it('take labels in every form', async () => {
    for (const labels of [[1, 2, 1], Int32Array.of(1, 2, 1), BigInt64Array.of(1n, 2n, 1n)]) {
      assert.deepEqual(await ops.batchedNms(boxes, scores, labels, 0.5), Int32Array.of(1, 0, 2));
    }
  });

  it('leave what they were given alone, and can be called many times on it at once', async () => {
    const before = boxes.slice();
    const results = await Promise.all(
      Array.from({ length: 20 }, () => ops.nms(boxes, scores, 0.5)),
    );
    for (const result of results) assert.deepEqual(result, Int32Array.of(1, 2));
    assert.deepEqual(boxes, before);
    const given = tensor([...boxes], [3, 4]);
    await ops.boxArea(given);
    assert.deepEqual(given.data, before, 'a Tensor that was handed in is not disposed');
  });

  it('take float64 Tensors', async () => {
    const wide = Tensor.from(Float64Array.from(boxes), [3, 4]);
    const area = await ops.boxArea(wide);
    assert.deepEqual(area.data, Float64Array.of(100, 100, 200));
    const matches = await ops.matchBoxes(wide, wide, { highThreshold: 0.9, lowThreshold: 0.5 });
    assert.deepEqual(matches.data, BigInt64Array.of(0n, 1n, 2n));
  });

  it('match nothing to no ground truth, and no anchors to anything', async () => {
    const rule = { highThreshold: 0.7, lowThreshold: 0.3, allowLowQualityMatches: true };
    const background = Int32Array.of(-1, -1, -1);
    assert.deepEqual(await ops.matchBoxes([], boxes, rule), background);
    assert.deepEqual(await ops.matchDefaultBoxes([], boxes), background);
    assert.equal((await ops.matchBoxes(boxes, [], rule)).length, 0);
    assert.equal((await ops.matchDefaultBoxes(boxes, [])).length, 0);
    const none = Tensor.from(new Float32Array(0), [0, 3]);
    assert.deepEqual((await ops.matchQuality(none, rule)).data, BigInt64Array.of(-1n, -1n, -1n));
  });

  it('pool from maps whose strides leave a level out as they are told', async () => {
    const maps = [features(), Tensor.random('normal', [1, 4, 2, 2], 2)];
    const region = [[0, 0, 30, 30]];
    const options = { strides: [4, 16], outputSize: 1, canonicalScale: 30, canonicalLevel: 3 };
    const near = await ops.multiScaleRoiAlign(maps, region, options);
    const first = await ops.roiAlign(maps[0] ?? assert.fail(), region, {
      outputSize: 1,
      spatialScale: 1 / 4,
      samplingRatio: 2,
    });
    const numbers = ({ data }: Tensor) => data as Float32Array;
    const distance = (a: Tensor, b: Tensor) =>
      Math.max(...numbers(a).map((x, i) => Math.abs(x - (numbers(b)[i] ?? NaN))));
    assert.ok(distance(near, first) < 1e-6);
    const zeros = await ops.multiScaleRoiAlign(maps, region, {
      ...options,
      missingLevels: 'zeros',
    });
    assert.ok(distance(zeros, first) > 1e-2);
  });

  it('survive boxes that are no boxes', async () => {
    const inverted = [50, 10, 10, 50, NaN, 0, 5, 5, 0, 0, 1e30, 1e30];
    const options = { strides: [4, 8, 16, 32], outputSize: 2 };
    const maps = [8, 4, 2, 1].map((side) => Tensor.random('normal', [1, 2, side, side], side));
    await ops.multiScaleRoiAlign(maps, [inverted], options).catch((error: unknown) => {
      assert.ok(error instanceof TorchdetError);
    });
    assert.equal((await ops.assignLevels(inverted, { strides: [4, 8] })).length, 3);
    assert.deepEqual(await ops.removeSmallBoxes(inverted, 0), Int32Array.of(2));
  });
});

describe('what is wrong with a call of a part is said before it runs', () => {
  const invalid = 'ERR_INVALID_ARGUMENT';
  const value = 'ERR_OPTION_VALUE';

  it('lists', async () => {
    await rejects(ops.nms([1, 2, 3], [1], 0.5), invalid, /ops\.nms: boxes .*4 .*got 3/);
    await rejects(ops.nms(boxes, [1, 2], 0.5), invalid, /scores .*3 boxes, got 2/);
    await rejects(ops.boxArea(tensor([1, 2, 3], [3])), invalid, /\[N, 4\].*\[3\]/);
    const mixed = ops.nms as (a: unknown, b: unknown, c: number) => Promise<unknown>;
    await rejects(mixed(boxes, tensor([1], [1]), 0.5), invalid, /boxes is an array and scores a T/);
    await rejects(mixed([[0, 0, 1, 1]], [1], 0.5), invalid, /flat list of numbers; entry 0/);
    await rejects(mixed(new Uint8Array(4), [1], 0.5), invalid, /must be a Float32Array/);
    await rejects(mixed('boxes', [1], 0.5), invalid, /must be a Float32Array/);
    const whole = Tensor.from(new Int32Array(4), [1, 4]);
    await rejects(ops.boxArea(whole), invalid, /floating point, got a tensor of int32/);
    await rejects(ops.batchedNms(boxes, scores, [1, 1.5, 2], 0.5), invalid, /entry 1 is 1\.5/);
    await rejects(ops.decodeBoxes([1, 2, 3, 4], boxes), invalid, /multiple of 4 .*3 boxes, got 4/);
    await rejects(ops.encodeBoxes([1, 2, 3, 4], boxes), invalid, /1 rows for 3 boxes/);
    await rejects(
      Promise.resolve().then(() => ops.takeRows(boxes, [3])),
      invalid,
      /indices\[0\] is 3, but there are 3/,
    );
  });

  it('numbers', async () => {
    for (const threshold of [NaN, -0.1, 50]) {
      await rejects(ops.nms(boxes, scores, threshold), invalid, /iouThreshold .*0 to 1, got/);
    }
    await rejects(ops.removeSmallBoxes(boxes, NaN), invalid, /minSize .*got NaN/);
    await rejects(ops.clipBoxes(boxes, [10, 0.5]), invalid, /imageSize\[1\].*0\.5/);
    await rejects(
      ops.boxConvert(boxes, 'xyxy', 'xyhw' as 'xywh'),
      value,
      /one of "xyxy", .*got "xyhw"/,
    );
  });

  it('options', async () => {
    const rule = { highThreshold: 0.3, lowThreshold: 0.7 };
    await rejects(
      ops.matchBoxes(boxes, boxes, rule),
      value,
      /lowThreshold.*at most.*0\.3, got 0\.7/,
    );
    const wrong = { highThreshold: 0.7, lowTreshold: 0.3 } as never;
    await rejects(ops.matchBoxes(boxes, boxes, wrong), 'ERR_OPTION_UNKNOWN', /"lowThreshold"\?/);
    const weights = [1, 1, 0, 1] as const;
    await rejects(
      ops.decodeBoxes(boxes, boxes, { weights }),
      value,
      /weights\[2\].*above 0, got 0/,
    );
    const sampling = { batchSize: 0, positiveFraction: 0.5 };
    await rejects(ops.balancedPositiveNegative([[1]], sampling), value, /batchSize.*got 0/);
    const flat = [1, 0] as never;
    const rest = { batchSize: 4, positiveFraction: 0.5 };
    await rejects(ops.balancedPositiveNegative(flat, rest), invalid, /one list for each image/);
  });

  it('anchors', async () => {
    await rejects(ops.cellAnchors([0], [1]), value, /sizes\[0\].*got 0/);
    const levels = ops.gridAnchors({ sizes: [[32], [64]] }, [[4, 4]], [64, 64]);
    await rejects(levels, invalid, /sizes are for 2 levels.*1 gridSizes/);
    const scales = ops.defaultBoxes({ aspectRatios: [[2]], scales: [0.1] }, [[1, 1]], [8, 8]);
    await rejects(scales, value, /scales.*a list of 2/);
  });

  it('feature maps', async () => {
    const region = [Float32Array.of(0, 0, 4, 4)];
    const pooled = ops.roiAlign(tensor([1, 2], [1, 2]), region, { outputSize: 2 });
    await rejects(pooled, invalid, /\[images, channels, height, width\].*\[1, 2\]/);
    const many = ops.roiAlign(features(), [...region, ...region], { outputSize: 2 });
    await rejects(many, invalid, /boxes are for 2 images, the map is for 1/);
    const bare = region[0] as never;
    await rejects(ops.roiAlign(features(), bare, { outputSize: 2 }), invalid, /\[boxes\]/);
    await rejects(ops.roiAlign(features(), region, { outputSize: 0 }), value, /outputSize/);
    const strides = ops.multiScaleRoiAlign([features()], region, {
      strides: [4, 8],
      outputSize: 2,
    });
    await rejects(strides, invalid, /2 strides/);
    const index = ops.roiAlign(features(), tensor([7, 0, 0, 4, 4], [1, 5]), { outputSize: 2 });
    await rejects(index, 'ERR_NATIVE', /7/);
    const offset = Tensor.random('normal', [1, 17, 6, 6]);
    const weight = Tensor.random('normal', [2, 4, 3, 3]);
    await rejects(ops.deformConv2d(features(), offset, weight), invalid, /multiple of 18.*got 17/);
  });
});
