import { convNextLike } from '../../examples/own-backbone/convnext-like';
import {
  fasterRcnn,
  fasterrcnnMobilenetV3Large320Fpn,
  fasterrcnnMobilenetV3LargeFpn,
  fasterrcnnResnet50Fpn,
  fasterrcnnResnet50FpnV2,
} from '../../lib/models';
import type { DetectorSpec, FasterRcnnOptions } from '../../lib/models';
import { mobileNet, mobileNetFpn, resnetFpn, vggFpn } from '../../lib/backbones';
import type {
  Backbone,
  MobileNetName,
  ResnetFpnOptions,
  ResnetName,
  VggName,
} from '../../lib/backbones';

/** The detectors of test/oracle/cases.py, described with torchdet; the keys are the names of the golden files. */
export const CASES: Readonly<Record<string, () => DetectorSpec>> = {
  fasterrcnn_resnet50_fpn: () => fasterrcnnResnet50Fpn(NAMED),
  fasterrcnn_resnet50_fpn_v2: () => fasterrcnnResnet50FpnV2(NAMED),
  fasterrcnn_mobilenet_v3_large_fpn: () => fasterrcnnMobilenetV3LargeFpn(NAMED),
  fasterrcnn_mobilenet_v3_large_320_fpn: () => fasterrcnnMobilenetV3Large320Fpn(UNTRAINED),

  ...each<ResnetName>(
    [
      ...(['resnet18', 'resnet34', 'resnet50', 'resnet101', 'resnet152'] as const),
      ...(['resnext50_32x4d', 'resnext101_32x8d', 'resnext101_64x4d'] as const),
      ...(['wide_resnet50_2', 'wide_resnet101_2'] as const),
    ],
    (name) => [name, () => small(resnetFpn(name), { minSize: 64, maxSize: 96 })],
  ),

  'resnet18-p6p7': () =>
    small(resnetFpn('resnet18', { extraBlocks: 'p6p7' }), { rpnAnchorGenerator: anchors(6) }),
  'resnet34-p6p7-returned': () =>
    small(resnetFpn('resnet34', { returnedLayers: [2, 3, 4], extraBlocks: 'p6p7' }), {
      rpnAnchorGenerator: anchors(5),
    }),
  'resnet18-group-norm': () => small(resnetFpn('resnet18', { norm: 'group' })),
  'resnet18-batch-norm': () => small(resnetFpn('resnet18', { norm: 'batch', trainableLayers: 5 })),
  'resnet18-returned-3-4': () =>
    small(resnetFpn('resnet18', { returnedLayers: [3, 4] }), {
      rpnAnchorGenerator: anchors(3),
      boxRoiPool: { featmapNames: ['0', '1'] },
    }),
  'resnet34-returned-1-3': () =>
    small(resnetFpn('resnet34', { returnedLayers: [1, 3] }), {
      rpnAnchorGenerator: anchors(3),
      boxRoiPool: { featmapNames: ['1'] },
    }),

  ...each<MobileNetName>(['mobilenet_v2', 'mobilenet_v3_large', 'mobilenet_v3_small'], (name) => [
    `${name}-fpn`,
    () => small(mobileNetFpn(name), { rpnAnchorGenerator: anchors(3) }),
  ]),
  ...each<MobileNetName>(['mobilenet_v2', 'mobilenet_v3_large', 'mobilenet_v3_small'], (name) => [
    `${name}-plain`,
    () => small(mobileNet(name), { rpnAnchorGenerator: { sizes: [[16, 32, 64]] } }),
  ]),
  'mobilenet_v2-returned-2-4-5': () =>
    small(mobileNetFpn('mobilenet_v2', { returnedLayers: [2, 4, 5] }), {
      rpnAnchorGenerator: anchors(4),
      // Strides 8, 32, 32: torchvision pools RoIs of stride 16 from the first 32.
      boxRoiPool: { missingLevels: 'zeros' },
    }),
  'mobilenet_v2-p6p7-batch-norm': () =>
    small(mobileNetFpn('mobilenet_v2', { norm: 'batch', extraBlocks: 'p6p7' }), {
      rpnAnchorGenerator: anchors(4),
    }),

  ...each<VggName>(['vgg11', 'vgg13', 'vgg16', 'vgg19'], (name) => [
    `${name}-fpn`,
    () => small(vggFpn(name), { ...TINY, boxRoiPool: { ...LOW, missingLevels: 'zeros' } }),
  ]),
  'vgg16_bn-fpn': () =>
    small(vggFpn('vgg16', { batchNorm: true, norm: 'batch' }), {
      ...TINY,
      boxRoiPool: { ...LOW, missingLevels: 'zeros' },
    }),
  'vgg16-fpn-nearest': () =>
    small(vggFpn('vgg16', { returnedLayers: [2, 7, 14, 28] }), {
      ...TINY,
      rpnAnchorGenerator: anchors(5),
      boxRoiPool: LOW,
    }),
  'vgg13-p6p7-returned': () =>
    small(
      vggFpn('vgg13', { returnedLayers: [10, 15, 22], extraBlocks: 'p6p7', fpnNorm: 'batch' }),
      { rpnAnchorGenerator: anchors(5), boxRoiPool: { missingLevels: 'zeros' } },
    ),
  'vgg16-plain': () =>
    small(vggFpn('vgg16', { fpn: false }), { rpnAnchorGenerator: { sizes: [[16, 32, 64]] } }),
  'vgg11_bn-plain': () =>
    small(vggFpn('vgg11', { batchNorm: true, fpn: false, returnedLayers: [18] }), {
      rpnAnchorGenerator: { sizes: [[16, 32, 64]] },
    }),
  'resnet18-returned-1-4': () =>
    small(resnetFpn('resnet18', { returnedLayers: [1, 4] }), {
      rpnAnchorGenerator: anchors(3),
      boxRoiPool: { canonicalScale: 64, missingLevels: 'zeros' },
    }),
  'mobilenet_v2-nearest': () =>
    small(mobileNetFpn('mobilenet_v2', { returnedLayers: [1, 3, 5] }), {
      rpnAnchorGenerator: anchors(4),
      boxRoiPool: { canonicalScale: 64, missingLevels: 'nearest' },
    }),
  'own-backbone': () =>
    small(convNextLike({ blocks: [1, 2, 1, 1], channels: [16, 32, 48, 64], outChannels: 64 })),

  'options-transform': () =>
    small(resnet18(), {
      minSize: [64, 80, 101],
      maxSize: 131,
      imageMean: [0.4, 0.5, 0.6],
      imageStd: [0.3, 0.2, 0.25],
      sizeDivisible: 64,
    }),
  'options-fixed-size': () => small(resnet18(), { fixedSize: [128, 96] }),
  'options-anchors': () =>
    small(resnet18(), {
      rpnAnchorGenerator: {
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
  'options-rpn': () =>
    small(resnet18(), {
      rpnPreNmsTopNTest: 150,
      rpnPostNmsTopNTest: 45,
      rpnNmsThresh: 0.5,
      rpnScoreThresh: 0.4,
    }),
  'options-rpn-head': () => small(resnet18(), { rpnHead: { convDepth: 3 } }),
  'options-roi': () =>
    small(resnet18(), {
      boxScoreThresh: 0.15,
      boxNmsThresh: 0.3,
      boxDetectionsPerImg: 12,
      bboxRegWeights: [5, 6, 3, 4],
    }),
  'options-roi-pool': () =>
    small(resnet18(), {
      boxRoiPool: {
        featmapNames: ['0', '1', '2'],
        outputSize: 5,
        samplingRatio: 3,
        canonicalScale: 112,
        canonicalLevel: 4,
      },
    }),
  'options-roi-pool-adaptive': () =>
    small(resnet18(), {
      numClasses: 5,
      boxRoiPool: { outputSize: 4, samplingRatio: -1 },
      boxHead: { kind: 'twoMlp', representationSize: 96 },
    }),
  'options-box-head': () =>
    small(resnet18(), {
      numClasses: 3,
      boxHead: { kind: 'conv', convs: [64, 32], fcs: [128], norm: 'batch' },
    }),
  'many-detections': () =>
    small(resnet18(), { numClasses: 40, rpnPostNmsTopNTest: 300, boxScoreThresh: 0.005 }),
  'images-extreme': () => small(resnet18()),
  'images-uint8': () => small(resnet18()),
  'images-upscaled': () => small(resnet18(), { minSize: 150, maxSize: 200 }),
};

// torchvision builds its named models with plain batch norm and everything trainable where no weights are asked for.
const UNTRAINED = { numClasses: 91 };
const NAMED = { ...UNTRAINED, minSize: 96, maxSize: 160, rpnPostNmsTopNTest: 150 };

const TINY = { minSize: 48, maxSize: 64 };
/** Brings the RoIs of tiny images to the upper levels. */
const LOW = { canonicalScale: 48 };

function small(backbone: Backbone, options: Partial<FasterRcnnOptions> = {}): DetectorSpec {
  return fasterRcnn({
    backbone,
    numClasses: 7,
    minSize: 96,
    maxSize: 160,
    rpnPostNmsTopNTest: 25,
    ...options,
  });
}

function resnet18(options: ResnetFpnOptions = {}): Backbone {
  return resnetFpn('resnet18', options);
}

function anchors(levels: number): { sizes: number[] } {
  return { sizes: Array.from({ length: levels }, (_, i) => 16 * 2 ** i) };
}

function each<Name extends string>(
  names: readonly Name[],
  make: (name: Name) => [string, () => DetectorSpec],
): Record<string, () => DetectorSpec> {
  return Object.fromEntries(names.map(make));
}
