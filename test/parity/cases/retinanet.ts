import { mobileNet, mobileNetFpn, resnetFpn } from '../../../lib/backbones';
import type { Backbone } from '../../../lib/backbones';
import { retinaNet, retinanetResnet50Fpn, retinanetResnet50FpnV2 } from '../../../lib/models';
import type { DetectorSpec, RetinaNetOptions } from '../../../lib/models';
import { resnetP6p7, SIZE, TRANSFORM } from './dense-shared';
import type { Cases } from './dense-shared';

function small(backbone: Backbone, options: Partial<RetinaNetOptions> = {}): DetectorSpec {
  return retinaNet({ backbone, numClasses: 7, ...SIZE, detectionsPerImg: 60, ...options });
}

/** The detectors of test/oracle/cases_retinanet.py; the keys are the names of the golden files. */
export const CASES: Cases = {
  retinanet_resnet50_fpn: () => retinanetResnet50Fpn({ ...SIZE, detectionsPerImg: 200 }),
  retinanet_resnet50_fpn_v2: () => retinanetResnet50FpnV2({ ...SIZE, detectionsPerImg: 200 }),

  // Anchors as derived from the strides, but for the last.
  'resnet18-p6p7': () => small(resnetP6p7()),
  'resnet18-pool': () => small(resnetFpn('resnet18')),
  'resnet34-p6p7-on-c5': () => small(resnetP6p7('resnet34', 'p6p7OnC5')),
  'mobilenet_v3_large-fpn': () => small(mobileNetFpn('mobilenet_v3_large')),
  'mobilenet_v2-plain': () =>
    small(mobileNet('mobilenet_v2'), { anchorGenerator: { sizes: [[32, 64, 128]] } }),

  'options-transform': () => small(resnetP6p7(), TRANSFORM),
  'options-fixed-size': () => small(resnetP6p7(), { fixedSize: [128, 96] }),
  'options-anchors': () =>
    small(resnetP6p7(), {
      anchorGenerator: {
        sizes: [
          [8, 12],
          [20, 31],
          [50, 70],
          [90, 110],
          [150, 200],
        ],
        aspectRatios: [0.4, 1],
      },
    }),
  'options-thresholds': () =>
    small(resnetP6p7(), {
      scoreThresh: 0.12,
      nmsThresh: 0.3,
      detectionsPerImg: 23,
      topkCandidates: 150,
    }),
  'options-head-group': () => small(resnetP6p7(), { numClasses: 4, head: { norm: 'group' } }),
  'options-head-batch': () => small(resnetP6p7(), { numClasses: 4, head: { norm: 'batch' } }),

  'many-classes': () => small(resnetP6p7(), { numClasses: 200, detectionsPerImg: 40 }),
  'many-detections': () => small(resnetP6p7(), { detectionsPerImg: 250, scoreThresh: 0.01 }),
  'nothing-found': () => small(resnetP6p7(), { scoreThresh: 0.9999 }),

  'images-extreme': () => small(resnetP6p7()),
  'images-uint8': () => small(resnetP6p7()),
  'images-upscaled': () => small(resnetP6p7(), { minSize: 150, maxSize: 200 }),
};
