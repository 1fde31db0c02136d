import type { AnchorConfig, DenseConfig } from '../../../binding';
import type { Backbone } from '../../backbones/backbone';
import { TorchdetError } from '../../errors';
import { checkChoice } from '../../nn/check';
import { checkIouOrder, checkIsBackbone, checkKnown, fraction } from '../common/checks';
import {
  checkSigmoidClasses,
  DENSE_SETTINGS,
  DENSE_TRAINING,
  denseDetector,
  denseThresholds,
} from '../common/dense';
import type { DenseSettings } from '../common/dense';
import { denseHeadShape } from '../common/dense-head';
import type { DenseHeadOptions } from '../common/dense-head';
import { anchorConfig, checkBackbone } from '../common/levels';
import type { AnchorOptions } from '../common/levels';
import { transformConfig } from '../common/transform';
import type { DetectorSpec } from '../detector-spec';
import { retinaNetHead } from './heads';

/** torchvision's options of `RetinaNet` in camelCase, apart from the backbone and the number of classes. */
export interface RetinaNetSettings extends DenseSettings {
  /**
   * Default, derived from the backbone: for a level of stride s, sides 4s, 4s * 2^(1/3) and 4s * 2^(2/3), truncated (32, 40, 50
   * at stride 8, as in torchvision); aspect ratios 0.5, 1, 2. A backbone with one level needs it given.
   */
  readonly anchorGenerator?: AnchorOptions;
  readonly head?: DenseHeadOptions;
  /** Loss of the boxes in training: L1 of the deltas, or 1 - GIoU of the boxes (v2). Default `l1`. */
  readonly boxLoss?: 'l1' | 'giou';
  /** IoU from which an anchor is an object in training. Default 0.5. */
  readonly fgIouThresh?: number;
  /** IoU below which it is background. Default 0.4. */
  readonly bgIouThresh?: number;
}

/** Options of `retinaNet`. */
export interface RetinaNetOptions extends RetinaNetSettings {
  /** Two or more feature levels, or one and `anchorGenerator`. */
  readonly backbone: Backbone;
  /**
   * Classes **with label 0**, as torchvision counts: kinds of object labelled from 1, plus 1. Nothing is background in
   * RetinaNet: label 0 has logits like any other and can be detected where training used it.
   */
  readonly numClasses: number;
}

const SETTINGS: Readonly<Record<Exclude<keyof RetinaNetSettings, keyof DenseSettings>, true>> = {
  anchorGenerator: true,
  head: true,
  boxLoss: true,
  fgIouThresh: true,
  bgIouThresh: true,
};

/** Names of all settings, for telling a misspelt one. */
export const RETINANET_SETTINGS: readonly string[] = [...DENSE_SETTINGS, ...Object.keys(SETTINGS)];

/**
 * RetinaNet (https://arxiv.org/abs/1708.02002) on a backbone of one's choice: torchvision's `RetinaNet`.
 *
 * ```ts
 * retinaNet({
 *   backbone: resnetFpn('resnet50', { returnedLayers: [2, 3, 4], extraBlocks: 'p6p7' }),
 *   numClasses: 4, // labels 1 to 3, and 0
 * });
 * ```
 * @throws TorchdetError ERR_OPTION_VALUE, ERR_OPTION_UNKNOWN; ERR_BACKBONE_MISMATCH where anchors or the head do not fit the
 * backbone's levels
 */
export function retinaNet(options: RetinaNetOptions): DetectorSpec<DenseConfig> {
  const where = 'retinaNet';
  checkKnown(where, options, ['backbone', 'numClasses', ...RETINANET_SETTINGS]);
  const { backbone, ...settings } = options;
  checkIsBackbone(where, backbone);
  const numClasses = checkSigmoidClasses(where, options.numClasses);
  const channels = checkBackbone(where, backbone);
  const anchors = retinaNetAnchors(where, backbone, settings.anchorGenerator);
  const anchorsPerCell = (anchors.sizes[0]?.length ?? 0) * (anchors.aspectRatios[0]?.length ?? 0);
  const shape = denseHeadShape(where, backbone, channels, settings.head ?? {}, null);
  const training = {
    ...DENSE_TRAINING,
    fgIouThresh: fraction(where, 'fgIouThresh', settings.fgIouThresh ?? 0.5),
    bgIouThresh: fraction(where, 'bgIouThresh', settings.bgIouThresh ?? 0.4),
    boxLoss: checkChoice(where, 'boxLoss', settings.boxLoss ?? 'l1', ['l1', 'giou']),
  };
  checkIouOrder(where, '', training);

  return denseDetector({
    builder: where,
    type: 'RetinaNet',
    backbone,
    head: retinaNetHead(shape, anchorsPerCell, numClasses),
    numClasses,
    settings,
    config: {
      kind: 'dense',
      head: 'retinanet',
      transform: transformConfig(where, settings),
      anchors,
      pointStrides: null,
      defaultBoxes: null,
      bboxRegWeights: [1, 1, 1, 1],
      ...denseThresholds(where, settings, {
        scoreThresh: 0.05,
        nmsThresh: 0.5,
        detectionsPerImg: 300,
        topkCandidates: 1000,
      }),
      training,
    },
  });
}

/** Three scales an octave, from four times the stride. torchvision truncates them to whole pixels. */
function derivedSizes(backbone: Backbone): readonly (readonly number[])[] {
  return backbone.strides.map((stride) =>
    [0, 1, 2].map((third) => Math.trunc(4 * stride * 2 ** (third / 3))),
  );
}

function retinaNetAnchors(
  where: string,
  backbone: Backbone,
  options: AnchorOptions | undefined,
): AnchorConfig {
  const levels = backbone.featureNames.length;
  if (options === undefined && levels < 2) {
    throw new TorchdetError(
      'ERR_BACKBONE_MISMATCH',
      `${where}: the default anchors are for the 2 or more levels of a feature pyramid, but backbone ${backbone.name} has ${levels}. Give "anchorGenerator", for example { sizes: [[32, 64, 128, 256, 512]] }.`,
    );
  }
  return anchorConfig(where, 'anchorGenerator', backbone, {
    ...options,
    sizes: options?.sizes ?? derivedSizes(backbone),
  });
}
