import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import * as fcos from './cases/fcos';
import * as fcosOriginal from './cases/fcos-original';
import * as retinanet from './cases/retinanet';
import * as ssd from './cases/ssd';
import type { Cases } from './cases/dense-shared';
import { checkHead } from './dense-stages';
import { checkBackbone, checkDetections, checkTransform } from './stages';
import { goldenSuite } from './suite';

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
      goldenSuite(join(FIXTURES, family), cases, {
        transform: checkTransform,
        backbone: checkBackbone,
        head: checkHead,
        'detections, exact': (detector, golden) => checkDetections(detector, golden, true),
        'detections, folded and fused': (detector, golden) =>
          checkDetections(detector, golden, false),
      });
    });
  }
});
