import assert from 'node:assert/strict';
import { join } from 'node:path';
import { Detector } from '../../lib';
import { TemporaryFolder } from '../detector/helpers';
import { ARCHIVE_FIXTURES, assertClose, readGolden } from '../parity/golden';
import { checkResults, load, predict } from './helpers';

/*
 * Archives scripted by Python (test/oracle/archives.py) must find here what they find there: same boxes to 1e-3 px, same
 * scores to 1e-5.
 */
const FAMILIES = [
  ...['fasterrcnn', 'fasterrcnn-fpn', 'fasterrcnn-names', 'fasterrcnn-own', 'fasterrcnn-int8'],
  ...['maskrcnn', 'keypointrcnn'],
  ...['retinanet', 'retinanet-v2', 'fcos', 'fcos-own', 'ssd', 'ssd-steps', 'ssdlite'],
];

const SAVED = [
  ...['fasterrcnn-fpn', 'fasterrcnn-names', 'fasterrcnn-own', 'fasterrcnn-int8', 'maskrcnn'],
  ...['fcos-own', 'ssd'],
];

describe('archives scripted by Python', () => {
  for (const family of FAMILIES) {
    it(`${family}: finds what Python finds`, async () => {
      const golden = readGolden(join(ARCHIVE_FIXTURES, `${family}.safetensors`));
      await using detector = await load(`${family}.pt`);
      checkResults(golden, await predict(detector, golden.images), 'detections');
    });
  }

  it('agrees in the folded and fused mode too', async () => {
    const golden = readGolden(join(ARCHIVE_FIXTURES, 'fasterrcnn-fpn.safetensors'));
    await using detector = await load('fasterrcnn-fpn.pt');
    const results = await predict(detector, golden.images, false);
    checkResults(golden, results, 'detections', { boxes: 0.05, scores: 1e-4 });
  });

  it('resizes as eager torchvision does where the archive itself would not', async () => {
    const golden = readGolden(join(ARCHIVE_FIXTURES, 'fasterrcnn-fpn.safetensors'));
    assert.ok(golden.eagerImage);
    await using detector = await load('fasterrcnn-fpn.pt');
    checkResults(golden, await predict(detector, [golden.eagerImage]), 'eager');
  });

  it('gives masks of the photo’s size', async () => {
    const golden = readGolden(join(ARCHIVE_FIXTURES, 'maskrcnn.safetensors'));
    await using detector = await load('maskrcnn.pt');
    const results = await predict(detector, golden.images);
    results.forEach(({ masks, scores, width, height }, i) => {
      assert.ok(masks, `image ${i} has no masks`);
      assert.deepEqual([...masks.shape], [scores.length, 1, height, width]);
      assertClose(golden, `detections.masks.${i}`, masks, 1e-3);
    });
  });

  it('gives keypoints in pixels of the photo', async () => {
    const golden = readGolden(join(ARCHIVE_FIXTURES, 'keypointrcnn.safetensors'));
    await using detector = await load('keypointrcnn.pt');
    const results = await predict(detector, golden.images);
    results.forEach(({ keypoints, keypointsScores }, i) => {
      assert.ok(keypoints && keypointsScores, `image ${i} has no keypoints`);
      const near = (name: string, data: Float32Array, tolerance: number): void => {
        const shape = golden.samples[`detections.${name}.${i}`]?.shape ?? [];
        assertClose(golden, `detections.${name}.${i}`, { shape, data }, tolerance);
      };
      near('keypoints', keypoints, 1e-5);
      near('keypoints_scores', keypointsScores, 1e-4);
    });
  });

  it('survives saving and loading again', async () => {
    using folder = new TemporaryFolder();
    for (const family of SAVED) {
      const golden = readGolden(join(ARCHIVE_FIXTURES, `${family}.safetensors`));
      const path = join(folder.path, `${family}.pt`);
      {
        await using first = await load(`${family}.pt`);
        await first.save(path);
      }
      await using again = await Detector.load(path, { device: 'cpu' });
      checkResults(golden, await predict(again, golden.images), 'detections');
    }
  });

  it('says what an archive of another kind is and what was expected', async () => {
    await assert.rejects(load('classifier.pt'), (error: { code: string; message: string }) => {
      assert.equal(error.code, 'ERR_ARCHIVE_UNSUPPORTED');
      assert.match(error.message, /classifier\.pt/);
      assert.match(error.message, /Classifier/);
      assert.match(error.message, /List\[Tensor\]/);
      return true;
    });
  });

  it('refuses an archive that was cut off', async () => {
    await assert.rejects(load('truncated.pt'), { code: 'ERR_ARCHIVE_FORMAT' });
  });

  it('refuses a file that is no archive, and one that is not there', async () => {
    await assert.rejects(load('fcos.safetensors'), { code: 'ERR_ARCHIVE_FORMAT' });
    await assert.rejects(load('nowhere.pt'), { code: 'ERR_FILE' });
  });
});
