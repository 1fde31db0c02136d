import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Detector } from '../../lib';
import { CASES } from './cases';
import { filledDetector } from './detectors';
import { PARITY_FIXTURES, readGolden } from './golden';
import type { Golden } from './golden';
import { checkBackbone, checkDetections, checkRoiHeads, checkRpn, checkTransform } from './stages';

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
