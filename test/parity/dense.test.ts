import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Detector } from '../../lib';
import * as fcos from './cases/fcos';
import * as fcosOriginal from './cases/fcos-original';
import * as retinanet from './cases/retinanet';
import * as ssd from './cases/ssd';
import type { Cases } from './cases/dense-shared';
import { checkHead } from './dense-stages';
import { filledDetector } from './detectors';
import { readGolden } from './golden';
import type { Golden } from './golden';
import { checkBackbone, checkDetections, checkTransform } from './stages';

const FIXTURES = join(__dirname, '..', 'fixtures', 'parity-dense');

/** One-stage families; test/fixtures/parity-dense and test/oracle/cases_*.py have the same names. */
const FAMILIES: Readonly<Record<string, Cases>> = {
  fcos: fcos.CASES,
  fcos_original: fcosOriginal.CASES,
  retinanet: retinanet.CASES,
  ssd: ssd.CASES,
};

/*
 * Against golden files that test/oracle/dense.py writes from eager torchvision, and for the original FCOS from a reference of
 * our own: each stage on inputs both sides make from seeds, then from images to detections in both modes of predict.
 */
describe('parity of one-stage detectors', () => {
  it('has golden files of these families', () => {
    assert.deepEqual(readdirSync(FIXTURES).sort(), Object.keys(FAMILIES).sort());
  });

  for (const [family, cases] of Object.entries(FAMILIES)) {
    describe(family, () => {
      it('has a golden file for every case and a case for every file', () => {
        const files = readdirSync(join(FIXTURES, family)).map((file) =>
          file.replace('.safetensors', ''),
        );
        assert.deepEqual(files.sort(), Object.keys(cases).sort());
      });

      for (const [name, describeCase] of Object.entries(cases)) {
        describe(name, () => {
          let golden: Golden;
          let detector: Detector;

          before(async function () {
            const path = join(FIXTURES, family, `${name}.safetensors`);
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
          it('head', () => checkHead(detector, golden));
          it('detections, exact', () => checkDetections(detector, golden, true));
          it('detections, folded and fused', () => checkDetections(detector, golden, false));
        });
      }
    });
  }
});
