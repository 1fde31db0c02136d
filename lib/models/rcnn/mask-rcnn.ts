import type { RcnnConfig } from '../../../binding';
import { checkChoice, checkInteger, checkList } from '../../nn/check';
import { checkKnown, positiveInteger } from '../common/checks';
import { roiPoolConfig } from '../common/levels';
import type { RoiPoolOptions } from '../common/levels';
import type { DetectorSpec } from '../detector-spec';
import { FASTER_RCNN_SETTINGS } from './faster-rcnn-options';
import type { FasterRcnnOptions, FasterRcnnSettings } from './faster-rcnn-options';
import { maskHead, maskPredictor } from './mask-heads';
import { describeRcnn } from './rcnn';
import type { BranchInput, RoiBranch } from './rcnn';

/** 3x3 convolutions on the features of each detection. */
export interface MaskHeadOptions {
  /** Channels of each convolution. Default [256, 256, 256, 256]. */
  readonly layers?: readonly number[];
  /** Distance of the cells a convolution looks at. Default 1. */
  readonly dilation?: number;
  /** Norm after each convolution. Default null, and `batch` in maskrcnn_resnet50_fpn_v2. */
  readonly norm?: 'batch' | null;
}

/** torchvision's options of `MaskRCNN`, apart from the backbone and the number of classes: those of Faster R-CNN and the masks'. */
export interface MaskRcnnSettings extends FasterRcnnSettings {
  /** What is pooled for each mask. Default as `boxRoiPool`, with `outputSize` 14: masks of 28 x 28. */
  readonly maskRoiPool?: RoiPoolOptions;
  readonly maskHead?: MaskHeadOptions;
  /** `dimReduced`: channels between the enlarging convolution and the logits. Default 256. */
  readonly maskPredictor?: { readonly dimReduced?: number };
}

/** Options of `maskRcnn`. */
export interface MaskRcnnOptions extends FasterRcnnOptions, MaskRcnnSettings {}

/** Names of all settings, for telling a misspelt one. */
export const MASK_RCNN_SETTINGS: readonly string[] = [
  ...FASTER_RCNN_SETTINGS,
  ...['maskRoiPool', 'maskHead', 'maskPredictor'],
];

/**
 * Mask R-CNN (https://arxiv.org/abs/1703.06870) on a backbone of one's choice: torchvision's `MaskRCNN`. Faster R-CNN, and a
 * mask for each detection.
 *
 * ```ts
 * maskRcnn({ backbone: resnetFpn('resnet50'), numClasses: 4 })   // three kinds of object, and the background
 * ```
 * @throws TorchdetError ERR_OPTION_VALUE, ERR_OPTION_UNKNOWN; ERR_BACKBONE_MISMATCH where anchors, RoI levels and the
 * backbone's levels do not fit
 */
export function maskRcnn(options: MaskRcnnOptions): DetectorSpec<RcnnConfig> {
  const builder = 'maskRcnn';
  const branch = (input: BranchInput): RoiBranch => maskBranch(builder, input, options);
  const settings = MASK_RCNN_SETTINGS;
  return describeRcnn({ builder, type: 'MaskRCNN', settings, branch }, options);
}

function maskBranch(
  where: string,
  { backbone, channels, numClasses }: BranchInput,
  options: MaskRcnnSettings,
): RoiBranch {
  const head = options.maskHead ?? {};
  const place = `${where}: maskHead`;
  checkKnown(place, head, ['layers', 'dilation', 'norm']);
  const layers = checkList(place, 'layers', head.layers ?? [256, 256, 256, 256], positiveInteger);
  const dilation = checkInteger(place, 'dilation', head.dilation ?? 1, 1);
  const norm = checkChoice(place, 'norm', head.norm ?? null, ['batch', null]);
  const predictor = options.maskPredictor ?? {};
  checkKnown(`${where}: maskPredictor`, predictor, ['dimReduced']);
  const dimReduced = positiveInteger(
    `${where}: maskPredictor`,
    'dimReduced',
    predictor.dimReduced ?? 256,
  );
  return {
    kind: 'mask',
    roiPool: roiPoolConfig(where, 'maskRoiPool', backbone, options.maskRoiPool ?? {}, {
      outputSize: 14,
    }),
    head: maskHead(channels, layers, dilation, norm),
    predictor: maskPredictor(layers[layers.length - 1] ?? channels, dimReduced, numClasses),
  };
}
