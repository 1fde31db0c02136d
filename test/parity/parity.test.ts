import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Detector } from '../../lib';
import { CASES } from './cases';
import { filledDetector, imagesOf, matchDetections } from './detectors';
import type { Tolerance } from './detectors';
import { exactTolerance, PARITY_FIXTURES, readGolden, whole } from './golden';
import type { Golden } from './golden';
import { checkBackbone, checkRoiHeads, checkRpn, checkTransform } from './stages';

/*
 * Against golden files that test/oracle/parity.py writes from eager torchvision: each stage on inputs both sides make from
 * seeds, then from images to detections in both modes of predict.
 */
describe('parity with torchvision', () => {
  it('has a golden file for every case and a case for every file', () => {
    const files = readdirSync(PARITY_FIXTURES).map((name) => name.replace('.safetensors', ''));
    assert.deepEqual(files.sort(), Object.keys(CASES).sort());
  });

  for (const [name, describeCase] of Object.entries(CASES)) {
    describe(name, () => {
      let golden: Golden;
      let detector: Detector;

      before(async function () {
        const path = join(PARITY_FIXTURES, `${name}.safetensors`);
        if (!existsSync(path)) this.skip();
        golden = readGolden(path);
        detector = await filledDetector(describeCase(), golden);
      });
      after(async () => {
        // Nothing was made where the hook above failed.
        await (detector as Detector | undefined)?.dispose();
      });

      it('transform', () => checkTransform(detector, golden));
      it('backbone', () => checkBackbone(detector, golden));
      it('rpn', () => checkRpn(detector, golden));
      it('roi heads', () => checkRoiHeads(detector, golden));
      it('detections, exact', () => checkDetections(detector, golden, true));
      it('detections, folded and fused', () => checkDetections(detector, golden, false));
    });
  }
});

/** Of the folded and fused mode. */
const FUSED_TOLERANCE: Tolerance = { boxes: 0.05, scores: 1e-4 };

async function checkDetections(detector: Detector, golden: Golden, exact: boolean): Promise<void> {
  const results = await detector.predict(imagesOf(golden), { scoreThreshold: 0, exact });
  assert.equal(results.length, golden.images.length);
  results.forEach((result, i) => {
    const image = golden.images[i];
    assert.deepEqual([result.width, result.height], [image?.width, image?.height]);
    matchDetections(
      {
        boxes: whole(golden, `detections.boxes.${i}`),
        labels: whole(golden, `detections.labels.${i}`),
        scores: whole(golden, `detections.scores.${i}`),
      },
      result,
      exact ? exactTolerance(golden) : FUSED_TOLERANCE,
      `image ${i}`,
    );
  });
}
