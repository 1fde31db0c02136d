// What a GPU is given, run on the CPU: detection in lists of fixed size, whole, and its recordings, which the CPU repeats.
import assert from 'node:assert/strict';
import type { NativeDetections, NativeDetector, NativeTensor } from '../../binding';
import {
  fcos,
  fasterRcnn,
  keypointRcnn,
  maskRcnn,
  mobileNetFpn,
  retinaNet,
  resnetFpn,
  ssdlite320MobilenetV3Large,
} from '../../lib';
import { engine } from '../../lib/engine';
import { prepareImage } from '../../lib/images/input';
import type { DetectorSpec } from '../../lib/models';
import { picture } from '../detector/helpers';

const SMALL = { minSize: 96, maxSize: 160, numClasses: 3 };
const backbone = () => mobileNetFpn('mobilenet_v3_small', { outChannels: 16, norm: 'batch' });
const RCNN = { ...SMALL, boxDetectionsPerImg: 12, boxScoreThresh: 0, rpnPostNmsTopNTest: 40 };
const DENSE = { ...SMALL, scoreThresh: 0, detectionsPerImg: 20, topkCandidates: 50 };

const FAMILIES: Readonly<Record<string, () => DetectorSpec>> = {
  fasterRcnn: () => fasterRcnn({ ...RCNN, backbone: backbone() }),
  maskRcnn: () => maskRcnn({ ...RCNN, backbone: backbone() }),
  keypointRcnn: () => keypointRcnn({ ...RCNN, numClasses: 2, backbone: backbone() }),
  retinanet: () =>
    retinaNet({ ...DENSE, backbone: resnetFpn('resnet18', { extraBlocks: 'p6p7' }) }),
  fcos: () => fcos({ ...DENSE, backbone: resnetFpn('resnet18', { extraBlocks: 'p6p7' }) }),
  ssd: () => ssdlite320MobilenetV3Large({ numClasses: 3, scoreThresh: 0, detectionsPerImg: 20 }),
};

async function open(spec: DetectorSpec) {
  const binding = engine();
  const module = await binding.Module.compile(spec.module, { device: 'cpu', seed: 5 });
  await module.setTraining(false);
  const native = new binding.Detector(module, spec.config);
  const predict = async (
    seeds: readonly number[],
    { width = 90, scoreThreshold = 0, exact = false } = {},
  ): Promise<NativeDetections[]> => {
    const images = await Promise.all(
      seeds.map((seed) => prepareImage(picture(width, 60, seed), {}, binding)),
    );
    return native.predict(images, { scoreThreshold, exact }, new binding.CancelToken());
  };
  const close = async () => {
    module.dispose();
    await native.dispose();
  };
  return { native, predict, close };
}

type Numbers = ArrayLike<number> | undefined;

function largest(a: Numbers, b: Numbers): number {
  assert.equal(a?.length, b?.length);
  return Array.from(a ?? []).reduce(
    (most, x, i) => Math.max(most, Math.abs(x - (b?.[i] ?? NaN))),
    0,
  );
}

const floats = (tensor: NativeTensor | undefined) =>
  tensor?.toTypedArray() as Float32Array | undefined;

function assertSame(
  found: readonly NativeDetections[],
  expected: readonly NativeDetections[],
): void {
  assert.equal(found.length, expected.length);
  for (const [i, image] of expected.entries()) {
    const other = found[i] ?? assert.fail();
    assert.deepEqual([...other.labels], [...image.labels]);
    assert.ok(largest(other.scores, image.scores) < 1e-5);
    assert.ok(largest(other.boxes, image.boxes) < 1e-2);
    assert.ok(largest(floats(other.masks), floats(image.masks)) < 1e-4);
    assert.ok(largest(other.keypoints, image.keypoints) < 1e-2);
  }
}

const ways = (native: NativeDetector, padded: boolean, replays: boolean) =>
  native.setRunning({ padded, replays });

describe('what a GPU is given, on the CPU', () => {
  for (const [family, spec] of Object.entries(FAMILIES)) {
    it(`${family}: finds what the CPU’s way finds, recorded or not`, async () => {
      const { native, predict, close } = await open(spec());
      const seeds = [
        [1, 2],
        [3, 4],
        [5, 6],
        [7, 8],
        [9, 10],
      ];
      const expected = [];
      for (const pair of seeds) expected.push(await predict(pair));
      await ways(native, true, false);
      assert.ok(expected.every((images) => images.every(({ scores }) => scores.length > 0)));
      assertSame(await predict([1, 2]), expected[0] ?? []);
      await ways(native, true, true);
      for (const [i, pair] of seeds.entries()) assertSame(await predict(pair), expected[i] ?? []);
      assertSame(await predict([1, 2], { exact: true }), expected[0] ?? []);
      await close();
    });
  }

  it('keeps recordings of shapes, sizes and thresholds apart, and makes them anew once there are too many', async () => {
    const { native, predict, close } = await open(FAMILIES.fasterRcnn?.() ?? assert.fail());
    const widths = [60, 64, 70, 80, 90, 96, 100, 110, 120, 130];
    const [first] = await predict([60], { width: 60 });
    const thresholds = [0, first?.scores[0] ?? assert.fail()];
    const expected = new Map<string, NativeDetections[]>();
    const everything = async (check: boolean) => {
      for (const width of widths) {
        for (const scoreThreshold of thresholds) {
          const found = await predict([width], { width, scoreThreshold });
          const key = `${width} ${scoreThreshold}`;
          if (check) assertSame(found, expected.get(key) ?? []);
          else expected.set(key, found);
        }
      }
    };
    await everything(false);
    const [all, above] = thresholds.map((t) => expected.get(`60 ${t}`)?.[0]?.scores.length ?? 0);
    assert.ok(above === 1 && (all ?? 0) > 1);
    await ways(native, true, true);
    for (let round = 0; round < 6; round++) await everything(true);
    await close();
  });

  it('records nothing of weights that were there before', async () => {
    const binding = engine();
    const spec = FAMILIES.retinanet?.() ?? assert.fail();
    const module = await binding.Module.compile(spec.module, { device: 'cpu', seed: 5 });
    const other = await binding.Module.compile(spec.module, { device: 'cpu', seed: 6 });
    await module.setTraining(false);
    await other.setTraining(false);
    const native = new binding.Detector(module, spec.config);
    const fresh = new binding.Detector(other, spec.config);
    await ways(native, true, true);
    const image = await prepareImage(picture(90, 60, 1), {}, binding);
    const predict = (detector: NativeDetector) =>
      detector.predict([image], { scoreThreshold: 0, exact: false }, new binding.CancelToken());
    for (let k = 0; k < 5; k++) await predict(native);
    await module.loadState(await other.stateDict());
    assertSame(await predict(native), await predict(fresh));
    for (let k = 0; k < 4; k++) assertSame(await predict(native), await predict(fresh));
    await native.dispose();
    await fresh.dispose();
  });
});
