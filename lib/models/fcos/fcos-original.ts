import type { DenseConfig } from '../../../binding';
import type { Backbone } from '../../backbones/backbone';
import { optionError } from '../../errors';
import { checkBoolean, checkNumber } from '../../nn/check';
import { checkIsBackbone, checkKnown, checkNumClasses } from '../common/checks';
import { DENSE_SETTINGS, DENSE_TRAINING, denseDetector, denseThresholds } from '../common/dense';
import type { DenseSettings } from '../common/dense';
import { denseHeadShape } from '../common/dense-head';
import type { DenseHeadOptions } from '../common/dense-head';
import { checkBackbone } from '../common/levels';
import { transformConfig } from '../common/transform';
import type { DetectorSpec } from '../detector-spec';
import { fcosOriginalHead } from './fcos-original-head';

/** Options of the original FCOS repository in camelCase, apart from the backbone and the number of classes. */
export interface FcosOriginalSettings extends DenseSettings {
  readonly head?: DenseHeadOptions;
  /**
   * How distances are regressed (`NORM_REG_TARGETS`): as ReLU in units of the level's stride (true, the default), or as exp in
   * pixels.
   */
  readonly normalisedTargets?: boolean;
  /** Which branch centerness is on (`CENTERNESS_ON_REG`): that of the boxes (true, the default) or that of the classes. */
  readonly centernessOnRegression?: boolean;
  /** The last convolution of each branch is a modulated deformable one (`USE_DCN_IN_TOWER`). Default false. */
  readonly deformableTower?: boolean;
  /** Points within this many strides of a box's centre are positive in training; 0: all in the box. Default 1.5. */
  readonly centerSamplingRadius?: number;
}

/** Options of `fcosOriginal`. */
export interface FcosOriginalOptions extends FcosOriginalSettings {
  readonly backbone: Backbone;
  /** Classes **with the background**, which is label 0 and has no logits: kinds of object + 1, 81 for COCO's 80. */
  readonly numClasses: number;
}

const SETTINGS: Readonly<Record<Exclude<keyof FcosOriginalSettings, keyof DenseSettings>, true>> = {
  head: true,
  normalisedTargets: true,
  centernessOnRegression: true,
  deformableTower: true,
  centerSamplingRadius: true,
};

/** Names of all settings, for telling a misspelt one. */
export const FCOS_ORIGINAL_SETTINGS: readonly string[] = [
  ...DENSE_SETTINGS,
  ...Object.keys(SETTINGS),
];

/** Means of blue, green and red, 0 to 255, of the images the original's backbones were trained on; nothing is divided. */
const PIXEL_MEAN = [102.9801, 115.9465, 122.7717];

/**
 * FCOS (https://arxiv.org/abs/1904.01355) as its authors' repository has it, with the improvements of `fcos_imprv_…`, on a
 * backbone of one's choice. docs/fcos-original.md lists where it differs from torchvision's, which is `fcos`.
 *
 * ```ts
 * fcosOriginal({
 *   backbone: resnetFpn('resnet50', { returnedLayers: [2, 3, 4], extraBlocks: 'p6p7' }),
 *   numClasses: 4, // three kinds of object, and the background
 * });
 * ```
 * @throws TorchdetError ERR_OPTION_VALUE, ERR_OPTION_UNKNOWN; ERR_BACKBONE_MISMATCH where the head does not fit the backbone
 */
export function fcosOriginal(options: FcosOriginalOptions): DetectorSpec<DenseConfig> {
  const where = 'fcosOriginal';
  checkKnown(where, options, ['backbone', 'numClasses', ...FCOS_ORIGINAL_SETTINGS]);
  const { backbone, ...settings } = options;
  checkIsBackbone(where, backbone);
  const numClasses = checkNumClasses(where, settings.numClasses);
  const channels = checkBackbone(where, backbone);
  const shape = denseHeadShape(where, backbone, channels, settings.head ?? {}, 'group');
  const flag = (name: keyof typeof SETTINGS, fallback: boolean): boolean =>
    checkBoolean(where, name, settings[name] ?? fallback);
  const deformableTower = flag('deformableTower', false);
  if (deformableTower && shape.convs === 0) {
    const expected = 'false where head.convs is 0: there is no convolution to be deformable';
    throw optionError(where, 'deformableTower', deformableTower, expected);
  }
  const radius = settings.centerSamplingRadius ?? 1.5;

  return denseDetector({
    builder: where,
    type: 'FCOSOriginal',
    backbone,
    head: fcosOriginalHead({
      ...shape,
      logits: numClasses - 1,
      strides: backbone.strides,
      normalisedTargets: flag('normalisedTargets', true),
      centernessOnRegression: flag('centernessOnRegression', true),
      deformableTower,
    }),
    numClasses,
    settings,
    config: {
      kind: 'dense',
      head: 'fcosOriginal',
      transform: transformConfig(where, settings, {
        imageMean: PIXEL_MEAN.map((mean) => mean / 255),
        imageStd: [1 / 255, 1 / 255, 1 / 255],
        channelOrder: 'bgr',
      }),
      anchors: null,
      pointStrides: backbone.strides,
      defaultBoxes: null,
      bboxRegWeights: [1, 1, 1, 1],
      ...denseThresholds(where, settings, {
        scoreThresh: 0.05,
        nmsThresh: 0.6,
        detectionsPerImg: 100,
        topkCandidates: 1000,
      }),
      training: {
        ...DENSE_TRAINING,
        centerSamplingRadius: checkNumber(where, 'centerSamplingRadius', radius, 0),
      },
    },
  });
}
