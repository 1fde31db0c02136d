import { mobileNet, mobileNetFpn, resnetFpn } from '../../../lib/backbones';
import type { Backbone } from '../../../lib/backbones';
import { fcos, fcosResnet50Fpn } from '../../../lib/models';
import type { DetectorSpec, FcosOptions } from '../../../lib/models';
import { resnetP6p7, SIZE, TRANSFORM } from './dense-shared';
import type { Cases } from './dense-shared';

function small(backbone: Backbone, options: Partial<FcosOptions> = {}): DetectorSpec {
  return fcos({ backbone, numClasses: 7, ...SIZE, detectionsPerImg: 60, ...options });
}

/** The detectors of test/oracle/cases_fcos.py; the keys are the names of the golden files. */
export const CASES: Cases = {
  fcos_resnet50_fpn: () => fcosResnet50Fpn(SIZE),

  // Anchors as derived from the strides.
  'resnet18-p6p7': () => small(resnetP6p7()),
  'resnet18-pool': () => small(resnetFpn('resnet18')),
  'resnet34-p6p7-on-c5': () => small(resnetP6p7('resnet34', 'p6p7OnC5')),
  'mobilenet_v3_large-fpn': () => small(mobileNetFpn('mobilenet_v3_large')),
  'mobilenet_v2-plain': () => small(mobileNet('mobilenet_v2')),

  'options-transform': () => small(resnetP6p7(), TRANSFORM),
  'options-fixed-size': () => small(resnetP6p7(), { fixedSize: [128, 96] }),
  'options-anchors': () =>
    small(resnetP6p7(), {
      anchorGenerator: { sizes: [12, 20, 50, 90, 150], aspectRatios: [0.6] },
    }),
  'options-thresholds': () =>
    small(resnetP6p7(), {
      scoreThresh: 0.35,
      nmsThresh: 0.4,
      detectionsPerImg: 23,
      topkCandidates: 40,
    }),
  'options-head-convs': () => small(resnetP6p7(), { numClasses: 4, head: { convs: 2 } }),

  'many-classes': () => small(resnetP6p7(), { numClasses: 200, detectionsPerImg: 40 }),
  'many-detections': () => small(resnetP6p7(), { detectionsPerImg: 250, scoreThresh: 0.1 }),
  'nothing-found': () => small(resnetP6p7(), { scoreThresh: 0.9999 }),

  'images-extreme': () => small(resnetP6p7()),
  'images-uint8': () => small(resnetP6p7()),
  'images-upscaled': () => small(resnetP6p7(), { minSize: 150, maxSize: 200 }),
};
