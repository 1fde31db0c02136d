/** torchvision's RetinaNet models by name. */
import type { DenseConfig } from '../../../binding';
import { resnetFpn } from '../../backbones/resnet-fpn';
import { denseModel } from '../common/dense-models';
import type { DetectorSpec } from '../detector-spec';
import type { NamedModelOptions } from '../named-model';
import { retinaNet, RETINANET_SETTINGS } from './retinanet';
import type { RetinaNetSettings } from './retinanet';

/** Options of torchvision's RetinaNet models: those of `retinaNet` without the backbone, and those of all models. */
export interface RetinaNetModelOptions extends NamedModelOptions, RetinaNetSettings {}

const FAMILY = { build: retinaNet, known: RETINANET_SETTINGS, layers: 5 };
/** Stride 4 is left out: it would make most of the anchors and find little. */
const returnedLayers = [2, 3, 4];

/**
 * RetinaNet with ResNet-50 and a feature pyramid, 34.0 million parameters; published weights: COCO box AP 36.4.
 *
 * @throws TorchdetError as {@link retinaNet}
 */
export function retinanetResnet50Fpn(
  options: RetinaNetModelOptions = {},
): DetectorSpec<DenseConfig> {
  return denseModel<RetinaNetSettings>(
    {
      ...FAMILY,
      name: 'retinanet_resnet50_fpn',
      backbone: ({ trainableLayers, norm }, normEps) =>
        resnetFpn('resnet50', {
          ...{ trainableLayers, norm, normEps, returnedLayers },
          extraBlocks: 'p6p7',
        }),
      settings: {},
      publishedEps: 0,
    },
    options,
  );
}

/**
 * The improved recipe (https://arxiv.org/abs/1912.02424): GroupNorm in the head, GIoU loss, p6 from the body's last map, plain
 * BatchNorm in the body. 38.2 million parameters; published weights: COCO box AP 41.5.
 *
 * @throws TorchdetError as {@link retinaNet}
 */
export function retinanetResnet50FpnV2(
  options: RetinaNetModelOptions = {},
): DetectorSpec<DenseConfig> {
  return denseModel<RetinaNetSettings>(
    {
      ...FAMILY,
      name: 'retinanet_resnet50_fpn_v2',
      backbone: ({ trainableLayers }, normEps) =>
        resnetFpn('resnet50', {
          ...{ trainableLayers, norm: 'batch', normEps, returnedLayers },
          extraBlocks: 'p6p7OnC5',
        }),
      settings: { head: { norm: 'group' }, boxLoss: 'giou' },
    },
    options,
  );
}
