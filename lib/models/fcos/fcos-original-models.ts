/** The original FCOS repository's model by the name of its configuration. */
import type { DenseConfig } from '../../../binding';
import { resnetFpn } from '../../backbones/resnet-fpn';
import { denseModel } from '../common/dense-models';
import type { DetectorSpec } from '../detector-spec';
import type { NamedModelOptions } from '../named-model';
import { fcosOriginal, FCOS_ORIGINAL_SETTINGS } from './fcos-original';
import type { FcosOriginalSettings } from './fcos-original';

/** Options of `fcos_imprv_r50_fpn_1x`: those of `fcosOriginal` without the backbone, and those of all models. */
export interface FcosImprvModelOptions extends NamedModelOptions, FcosOriginalSettings {}

/**
 * The original repository's `fcos_imprv_R_50_FPN_1x`: ResNet-50 with the stride in the 1x1 and norms without eps, a pyramid from
 * C3 to C5 with P6 and P7 on P5, 80 classes and the background. With `pretrained: 'backbone'` the body is torchvision's, as
 * its ImageNet weights want it: stride in the 3x3, eps 1e-5.
 *
 * @throws TorchdetError as {@link fcosOriginal}
 */
export function fcosImprvR50Fpn1x(options: FcosImprvModelOptions = {}): DetectorSpec<DenseConfig> {
  return denseModel<FcosOriginalSettings>(
    {
      name: 'fcos_imprv_r50_fpn_1x',
      layers: 5,
      backbone: ({ pretrained, trainableLayers, norm }, normEps) =>
        resnetFpn('resnet50', {
          ...{ trainableLayers, norm, normEps },
          returnedLayers: [2, 3, 4],
          extraBlocks: 'p6p7',
          strideIn1x1: pretrained !== 'backbone',
          weightInit: 'kaimingUniform',
        }),
      build: fcosOriginal,
      known: FCOS_ORIGINAL_SETTINGS,
      settings: {},
      numClasses: 81,
      publishedEps: 0,
    },
    options,
  );
}
