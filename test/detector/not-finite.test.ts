// What is no number is told, and nothing of it stays.
import assert from 'node:assert/strict';
import { Detector, fasterRcnn, mobileNetFpn, resnetFpn, sgd, type Tensor } from '../../lib';
import { pixels } from './helpers';

const WIDTH = 100;
const HEIGHT = 80;

function floats(value: number) {
  const data = new Float32Array(3 * WIDTH * HEIGHT).fill(value);
  return { data, width: WIDTH, height: HEIGHT, channels: 3, layout: 'chw' } as const;
}

/** Its norms measure, and its ReLUs are fused where it is not exact. */
function detectorOf(kind: 'measuring' | 'frozen'): Promise<Detector> {
  const backbone =
    kind === 'measuring'
      ? mobileNetFpn('mobilenet_v3_small', { outChannels: 16, norm: 'batch' })
      : resnetFpn('resnet18', { outChannels: 16 });
  const boxHead = { kind: 'twoMlp', representationSize: 16 } as const;
  const spec = fasterRcnn({ backbone, numClasses: 3, minSize: 64, maxSize: 96, boxHead });
  return Detector.create(spec, { device: 'cpu' });
}

const values = (state: Record<string, Tensor>) =>
  Object.entries(state).map(([name, { data }]) => [name, Array.from(data as Float32Array)]);

describe('numbers that are not finite', () => {
  for (const exact of [false, true]) {
    it(`are told where an image holds them, ${exact ? 'exact' : 'fused'}, with its place in the call`, async () => {
      await using detector = await detectorOf('frozen');
      const images = [pixels(WIDTH, HEIGHT), pixels(64, 64), floats(NaN)];
      const code = 'ERR_NOT_FINITE';
      await assert.rejects(detector.predict(images, { exact, padded: false }), {
        code,
        message: /images\[2\]: 24000 NaN/,
      });
      await assert.rejects(detector.predict([floats(Infinity)], { exact }), { code });
      assert.equal((await detector.predict(images.slice(0, 2), { exact })).length, 2);
    });
  }

  it('are told where weights are, by name', async () => {
    await using detector = await detectorOf('frozen');
    const state = await detector.stateDict();
    const name = 'backbone.body.layer1.0.conv1.weight';
    const weights = state[name]?.data as Float32Array;
    const kept = weights[7] ?? 0;
    weights[7] = NaN;
    await detector.loadStateDict(state);
    const found = detector.predict([pixels(WIDTH, HEIGHT)]);
    await assert.rejects(found, {
      code: 'ERR_NOT_FINITE',
      message: /layer1\.0\.conv1\.weight: 1 NaN/,
    });
    weights[7] = kept;
    await detector.loadStateDict(state);
    await detector.predict([pixels(WIDTH, HEIGHT)]);
  });

  it('leave nothing behind where a step fails of them, in measured norms either', async () => {
    await using detector = await detectorOf('measuring');
    using optimizer = await detector.optimizer(sgd({ lr: 0.01 }));
    const before = values(await detector.stateDict());
    const batch = [{ image: floats(NaN), boxes: [[5, 5, 60, 60]], labels: [1], name: 'a.jpg' }];
    await assert.rejects(detector.trainStep(batch, { optimizer }), {
      code: 'ERR_LOSS_NOT_FINITE',
      message: /so no step was made.* 0: a\.jpg\.$/,
    });
    assert.deepEqual(values(await detector.stateDict()), before);
    await assert.rejects(detector.losses(batch), (error: Error) => {
      assert.doesNotMatch(error.message, /step/);
      return true;
    });
  });

  it('are refused where a norm would measure the variance of one number', async () => {
    await using detector = await Detector.create('ssdlite320_mobilenet_v3_large', {
      device: 'cpu',
      numClasses: 3,
    });
    using optimizer = await detector.optimizer(sgd({ lr: 0.01 }));
    const before = values(await detector.stateDict());
    const sample = { image: pixels(WIDTH, HEIGHT), boxes: [[5, 5, 60, 60]], labels: [1] };
    await assert.rejects(detector.trainStep([sample], { optimizer }), {
      code: 'ERR_NOT_FINITE',
      message: /^backbone\.extra\.\S+ became NaN, so no step was made.*larger batch/,
    });
    assert.deepEqual(values(await detector.stateDict()), before);
    const { stepped } = await detector.trainStep([sample, sample], { optimizer });
    assert.equal(stepped, true);
  });
});

describe('images too narrow', () => {
  it('are named by their place in the call', async () => {
    await using detector = await detectorOf('frozen');
    const narrow = { data: new Uint8Array(30000), width: 10_000, height: 1, channels: 3 } as const;
    const images = [pixels(64, 64), pixels(64, 64), narrow];
    await assert.rejects(detector.predict(images), {
      code: 'ERR_INVALID_ARGUMENT',
      message: /^images\[2\]: 10000 x 1 pixels/,
    });
  });
});
