import { CASES } from './cases';
import { PARITY_FIXTURES } from './golden';
import { checkBackbone, checkDetections, checkRoiHeads, checkRpn, checkTransform } from './stages';
import { goldenSuite } from './suite';

/*
 * Against golden files that test/oracle/parity.py writes from eager torchvision: each stage on inputs both sides make from
 * seeds, then from images to detections in both modes of predict.
 */
describe('parity with torchvision', () => {
  goldenSuite(PARITY_FIXTURES, CASES, {
    transform: checkTransform,
    backbone: checkBackbone,
    rpn: checkRpn,
    'roi heads': checkRoiHeads,
    'detections, exact': (detector, golden) => checkDetections(detector, golden, true),
    'detections, folded and fused': (detector, golden) => checkDetections(detector, golden, false),
  });
});
