/** torchvision's FCOS by name. */
import type { DenseConfig } from '../../../binding';
import { resnetFpn } from '../../backbones/resnet-fpn';
import { denseModel } from '../common/dense-models';
import type { DetectorSpec } from '../detector-spec';
import type { NamedModelOptions } from '../named-model';
import { fcos, FCOS_SETTINGS } from './fcos';
import type { FcosSettings } from './fcos';

/** Options of torchvision's FCOS model: those of `fcos` without the backbone, and those of all models. */
export interface FcosModelOptions extends NamedModelOptions, FcosSettings {}

/**
 * FCOS with ResNet-50 and a feature pyramid, 32.3 million parameters; published weights: COCO box AP 39.2.
 *
 * @throws TorchdetError as {@link fcos}
 */
export function fcosResnet50Fpn(options: FcosModelOptions = {}): DetectorSpec<DenseConfig> {
  return denseModel<FcosSettings>(
    {
      name: 'fcos_resnet50_fpn',
      layers: 5,
      backbone: ({ trainableLayers, norm }, normEps) =>
        resnetFpn('resnet50', {
          ...{ trainableLayers, norm, normEps },
          returnedLayers: [2, 3, 4],
          extraBlocks: 'p6p7',
        }),
      build: fcos,
      known: FCOS_SETTINGS,
      settings: {},
    },
    options,
  );
}
