import { mobileNet, resnetFpn } from '../../lib/backbones';
import {
  keypointRcnn,
  keypointrcnnResnet50Fpn,
  maskRcnn,
  maskrcnnResnet50Fpn,
  maskrcnnResnet50FpnV2,
} from '../../lib/models';
import type { DetectorSpec } from '../../lib/models';

const SMALL = { minSize: 96, maxSize: 160, rpnPostNmsTopNTest: 150, boxDetectionsPerImg: 8 };
const LITTLE = { minSize: 96, maxSize: 160, rpnPostNmsTopNTest: 40, boxDetectionsPerImg: 12 };

/** The detectors of test/oracle/branches.py, described with torchdet; the keys are the names of the golden files. */
export const BRANCH_CASES: Readonly<Record<string, () => DetectorSpec>> = {
  maskrcnn_resnet50_fpn: () => maskrcnnResnet50Fpn({ ...SMALL, rpnPostNmsTopNTest: 25 }),
  maskrcnn_resnet50_fpn_v2: () => maskrcnnResnet50FpnV2({ ...SMALL, rpnPostNmsTopNTest: 25 }),
  keypointrcnn_resnet50_fpn: () => keypointrcnnResnet50Fpn(SMALL),
  'options-masks': () =>
    maskRcnn({
      backbone: resnetFpn('resnet18'),
      numClasses: 5,
      maskRoiPool: {
        featmapNames: ['0', '1', '2'],
        outputSize: 10,
        samplingRatio: 3,
        canonicalScale: 112,
        canonicalLevel: 3,
      },
      maskHead: { layers: [64, 96], dilation: 2, norm: 'batch' },
      maskPredictor: { dimReduced: 48 },
      ...LITTLE,
    }),
  'options-keypoints': () =>
    keypointRcnn({
      backbone: resnetFpn('resnet18'),
      numClasses: 3,
      numKeypoints: 7,
      keypointRoiPool: { featmapNames: ['0', '1'], outputSize: [12, 9], samplingRatio: -1 },
      keypointHead: { layers: [64, 32, 48] },
      ...LITTLE,
    }),
  'masks-of-one-level': () =>
    maskRcnn({
      backbone: mobileNet('mobilenet_v2'),
      numClasses: 6,
      rpnAnchorGenerator: { sizes: [[16, 32, 64]] },
      maskHead: { layers: [32] },
      maskPredictor: { dimReduced: 32 },
      ...LITTLE,
    }),
};
