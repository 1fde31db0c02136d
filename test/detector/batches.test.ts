import assert from 'node:assert/strict';
import type { DetectionConfig, NativeImage } from '../../binding';
import { Detector, fasterRcnn, resnetFpn } from '../../lib';
import { batchPlace } from '../../lib/detection/batches';
import { picture } from './helpers';

describe('images of one call', () => {
  const transform = { minSize: [320], maxSize: 480, fixedSize: null };
  const config = (kind: string, changes = {}) =>
    ({ kind, transform: { ...transform, ...changes } }) as unknown as DetectionConfig;
  const images = (...sizes: [number, number][]) =>
    sizes.map(([width, height]) => ({ width, height })) as unknown as NativeImage[];

  const places = (given: NativeImage[], by: DetectionConfig, device: string) =>
    given.map((image) => batchPlace(image, by, device));
  const shapes = (given: NativeImage[], by: DetectionConfig) =>
    places(given, by, 'cpu').map((place) => place?.shape);

  it('go together where they have one shape', () => {
    const [a, b, c, d, e] = shapes(
      images([640, 480], [480, 640], [640, 480], [300, 300], [480, 640]),
      config('rcnn'),
    );
    assert.deepEqual(
      [a === c, b === e, a === b, a === d, b === d],
      [true, true, false, false, false],
    );
  });

  it('go together whatever their shape where the model resizes to one', () => {
    const mixed = images([640, 480], [480, 640], [30, 900]);
    assert.equal(new Set(shapes(mixed, config('dense', { fixedSize: [300, 300] }))).size, 1);
  });

  it('are as many as are of use: on a CPU few large ones', () => {
    const most = (minSize: number, device: string) =>
      places(images([640, 480]), config('rcnn', { minSize: [minSize], maxSize: 1333 }), device)[0]
        ?.most;
    assert.equal(most(320, 'cpu'), 8);
    assert.equal(most(800, 'cpu'), 1);
    assert.equal(most(800, 'cuda:0'), 9);
  });

  it('are taken one by one where an archive resizes them itself', () => {
    assert.deepEqual(places(images([64, 64]), { kind: 'forward' }, 'cpu'), [undefined]);
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
