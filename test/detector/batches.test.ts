import assert from 'node:assert/strict';
import type { DetectionConfig, NativeImage } from '../../binding';
import { Detector, fasterRcnn, resnetFpn, type RawImage } from '../../lib';
import { batchesOf } from '../../lib/detection/batches';

function picture(width: number, height: number, seed: number): RawImage {
  const data = Uint8Array.from(
    { length: width * height * 3 },
    (_, i) => (i * 7 + seed * 31 + Math.floor(i / 97) * 13) % 256,
  );
  return { data, width, height, channels: 3 };
}

describe('images of one call', () => {
  const transform = { minSize: [320], maxSize: 480, fixedSize: null };
  const config = (kind: string, changes = {}) =>
    ({ kind, transform: { ...transform, ...changes } }) as unknown as DetectionConfig;
  const images = (...sizes: [number, number][]) =>
    sizes.map(([width, height]) => ({ width, height })) as unknown as NativeImage[];

  it('go together where they have one shape', () => {
    const mixed = images([640, 480], [480, 640], [640, 480], [300, 300], [480, 640]);
    assert.deepEqual(batchesOf(mixed, config('rcnn'), 'cpu'), [[0, 2], [1, 4], [3]]);
  });

  it('go together whatever their shape where the model resizes to one', () => {
    const mixed = images([640, 480], [480, 640], [30, 900]);
    const fixed = config('dense', { fixedSize: [300, 300] });
    assert.deepEqual(batchesOf(mixed, fixed, 'cpu'), [[0, 1, 2]]);
  });

  it('are as many as are of use: on a CPU few large ones', () => {
    const same = images(...Array.from({ length: 10 }, (): [number, number] => [640, 480]));
    const lengths = (minSize: number, device: string) => {
      const large = config('rcnn', { minSize: [minSize], maxSize: 1333 });
      return batchesOf(same, large, device).map(({ length }) => length);
    };
    assert.deepEqual(lengths(320, 'cpu'), [8, 2]);
    assert.deepEqual(
      lengths(800, 'cpu'),
      Array.from({ length: 10 }, () => 1),
    );
    assert.deepEqual(lengths(800, 'cuda:0'), [9, 1]);
  });

  it('are taken one by one where an archive resizes them itself', () => {
    const same = images([64, 64], [64, 64]);
    assert.deepEqual(batchesOf(same, { kind: 'forward' }, 'cpu'), [[0], [1]]);
  });

  it('have the detections they have alone, in their order; padded ones depend on each other', async () => {
    const small = fasterRcnn({
      backbone: resnetFpn('resnet18'),
      numClasses: 3,
      ...{ minSize: 96, maxSize: 160, boxScoreThresh: 0 },
    });
    await using detector = await Detector.create(small, { seed: 3 });
    const photos = [picture(90, 60, 1), picture(60, 90, 2), picture(90, 60, 3)];
    const together = await detector.predict(photos);
    const padded = await detector.predict(photos, { padded: true });
    let moved = 0;
    for (const [i, photo] of photos.entries()) {
      const [alone] = await detector.predict([photo]);
      const found = together[i];
      assert.ok(alone && found && alone.length > 0);
      assert.equal(found.length, alone.length);
      const largest = (values: Float32Array | undefined) =>
        Math.max(...alone.boxes.map((value, k) => Math.abs(value - (values?.[k] ?? Infinity))));
      assert.ok(largest(found.boxes) < 1e-2, `image ${i}: ${largest(found.boxes)} px`);
      moved = Math.max(moved, largest(padded[i]?.boxes));
    }
    assert.ok(moved > 0.1, `padding moved boxes by ${moved} px`);
    const exact = await detector.predict(photos, { exact: true });
    const apart = await detector.predict(photos, { exact: true, padded: false });
    assert.notDeepEqual(exact[0]?.boxes, apart[0]?.boxes);
  });
});
