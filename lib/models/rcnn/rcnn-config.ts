/** Options of the R-CNN family, checked and completed with torchvision's defaults, as the detection code wants them. */
import type { RcnnConfig, RoiHeadsConfig, RpnConfig } from '../../../binding';
import type { Backbone } from '../../backbones/backbone';
import { checkList, checkPositive } from '../../nn/check';
import { checkIouOrder, fraction, positiveInteger } from '../common/checks';
import { anchorConfig, roiPoolConfig } from '../common/levels';
import { transformConfig } from '../common/transform';
import type { TransformSettings } from '../common/transform';
import type { FasterRcnnSettings } from './faster-rcnn-options';
import type { RoiBranch } from './rcnn';

/**
 * @param transformDefaults where a model differs from Faster R-CNN's
 * @throws TorchdetError ERR_OPTION_VALUE, ERR_BACKBONE_MISMATCH
 */
export function rcnnConfig(
  where: string,
  backbone: Backbone,
  options: FasterRcnnSettings,
  transformDefaults: TransformSettings,
  branch: RoiBranch | undefined,
): RcnnConfig {
  return {
    kind: 'rcnn',
    transform: transformConfig(where, options, transformDefaults),
    anchors: anchorConfig(where, 'rpnAnchorGenerator', backbone, options.rpnAnchorGenerator),
    rpn: rpnConfig(where, options),
    roiHeads: roiHeadsConfig(where, backbone, options, branch),
  };
}

function rpnConfig(where: string, options: FasterRcnnSettings): RpnConfig {
  const count = (name: keyof FasterRcnnSettings, fallback: number): number =>
    positiveInteger(where, name, options[name] ?? fallback);
  const share = (name: keyof FasterRcnnSettings, fallback: number): number =>
    fraction(where, name, options[name] ?? fallback);
  const config: RpnConfig = {
    preNmsTopNTrain: count('rpnPreNmsTopNTrain', 2000),
    preNmsTopNTest: count('rpnPreNmsTopNTest', 1000),
    postNmsTopNTrain: count('rpnPostNmsTopNTrain', 2000),
    postNmsTopNTest: count('rpnPostNmsTopNTest', 1000),
    nmsThresh: share('rpnNmsThresh', 0.7),
    scoreThresh: share('rpnScoreThresh', 0),
    fgIouThresh: share('rpnFgIouThresh', 0.7),
    bgIouThresh: share('rpnBgIouThresh', 0.3),
    batchSizePerImage: count('rpnBatchSizePerImage', 256),
    positiveFraction: share('rpnPositiveFraction', 0.5),
  };
  checkIouOrder(where, 'rpn', config);
  return config;
}

function roiHeadsConfig(
  where: string,
  backbone: Backbone,
  options: FasterRcnnSettings,
  branch: RoiBranch | undefined,
): RoiHeadsConfig {
  const count = (name: keyof FasterRcnnSettings, fallback: number): number =>
    positiveInteger(where, name, options[name] ?? fallback);
  const share = (name: keyof FasterRcnnSettings, fallback: number): number =>
    fraction(where, name, options[name] ?? fallback);
  const weights = options.bboxRegWeights ?? [10, 10, 5, 5];
  const config: RoiHeadsConfig = {
    boxRoiPool: roiPoolConfig(where, 'boxRoiPool', backbone, options.boxRoiPool ?? {}),
    maskRoiPool: branch?.kind === 'mask' ? branch.roiPool : null,
    keypointRoiPool: branch?.kind === 'keypoint' ? branch.roiPool : null,
    scoreThresh: share('boxScoreThresh', 0.05),
    nmsThresh: share('boxNmsThresh', 0.5),
    detectionsPerImg: count('boxDetectionsPerImg', 100),
    bboxRegWeights: checkList(where, 'bboxRegWeights', weights, checkPositive, 4) as [
      number,
      number,
      number,
      number,
    ],
    fgIouThresh: share('boxFgIouThresh', 0.5),
    bgIouThresh: share('boxBgIouThresh', 0.5),
    batchSizePerImage: count('boxBatchSizePerImage', 512),
    positiveFraction: share('boxPositiveFraction', 0.25),
  };
  checkIouOrder(where, 'box', config);
  return config;
}
