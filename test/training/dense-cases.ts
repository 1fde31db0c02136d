import { resnetFpn, ssdLiteMobileNet } from '../../lib/backbones';
import { fcos, fcosOriginal, retinaNet, ssd } from '../../lib/models';
import type { FcosOptions, RetinaNetOptions, SsdOptions } from '../../lib/models';
import { resnetP6p7 } from '../parity/cases/dense-shared';
import type { Cases } from '../parity/cases/dense-shared';

const SIZES = { minSize: [56, 64, 72], maxSize: 96 };

function retinanet(options: Partial<RetinaNetOptions> = {}) {
  return retinaNet({ backbone: resnetP6p7(), numClasses: 7, ...SIZES, ...options });
}

function plainFcos(options: Partial<FcosOptions> = {}) {
  return fcos({ backbone: resnetP6p7(), numClasses: 7, ...SIZES, ...options });
}

function original(centerSamplingRadius = 1.5) {
  const backbone = resnetFpn('resnet50', {
    ...{ returnedLayers: [2, 3, 4], extraBlocks: 'p6p7', normEps: 0, strideIn1x1: true },
    ...{ weightInit: 'kaimingUniform', trainableLayers: 3 },
  });
  return fcosOriginal({ backbone, numClasses: 7, ...SIZES, centerSamplingRadius });
}

function plainSsd(options: Partial<SsdOptions> = {}) {
  return ssd({
    backbone: resnetFpn('resnet18'),
    anchorGenerator: { aspectRatios: [[2], [2], [2], [2], [2]] },
    numClasses: 7,
    size: 96,
    ...options,
  });
}

function ssdlite() {
  return ssd({
    backbone: ssdLiteMobileNet('mobilenet_v3_small', { reducedTail: true, norm: 'frozen' }),
    head: { kind: 'ssdLite' },
    imageMean: [0.5, 0.5, 0.5],
    imageStd: [0.5, 0.5, 0.5],
    numClasses: 7,
    size: 160,
  });
}

/** The detectors of test/oracle/training_dense.py, described with torchdet; the keys are the names of the golden files. */
export const CASES: Cases = {
  retinanet: () => retinanet(),
  'retinanet-v2': () => retinanet({ head: { norm: 'group' }, boxLoss: 'giou' }),
  fcos: () => plainFcos(),
  'fcos-original': () => original(),
  ssd: () => plainSsd(),
  ssdlite,
  'retinanet-options': () => retinanet({ fgIouThresh: 0.6, bgIouThresh: 0.3 }),
  'fcos-options': () => plainFcos({ centerSamplingRadius: 0.8 }),
  'fcos-original-options': () => original(0),
  'ssd-options': () => plainSsd({ iouThresh: 0.4, positiveFraction: 0.4 }),
  'ssdlite-many-boxes': ssdlite,
};
