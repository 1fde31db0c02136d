// Mask and Keypoint R-CNN that Python scripted run through torchdet's detection code and agree with their own forward.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DetectionResult } from '../../lib';
import { Detector } from '../../lib';
import { engine } from '../../lib/engine';
import { ARCHIVE_FIXTURES, assertClose, readGolden } from '../parity/golden';
import type { Golden } from '../parity/golden';
import { checkResults, load, predict } from './helpers';

const POOL = {
  featmapNames: ['0', '1', '2'],
  strides: [4, 8, 16],
  outputSize: [8, 8],
  samplingRatio: 2,
  canonicalScale: 224,
  canonicalLevel: 4,
  missingLevels: 'zeros',
};

const goldenOf = (name: string): Golden =>
  readGolden(join(ARCHIVE_FIXTURES, `${name}.safetensors`));

function checkMasks(golden: Golden, results: readonly DetectionResult[], tolerance: number): void {
  results.forEach(({ masks }, i) => {
    assert.ok(masks);
    assertClose(golden, `detections.masks.${i}`, masks, tolerance);
  });
}

function checkKeypoints(golden: Golden, results: readonly DetectionResult[]): void {
  results.forEach(({ keypoints, keypointsScores }, i) => {
    assert.ok(keypoints && keypointsScores);
    for (const [name, data, tolerance] of [
      ['keypoints', keypoints, 1e-5],
      ['keypoints_scores', keypointsScores, 1e-4],
    ] as const) {
      const shape = golden.samples[`detections.${name}.${i}`]?.shape ?? [];
      assertClose(golden, `detections.${name}.${i}`, { shape, data }, tolerance);
    }
  });
}

describe('archives with masks and keypoints', () => {
  for (const [name, branch, none] of [
    ['maskrcnn', 'maskRoiPool', 'keypointRoiPool'],
    ['keypointrcnn', 'keypointRoiPool', 'maskRoiPool'],
  ] as const) {
    it(`${name}: is known by its structure, its branch's pooling read from the archive`, async () => {
      const path = join(ARCHIVE_FIXTURES, `${name}.pt`);
      const module = await engine().Module.load(path, { device: 'cpu' });
      const { kind, config } = module.describe();
      module.dispose();
      assert.equal(kind, 'rcnn');
      assert.ok(config?.kind === 'rcnn');
      assert.deepEqual(config.roiHeads[branch], POOL);
      assert.equal(config.roiHeads[none], null);
    });
  }

  it('finds the masks that Python finds', async () => {
    const golden = goldenOf('maskrcnn');
    await using detector = await load('maskrcnn.pt');
    const results = await predict(detector, golden.images);
    checkResults(golden, results, 'detections');
    checkMasks(golden, results, 1e-4);
  });

  it('finds the keypoints that Python finds', async () => {
    const golden = goldenOf('keypointrcnn');
    await using detector = await load('keypointrcnn.pt');
    const results = await predict(detector, golden.images);
    checkResults(golden, results, 'detections');
    checkKeypoints(golden, results);
  });

  it('gives masks and keypoints in the folded and fused mode too', async () => {
    for (const name of ['maskrcnn', 'keypointrcnn']) {
      const golden = goldenOf(name);
      await using detector = await load(`${name}.pt`);
      const results = await predict(detector, golden.images, false);
      checkResults(golden, results, 'detections', { boxes: 0.05, scores: 1e-4 });
      for (const result of results) {
        if (name === 'maskrcnn') assert.ok(result.mask(0, { threshold: 0 }).includes(1));
        else assert.equal(result.keypoint(0).length, 6);
      }
    }
  });

  it('does so after saving and loading again', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'torchdet-branches-'));
    try {
      const path = join(folder, 'saved.pt');
      const golden = goldenOf('maskrcnn');
      {
        await using first = await load('maskrcnn.pt');
        await first.save(path);
      }
      await using again = await Detector.load(path, { device: 'cpu' });
      checkMasks(golden, await predict(again, golden.images), 1e-4);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
