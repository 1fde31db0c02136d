import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { DenseConfig } from '../../binding';
import { Detector } from '../../lib';
import { loadBinding } from '../../lib/runtime/binding';
import { TemporaryFolder } from '../detector/helpers';
import { matchDetections } from '../parity/detectors';
import { ARCHIVE_FIXTURES, readGolden } from '../parity/golden';
import { checkResults, load, predict, tensorsOf } from './helpers';

/*
 * One-stage detectors scripted by Python run through torchdet's detection code. What the archive's own forward finds is in the
 * golden files.
 */
const HEADS = {
  retinanet: 'retinanet',
  'retinanet-v2': 'retinanet',
  fcos: 'fcos',
  ssd: 'ssd',
  'ssd-steps': 'ssd',
  ssdlite: 'ssd',
} as const;
const OWN = 'fcos-own';

async function describeArchive(name: string, path = join(ARCHIVE_FIXTURES, `${name}.pt`)) {
  const module = await loadBinding().Module.load(path, { device: 'cpu' });
  try {
    return module.describe();
  } finally {
    module.dispose();
  }
}

async function configOf(name: string): Promise<DenseConfig> {
  const { kind, config } = await describeArchive(name);
  assert.equal(kind, 'dense');
  assert.ok(config?.kind === 'dense');
  return config;
}

describe('one-stage archives scripted by Python', () => {
  for (const [name, head] of Object.entries(HEADS)) {
    it(`${name}: its stages find what its own forward does, fused too`, async () => {
      assert.equal((await configOf(name)).head, head);
      const golden = readGolden(join(ARCHIVE_FIXTURES, `${name}.safetensors`));
      await using detector = await load(`${name}.pt`);
      const { stages } = detector;
      const { batch, imageSizes } = await stages.transform(tensorsOf(golden.images));
      const [, , height = 0, width = 0] = batch.shape;
      const features = Object.values(await stages.backbone(batch));
      const { anchors, outputs, detections } = await stages.head(features, imageSizes, [
        height,
        width,
      ]);
      assert.deepEqual(
        Object.keys(outputs),
        ['cls_logits', 'bbox_regression', 'bbox_ctrness'].slice(0, head === 'fcos' ? 3 : 2),
      );
      assert.equal(anchors.shape[0], outputs.cls_logits?.shape[1]);
      const results = golden.images.map((image, i) => {
        const found = detections[i];
        const [resizedHeight = 0, resizedWidth = 0] = imageSizes[i] ?? [];
        assert.ok(found);
        const scale = [image.width / resizedWidth, image.height / resizedHeight];
        const boxes = Float32Array.from(
          found.boxes.data as Float32Array,
          (value, k) => value * (scale[k % 2] ?? NaN),
        );
        return {
          boxes,
          labels: Int32Array.from(found.labels.data as BigInt64Array, Number),
          scores: found.scores.data as Float32Array,
        };
      });
      checkResults(golden, results, 'detections');
      const fused = await predict(detector, golden.images, false);
      checkResults(golden, fused, 'detections', { boxes: 0.05, scores: 1e-4 });
    });
  }

  it('reads every option that Python set', async () => {
    const retinanet = await configOf('retinanet-v2');
    assert.deepEqual(retinanet.anchors, {
      sizes: [
        [12, 20],
        [24, 40],
        [48, 80],
        [96, 160],
      ],
      aspectRatios: Array.from({ length: 4 }, () => [0.5, 1, 2]),
    });
    assert.deepEqual(retinanet.bboxRegWeights, [1, 1, 1, 1]);
    assert.deepEqual(retinanet.training, {
      ...{ fgIouThresh: 0.5, bgIouThresh: 0.4, boxLoss: 'giou' },
      ...{ centerSamplingRadius: 1.5, positiveFraction: 0.25 },
    });
    assert.equal((await configOf('retinanet')).training.boxLoss, 'l1');

    const fcos = await configOf('fcos');
    const { scoreThresh, nmsThresh, detectionsPerImg, topkCandidates } = fcos;
    assert.deepEqual(
      { scoreThresh, nmsThresh, detectionsPerImg, topkCandidates },
      { scoreThresh: 0.2, nmsThresh: 0.6, detectionsPerImg: 40, topkCandidates: 1000 },
    );

    const ssd = await configOf('ssd-steps');
    assert.deepEqual(ssd.defaultBoxes, {
      aspectRatios: [[2], [2, 3], [2]],
      scales: [0.1, 0.3, 0.6, 1.2],
      steps: [8, 15, 31],
      clip: false,
    });
    assert.deepEqual(ssd.bboxRegWeights, [10, 10, 5, 5]);
    assert.deepEqual(ssd.transform.fixedSize, [128, 96]);
    assert.equal(ssd.transform.sizeDivisible, 1);
    assert.equal(ssd.training.fgIouThresh, 0.6);
    assert.ok(Math.abs(ssd.training.positiveFraction - 0.2) < 1e-12);
    assert.equal(ssd.anchors, null);

    const ssdlite = await configOf('ssdlite');
    assert.equal(ssdlite.topkCandidates, 300);
    assert.equal(ssdlite.defaultBoxes?.steps, null);
    assert.equal(ssdlite.defaultBoxes.scales.length, 4);
  });

  it('leaves a class of somebody’s own to its own forward', async () => {
    const { kind, typeName, config } = await describeArchive(OWN);
    assert.match(typeName, /OwnFCOS$/);
    assert.equal(kind, 'detector');
    assert.equal(config, undefined);
    await using detector = await load(`${OWN}.pt`);
    const golden = readGolden(join(ARCHIVE_FIXTURES, `${OWN}.safetensors`));
    await assert.rejects(detector.stages.transform(tensorsOf(golden.images)), {
      code: 'ERR_ARCHIVE_UNSUPPORTED',
      message: /own forward/,
    });
  });

  it('loads back what torchdet saved, with its configuration', async () => {
    using folder = new TemporaryFolder();
    const path = join(folder.path, 'retinanet.pt');
    const golden = readGolden(join(ARCHIVE_FIXTURES, 'retinanet.safetensors'));
    await using first = await load('retinanet.pt');
    await first.save(path);
    const { kind, config, extraFiles } = await describeArchive('saved', path);
    assert.equal(kind, 'dense');
    const saved = JSON.parse(extraFiles['torchdet.json'] ?? '') as { config: DenseConfig };
    assert.deepEqual(saved.config, config);
    await using again = await Detector.load(path, { device: 'cpu' });
    const [before, after] = [
      await predict(first, golden.images),
      await predict(again, golden.images),
    ];
    before.forEach((result, i) => {
      const found = after[i];
      assert.ok(found);
      matchDetections(result, found, { boxes: 0, scores: 0 }, `image ${i}`);
    });
  });
});
