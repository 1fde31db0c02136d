import type { AnchorConfig, DenseConfig } from '../../../binding';
import type { Backbone } from '../../backbones/backbone';
import { TorchdetError } from '../../errors';
import { checkPositive } from '../../nn/check';
import { checkIsBackbone, checkKnown } from '../common/checks';
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
import { fcosHead } from './heads';

/** torchvision's options of `FCOS` in camelCase, apart from the backbone and the number of classes. */
export interface FcosSettings extends DenseSettings {
  /**
   * One anchor per cell: its centre is FCOS's point, its width and height the units of the regressed distances, its width the scale
   * of objects a level is for. Default, derived from the backbone: squares of each level's stride (8, 16, 32, 64, 128).
   */
  readonly anchorGenerator?: AnchorOptions;
  readonly head?: DenseHeadOptions;
  /** Points within this many anchor sizes of a box's centre are positive in training. Default 1.5. */
  readonly centerSamplingRadius?: number;
}

/** Options of `fcos`. */
export interface FcosOptions extends FcosSettings {
  readonly backbone: Backbone;
  /**
   * Classes **with label 0**, as torchvision counts: kinds of object labelled from 1, plus 1. Nothing is background in
   * FCOS: label 0 has logits like any other and can be detected where training used it.
   */
  readonly numClasses: number;
}

const SETTINGS: Readonly<Record<Exclude<keyof FcosSettings, keyof DenseSettings>, true>> = {
  anchorGenerator: true,
  head: true,
  centerSamplingRadius: true,
};

/** Names of all settings, for telling a misspelt one. */
export const FCOS_SETTINGS: readonly string[] = [...DENSE_SETTINGS, ...Object.keys(SETTINGS)];

/**
 * FCOS (https://arxiv.org/abs/1904.01355) as torchvision has it, on a backbone of one's choice: its `FCOS`.
 *
 * ```ts
 * fcos({
 *   backbone: resnetFpn('resnet50', { returnedLayers: [2, 3, 4], extraBlocks: 'p6p7' }),
 *   numClasses: 4, // labels 1 to 3, and 0
 * });
 * ```
 * @throws TorchdetError ERR_OPTION_VALUE, ERR_OPTION_UNKNOWN; ERR_BACKBONE_MISMATCH where anchors or the head do not fit the
 * backbone's levels
 */
export function fcos(options: FcosOptions): DetectorSpec<DenseConfig> {
  const where = 'fcos';
  checkKnown(where, options, ['backbone', 'numClasses', ...FCOS_SETTINGS]);
  const { backbone, ...settings } = options;
  checkIsBackbone(where, backbone);
  const numClasses = checkSigmoidClasses(where, options.numClasses);
  const channels = checkBackbone(where, backbone);
  const anchors = fcosAnchors(where, backbone, settings.anchorGenerator);
  const shape = denseHeadShape(where, backbone, channels, settings.head ?? {}, 'group');
  const radius = settings.centerSamplingRadius ?? 1.5;

  return denseDetector({
    builder: where,
    type: 'FCOS',
    backbone,
    head: fcosHead(shape, numClasses),
    numClasses,
    settings,
    config: {
      kind: 'dense',
      head: 'fcos',
      transform: transformConfig(where, settings),
      anchors,
      pointStrides: null,
      defaultBoxes: null,
      bboxRegWeights: [1, 1, 1, 1],
      ...denseThresholds(where, settings, {
        scoreThresh: 0.2,
        nmsThresh: 0.6,
        detectionsPerImg: 100,
        topkCandidates: 1000,
      }),
      training: {
        ...DENSE_TRAINING,
        centerSamplingRadius: checkPositive(where, 'centerSamplingRadius', radius),
      },
    },
  });
}

function fcosAnchors(
  where: string,
  backbone: Backbone,
  options: AnchorOptions | undefined,
): AnchorConfig {
  const anchors = anchorConfig(where, 'anchorGenerator', backbone, {
    ...options,
    sizes: options?.sizes ?? backbone.strides.map((stride) => [stride]),
    aspectRatios: options?.aspectRatios ?? [1],
  });
  const perCell = (anchors.sizes[0]?.length ?? 0) * (anchors.aspectRatios[0]?.length ?? 0);
  if (perCell === 1) return anchors;
  throw new TorchdetError(
    'ERR_BACKBONE_MISMATCH',
    `${where}: anchorGenerator makes ${perCell} anchors per cell, but FCOS has 1 point per cell: give one size and one aspect ratio a level.`,
  );
}
