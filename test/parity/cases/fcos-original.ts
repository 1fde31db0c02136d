import { resnetFpn } from '../../../lib/backbones';
import type { ResnetFpnOptions } from '../../../lib/backbones';
import { fcosImprvR50Fpn1x, fcosOriginal } from '../../../lib/models';
import type { DetectorSpec, FcosOriginalOptions } from '../../../lib/models';
import { SIZE } from './dense-shared';
import type { Cases } from './dense-shared';

/** The detectors of test/oracle/cases_fcos_original.py, described with torchdet; the keys are the names of the golden files. */
export const CASES: Cases = {
  fcos_imprv_r50_fpn_1x: () => fcosImprvR50Fpn1x({ ...SIZE, pretrained: 'detector' }),

  'stride-in-3x3': () => withBody({ strideIn1x1: false }),
  'group-norm-body': () => withBody({ norm: 'group', normEps: 1e-5 }),
  'fpn-group-norm': () => withBody({ fpnNorm: 'group' }),
  'fpn-relu': () => withBody({ fpnRelu: true }),
  'fpn-group-norm-relu': () => withBody({ fpnNorm: 'group', fpnRelu: true, outChannels: 128 }),
  'p6p7-on-c5': () => withBody({ extraBlocks: 'p6p7OnC5' }),
  'returned-1-2-4': () => withBody({ returnedLayers: [1, 2, 4] }),

  'deformable-2-3-4': () => withBody({ deformable: { layers: [2, 3, 4], modulated: false } }),
  'deformable-1': () =>
    withBody({ deformable: { layers: [1], modulated: false }, strideIn1x1: false }),
  'modulated-3-4': () => withBody({ deformable: { layers: [3, 4] } }),
  'modulated-4-groups-4': () =>
    withBody({ deformable: { layers: [4], deformableGroups: 4 }, strideIn1x1: false }),
  'deformable-tower': () => small({ deformableTower: true }),

  exp: () => small({ normalisedTargets: false }),
  'centerness-on-classes': () => small({ centernessOnRegression: false }),
  'exp-centerness-on-classes': () =>
    small({ normalisedTargets: false, centernessOnRegression: false }),
  'head-convs': () => small({ head: { convs: 2 }, numClasses: 4 }),

  'options-thresholds': () =>
    small({ scoreThresh: 0.1, nmsThresh: 0.4, detectionsPerImg: 23, topkCandidates: 40 }),
  'options-transform': () =>
    small({
      minSize: [64, 80, 101],
      maxSize: 131,
      imageMean: [110 / 255, 120 / 255, 130 / 255],
      imageStd: [50 / 255, 60 / 255, 70 / 255],
      sizeDivisible: 64,
    }),
  'nothing-found': () => small({ scoreThresh: 0.99999 }),

  'images-extreme': () => small(),
  'images-uint8': () => small(),
  'images-upscaled': () => small({ minSize: 150, maxSize: 200 }),
  resnet101: () => small({ backbone: body({}, 'resnet101') }),
};

function body(options: ResnetFpnOptions = {}, name: 'resnet50' | 'resnet101' = 'resnet50') {
  return resnetFpn(name, {
    ...{ returnedLayers: [2, 3, 4], extraBlocks: 'p6p7', normEps: 0, strideIn1x1: true },
    ...{ weightInit: 'kaimingUniform', ...options },
  });
}

function small(options: Partial<FcosOriginalOptions> = {}): DetectorSpec {
  return fcosOriginal({
    ...{ backbone: body(), numClasses: 7, ...SIZE, detectionsPerImg: 60 },
    ...options,
  });
}

function withBody(options: ResnetFpnOptions): DetectorSpec {
  return small({ backbone: body(options) });
}
