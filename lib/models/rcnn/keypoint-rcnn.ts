import type { RcnnConfig } from '../../../binding';
import { TorchdetError } from '../../errors';
import { checkList, checkString } from '../../nn/check';
import { checkKnown, positiveInteger } from '../common/checks';
import { roiPoolConfig } from '../common/levels';
import type { RoiPoolOptions } from '../common/levels';
import type { DetectorSpec } from '../detector-spec';
import { FASTER_RCNN_SETTINGS } from './faster-rcnn-options';
import type { FasterRcnnOptions, FasterRcnnSettings } from './faster-rcnn-options';
import { keypointHead, keypointPredictor } from './keypoint-heads';
import { describeRcnn } from './rcnn';
import type { BranchInput, RoiBranch } from './rcnn';

/** torchvision's options of `KeypointRCNN`, apart from the backbone and the number of classes: those of Faster R-CNN and the keypoints'. */
export interface KeypointRcnnSettings extends FasterRcnnSettings {
  /** Shorter side of the images in pixels. Default, other than Faster R-CNN's: [640, 672, 704, 736, 768, 800]. */
  readonly minSize?: number | readonly number[];
  /** Keypoints of an object. Default 17, COCO's. */
  readonly numKeypoints?: number;
  /** Their names in order. Default, where there are 17: COCO's, from `nose` to `right_ankle`. */
  readonly keypointNames?: readonly string[];
  /** What is pooled for the keypoints. Default as `boxRoiPool`, with `outputSize` 14: heat maps of 56 x 56. */
  readonly keypointRoiPool?: RoiPoolOptions;
  /** `layers`: channels of each 3x3 convolution. Default eight of 512. */
  readonly keypointHead?: { readonly layers?: readonly number[] };
}

/** Options of `keypointRcnn`. */
export interface KeypointRcnnOptions extends FasterRcnnOptions, KeypointRcnnSettings {
  readonly minSize?: number | readonly number[];
}

/** Names of all settings, for telling a misspelt one. */
export const KEYPOINT_RCNN_SETTINGS: readonly string[] = [
  ...FASTER_RCNN_SETTINGS,
  ...['numKeypoints', 'keypointNames', 'keypointRoiPool', 'keypointHead'],
];

const MIN_SIZES = [640, 672, 704, 736, 768, 800];

/**
 * Keypoint R-CNN (https://arxiv.org/abs/1703.06870) on a backbone of one's choice: torchvision's `KeypointRCNN`. Faster R-CNN,
 * and keypoints for each detection.
 *
 * ```ts
 * keypointRcnn({ backbone: resnetFpn('resnet50'), numClasses: 2, numKeypoints: 5 })   // one kind of object of five points
 * ```
 * @throws TorchdetError ERR_OPTION_VALUE, ERR_OPTION_UNKNOWN; ERR_BACKBONE_MISMATCH where anchors, RoI levels and the
 * backbone's levels do not fit
 */
export function keypointRcnn(options: KeypointRcnnOptions): DetectorSpec<RcnnConfig> {
  const builder = 'keypointRcnn';
  const kind = {
    builder,
    type: 'KeypointRCNN',
    settings: KEYPOINT_RCNN_SETTINGS,
    transformDefaults: { minSize: MIN_SIZES },
    branch: (input: BranchInput): RoiBranch => keypointBranch(builder, input, options),
  };
  const spec = describeRcnn(kind, options);
  const { keypointNames } = options;
  if (keypointNames === undefined) return spec;
  return { ...spec, keypointNames: checkNames(builder, keypointNames, options.numKeypoints ?? 17) };
}

function keypointBranch(
  where: string,
  { backbone, channels }: BranchInput,
  options: KeypointRcnnSettings,
): RoiBranch {
  const head = options.keypointHead ?? {};
  const place = `${where}: keypointHead`;
  checkKnown(place, head, ['layers']);
  const eight = Array.from({ length: 8 }, () => 512);
  const layers = checkList(place, 'layers', head.layers ?? eight, positiveInteger);
  const numKeypoints = positiveInteger(where, 'numKeypoints', options.numKeypoints ?? 17);
  return {
    kind: 'keypoint',
    roiPool: roiPoolConfig(where, 'keypointRoiPool', backbone, options.keypointRoiPool ?? {}, {
      outputSize: 14,
    }),
    head: keypointHead(channels, layers),
    predictor: keypointPredictor(layers[layers.length - 1] ?? channels, numKeypoints),
  };
}

function checkNames(where: string, value: readonly string[], count: number): readonly string[] {
  const names = checkList(where, 'keypointNames', value, checkString);
  if (names.length === count) return names;
  throw new TorchdetError(
    'ERR_OPTION_VALUE',
    `${where}: "keypointNames" has ${names.length} names for ${count} keypoints; it needs one for each.`,
  );
}
