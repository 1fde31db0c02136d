// Masks and keypoints of a result, from numbers made by hand.
import assert from 'node:assert/strict';
import { DetectionResult, rle, Tensor } from '../../lib';
import { TorchdetError } from '../../lib/errors';
import type { ErrorCode } from '../../lib/errors';

const [width, height] = [4, 3];

function result(parts: {
  masks?: boolean;
  keypoints?: number;
  names?: readonly string[];
}): DetectionResult {
  const masks = new Float32Array(2 * height * width);
  masks.set([0.2, 0.6, 0.9, 0], 4); // the second row of the first mask
  masks[2 * height * width - 1] = 0.5; // the last pixel of the second
  const count = parts.keypoints ?? 0;
  return new DetectionResult(
    {
      width,
      height,
      boxes: Float32Array.of(0, 0, 3, 2, 1, 1, 4, 3),
      labels: Int32Array.of(1, 2),
      scores: Float32Array.of(0.75, 0.5),
      ...(parts.masks && { masks: Tensor.from(masks, [2, 1, height, width]).native }),
      ...(count > 0 && {
        keypoints: Float32Array.from({ length: 6 * count }, (_, i) =>
          i % 3 === 2 ? ((i + 1) / 3) % 2 : i,
        ),
        keypointsScores: Float32Array.from({ length: 2 * count }, (_, i) => i - 1),
      }),
    },
    { categories: ['bg', 'cat', 'dog'], keypoints: parts.names },
  );
}

function refuses(run: () => unknown, code: ErrorCode, ...parts: readonly string[]): void {
  assert.throws(run, (error: unknown) => {
    assert.ok(error instanceof TorchdetError, String(error));
    assert.equal(error.code, code);
    for (const part of parts) assert.ok(error.message.includes(part), error.message);
    return true;
  });
}

describe('masks of a result', () => {
  it('are bitmaps of the pixels above the threshold', () => {
    const found = result({ masks: true });
    assert.deepEqual([...found.mask(0)], [0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0]);
    assert.deepEqual([...found.mask(0, { threshold: 0.7 })], [0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0]);
    assert.equal(
      found.mask(0, { threshold: 0 }).reduce((sum, bit) => sum + bit),
      3,
    );
    assert.equal(found.mask(1).indexOf(1), -1, 'a half is not above a half');
    assert.equal(found.mask(1, { threshold: 0.49 }).indexOf(1), 11);
  });

  it('are packed as COCO packs them', () => {
    const packed = result({ masks: true }).maskRle(0);
    assert.deepEqual(packed.size, [height, width]);
    assert.deepEqual(rle.uncompress(packed).counts, [4, 1, 2, 1, 4]);
    assert.deepEqual(rle.toBbox(packed), [1, 1, 2, 1]);
  });

  it('come with each detection, made when asked for', () => {
    const [first] = result({ masks: true });
    assert.ok(first?.mask);
    assert.deepEqual([...first.mask], [0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0]);
    assert.deepEqual(Object.keys(first), ['box', 'label', 'name', 'score']);
    assert.equal(result({}).at(0)?.mask, undefined);
  });

  it('stay readable after masks was disposed, once read', () => {
    const found = result({ masks: true });
    const before = found.mask(0);
    found.masks?.dispose();
    assert.deepEqual(found.mask(0), before);
  });

  it('are refused where there are none', () => {
    refuses(() => result({}).mask(0), 'ERR_INVALID_ARGUMENT', 'gives no masks', 'Mask R-CNN');
    const found = result({ masks: true });
    refuses(() => found.mask(2), 'ERR_INVALID_ARGUMENT', 'no detection 2', 'has 2');
    refuses(() => found.maskRle(-1), 'ERR_INVALID_ARGUMENT', '-1');
    refuses(() => found.mask(0, { threshold: 1.5 }), 'ERR_OPTION_VALUE', 'from 0 to 1', '1.5');
    refuses(() => found.mask(0, { treshold: 0.5 } as object), 'ERR_OPTION_UNKNOWN', '"threshold"');
  });
});

describe('keypoints of a result', () => {
  it('have names where the detector knows them', () => {
    const found = result({ keypoints: 2, names: ['head', 'tail'] });
    assert.deepEqual(found.keypoint(1), [
      { x: 6, y: 7, visible: true, score: 1, name: 'head' },
      { x: 9, y: 10, visible: false, score: 2, name: 'tail' },
    ]);
    assert.deepEqual(found.at(1)?.keypoints, found.keypoint(1));
    assert.deepEqual(Object.keys(result({ keypoints: 3 }).keypoint(0)[0] ?? {}), [
      'x',
      'y',
      'visible',
      'score',
    ]);
  });

  it("are COCO's where there are 17", () => {
    const names = result({ keypoints: 17 })
      .keypoint(0)
      .map(({ name }) => name);
    assert.equal(names[0], 'nose');
    assert.equal(names[16], 'right_ankle');
    assert.equal(new Set(names).size, 17);
  });

  it('are refused where there are none', () => {
    refuses(
      () => result({}).keypoint(0),
      'ERR_INVALID_ARGUMENT',
      'gives no keypoints',
      'Keypoint R-CNN',
    );
    refuses(() => result({ keypoints: 2 }).keypoint(5), 'ERR_INVALID_ARGUMENT', 'no detection 5');
    assert.equal(result({}).at(0)?.keypoints, undefined);
  });
});
