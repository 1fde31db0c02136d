/** torchvision's Keypoint R-CNN by name. */
import type { RcnnConfig } from '../../../binding';
import { resnetFpn } from '../../backbones/resnet-fpn';
import { modelByRecipe } from '../common/recipe';
import type { DetectorSpec } from '../detector-spec';
import type { NamedModelOptions } from '../named-model';
import { KEYPOINT_RCNN_SETTINGS, keypointRcnn } from './keypoint-rcnn';
import type { KeypointRcnnSettings } from './keypoint-rcnn';

/** Options of torchvision's Keypoint R-CNN: those of `keypointRcnn` without the backbone, and those of all models. */
export interface KeypointRcnnModelOptions extends NamedModelOptions, KeypointRcnnSettings {
  /** Classes **with the background**, which is label 0. Default 2: people. */
  readonly numClasses?: number;
}

/**
 * Keypoint R-CNN with ResNet-50 and a feature pyramid, 59.1 million parameters: people and their 17 keypoints; published
 * weights: COCO box AP 54.6, keypoint AP 65.0.
 *
 * @throws TorchdetError as {@link keypointRcnn}
 */
export function keypointrcnnResnet50Fpn(
  options: KeypointRcnnModelOptions = {},
): DetectorSpec<RcnnConfig> {
  return modelByRecipe<KeypointRcnnSettings, RcnnConfig>(
    {
      name: 'keypointrcnn_resnet50_fpn',
      layers: 5,
      backbone: ({ trainableLayers, norm }, normEps) =>
        resnetFpn('resnet50', { trainableLayers, norm, normEps }),
      build: keypointRcnn,
      known: KEYPOINT_RCNN_SETTINGS,
      settings: {},
      numClasses: 2,
      publishedEps: 0,
    },
    options,
  );
}
