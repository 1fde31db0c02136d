/** torchvision's Mask R-CNN models by name. */
import type { RcnnConfig } from '../../../binding';
import { resnetFpn } from '../../backbones/resnet-fpn';
import { modelByRecipe } from '../common/recipe';
import type { DetectorSpec } from '../detector-spec';
import type { NamedModelOptions } from '../named-model';
import { MASK_RCNN_SETTINGS, maskRcnn } from './mask-rcnn';
import type { MaskRcnnSettings } from './mask-rcnn';

/** Options of torchvision's Mask R-CNN models: those of `maskRcnn` without the backbone, and those of all models. */
export interface MaskRcnnModelOptions extends NamedModelOptions, MaskRcnnSettings {}

/**
 * Mask R-CNN with ResNet-50 and a feature pyramid, 44.4 million parameters; published weights: COCO box AP 37.9, mask AP 34.6.
 *
 * @throws TorchdetError as {@link maskRcnn}
 */
export function maskrcnnResnet50Fpn(options: MaskRcnnModelOptions = {}): DetectorSpec<RcnnConfig> {
  return modelByRecipe<MaskRcnnSettings, RcnnConfig>(
    {
      name: 'maskrcnn_resnet50_fpn',
      layers: 5,
      backbone: ({ trainableLayers, norm }, normEps) =>
        resnetFpn('resnet50', { trainableLayers, norm, normEps }),
      build: maskRcnn,
      known: MASK_RCNN_SETTINGS,
      settings: {},
      publishedEps: 0,
    },
    options,
  );
}

/**
 * The improved recipe (https://arxiv.org/abs/2111.11429): BatchNorm everywhere, also in the pyramid and in the box and mask
 * heads, a deeper RPN head. 46.4 million parameters; published weights: COCO box AP 47.4, mask AP 41.8.
 *
 * @throws TorchdetError as {@link maskRcnn}
 */
export function maskrcnnResnet50FpnV2(
  options: MaskRcnnModelOptions = {},
): DetectorSpec<RcnnConfig> {
  return modelByRecipe<MaskRcnnSettings, RcnnConfig>(
    {
      name: 'maskrcnn_resnet50_fpn_v2',
      layers: 5,
      backbone: ({ trainableLayers }, normEps) =>
        resnetFpn('resnet50', { trainableLayers, norm: 'batch', normEps, fpnNorm: 'batch' }),
      build: maskRcnn,
      known: MASK_RCNN_SETTINGS,
      settings: {
        rpnHead: { convDepth: 2 },
        boxHead: { kind: 'conv' },
        maskHead: { norm: 'batch' },
      },
    },
    options,
  );
}
