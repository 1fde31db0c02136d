// bfloat16 and int8 against float32, on networks with everything that the rewrites know.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { Detector, fasterRcnn, resnetFpn } from '../../lib';
import { engine } from '../../lib/engine';
import { prepareImage } from '../../lib/images/input';
import { pixels, ROOT, tinyDetector } from '../detector/helpers';
import { cpuSupport, IMAGES, largestDifference, openDetector, openSpec, scoresOf } from './helpers';

const ARCHIVE = join(ROOT, 'test/fixtures/archives/fasterrcnn-fpn.pt');

describe('precision', () => {
  it('is float32 unless asked for', async () => {
    await using detector = await openDetector();
    assert.equal(detector.precision, 'float32');
    assert.equal(detector.calibration, undefined);
    const scores = await scoresOf(detector);
    assert.ok(scores.length > 500);
    assert.ok(largestDifference(scores, await scoresOf(detector, true)) < 1e-5);
  });

  it('bfloat16 is near float32, but not it; the exact form stays float32', async function () {
    if (!cpuSupport().bfloat16) return this.skip();
    await using detector = await openDetector();
    const exact = await scoresOf(detector, true);
    await detector.setPrecision('bfloat16');
    assert.equal(detector.precision, 'bfloat16');
    const difference = largestDifference(await scoresOf(detector), exact);
    assert.ok(difference > 1e-5 && difference < 0.02, `largest difference ${difference}`);
    assert.deepEqual(await scoresOf(detector, true), exact);
    await detector.setPrecision('float32');
    assert.ok(largestDifference(await scoresOf(detector), exact) < 1e-5);
  });

  it('float16 is a GPU’s, where it is nearer to float32 than bfloat16: here by the native class', async () => {
    const binding = engine();
    const { module: spec, config } = openSpec();
    const module = await binding.Module.compile(spec, { device: 'cpu', seed: 0 });
    await module.setTraining(false);
    const native = new binding.Detector(module, config);
    const images = await Promise.all(IMAGES.map((image) => prepareImage(image, {}, binding)));
    const scores = async (exact: boolean) => {
      const options = { scoreThreshold: 0, exact };
      const found = await native.predict(images, options, new binding.CancelToken());
      return found.flatMap((result) => Array.from(result.scores).sort((a, b) => b - a));
    };
    const exact = await scores(true);
    const from = async (precision: 'float16' | 'bfloat16') => {
      await native.setPrecision(precision, null);
      return largestDifference(await scores(false), exact);
    };
    const float16 = await from('float16');
    const bfloat16 = await from('bfloat16');
    assert.ok(float16 > 1e-7 && float16 < 0.003, `float16: ${float16}`);
    assert.ok(bfloat16 > 2 * float16, `bfloat16: ${bfloat16}, float16: ${float16}`);
    module.dispose();
    await native.dispose();
  });

  for (const method of ['meanSquare', 'minMax'] as const) {
    it(`int8 is near float32, ranges by ${method}`, async function () {
      if (!cpuSupport().int8) return this.skip();
      await using detector = await openDetector();
      const exact = await scoresOf(detector, true);
      let done = 0;
      const calibration = await detector.calibrate(IMAGES, {
        method,
        onProgress: (images) => (done = images),
      });
      assert.equal(done, IMAGES.length);
      assert.deepEqual(Object.keys(calibration.parts), ['backbone', 'head']);
      // The image, and what each of six convolutions and two sums makes; what is read twice counts once.
      assert.ok((calibration.parts.backbone?.length ?? 0) >= 2 * 8);
      assert.equal(detector.precision, 'float32');
      await detector.setPrecision('int8');
      const difference = largestDifference(await scoresOf(detector), exact);
      assert.ok(difference > 1e-5 && difference < 0.03, `largest difference ${difference}`);
      // A second run on the same images gives the same: nothing is written over that is read again.
      assert.deepEqual(await scoresOf(detector), await scoresOf(detector));
    });
  }

  it('works for two-stage detectors part by part', async function () {
    if (!cpuSupport().int8) return this.skip();
    await using detector = await tinyDetector();
    const images = [pixels(120, 90), pixels(90, 120)];
    const { parts } = await detector.calibrate(images);
    assert.deepEqual(Object.keys(parts).sort(), [
      ...['backbone', 'box_head', 'box_predictor', 'rpn.head'],
    ]);
    const mean = (results: Awaited<ReturnType<Detector['predict']>>) =>
      results.map(({ scores }) => scores.reduce((sum, score) => sum + score, 0) / scores.length);
    const before = mean(await detector.predict(images));
    for (const precision of ['int8', 'bfloat16'] as const) {
      await detector.setPrecision(precision);
      const after = mean(await detector.predict(images));
      after.forEach((score, i) => {
        assert.ok(Math.abs(score - (before[i] ?? NaN)) < 0.02, `${precision}: ${score}`);
      });
    }
  });

  it('makes a feature pyramid in bytes: every tensor between the image and the maps has one range', async function () {
    if (!cpuSupport().int8) return this.skip();
    const backbone = resnetFpn('resnet18');
    const sizes = { minSize: 96, maxSize: 160, numClasses: 3, boxScoreThresh: 0 };
    const model = fasterRcnn({ backbone, ...sizes });
    await using detector = await Detector.create(model, { device: 'cpu', seed: 2 });
    const images = [pixels(120, 90), pixels(90, 120)];
    const { parts } = await detector.calibrate(images);
    const body = ['image', 'stem', 'pooled'].length + 8 * ['inside', 'sum'].length + 3; // shortcuts
    const pyramid = 1 + 3 * ['repeated', 'sum'].length + ['0', '1', '2', '3'].length;
    assert.equal(parts.backbone?.length, 2 * (body + pyramid));
    const best = async () => (await detector.predict(images)).map(({ scores }) => scores[0] ?? 0);
    const before = await best();
    await detector.setPrecision('int8');
    (await best()).forEach((score, i) => {
      assert.ok(Math.abs(score - (before[i] ?? NaN)) < 0.05, `${score}, ${before[i] ?? NaN}`);
    });
  });

  it('works for archives that Python scripted', async function () {
    if (!cpuSupport().int8) return this.skip();
    await using detector = await Detector.load(ARCHIVE, { device: 'cpu' });
    const images = [pixels(90, 70), pixels(64, 64)];
    const best = async () =>
      (await detector.predict(images)).map(({ scores }) => scores[0] ?? Number.NaN);
    const before = await best();
    await detector.calibrate(images);
    for (const precision of ['int8', 'bfloat16'] as const) {
      await detector.setPrecision(precision);
      const after = await best();
      after.forEach((score, i) => {
        assert.ok(Math.abs(score - (before[i] ?? NaN)) < 0.02, `${precision}: ${score}`);
      });
    }
  });

  it('keeps detecting in parallel with changes of precision', async function () {
    if (!cpuSupport().bfloat16) return this.skip();
    await using detector = await openDetector();
    const first = scoresOf(detector);
    const changed = detector.setPrecision('bfloat16');
    const second = scoresOf(detector);
    await changed;
    assert.ok(largestDifference(await first, await second) < 0.02);
  });
});
