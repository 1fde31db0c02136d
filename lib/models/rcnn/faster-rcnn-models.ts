/** torchvision's Faster R-CNN models by name. */
import type { RcnnConfig } from '../../../binding';
import { mobileNetFpn } from '../../backbones/mobilenet-fpn';
import { resnetFpn } from '../../backbones/resnet-fpn';
import type { DetectorSpec } from '../detector-spec';
import { fasterRcnn } from './faster-rcnn';
import { modelByRecipe } from '../common/recipe';
import type { Recipe } from '../common/recipe';
import { FASTER_RCNN_SETTINGS } from './faster-rcnn-options';
import type { FasterRcnnSettings } from './faster-rcnn-options';
import type { NamedModelOptions } from '../named-model';

/** Options of torchvision's Faster R-CNN models: those of `fasterRcnn` without the backbone, and those of all models. */
export interface FasterRcnnModelOptions extends NamedModelOptions, FasterRcnnSettings {}

type FasterRcnnRecipe = Omit<Recipe<FasterRcnnSettings, RcnnConfig>, 'build' | 'known'>;

function build(
  recipe: FasterRcnnRecipe,
  options: FasterRcnnModelOptions,
): DetectorSpec<RcnnConfig> {
  return modelByRecipe({ ...recipe, build: fasterRcnn, known: FASTER_RCNN_SETTINGS }, options);
}

/**
 * Faster R-CNN with ResNet-50 and a feature pyramid, 41.8 million parameters; published weights: COCO box AP 37.0.
 *
 * @throws TorchdetError as {@link fasterRcnn}
 */
export function fasterrcnnResnet50Fpn(
  options: FasterRcnnModelOptions = {},
): DetectorSpec<RcnnConfig> {
  return build(
    {
      name: 'fasterrcnn_resnet50_fpn',
      layers: 5,
      backbone: ({ trainableLayers, norm }, normEps) =>
        resnetFpn('resnet50', { trainableLayers, norm, normEps }),
      settings: {},
      publishedEps: 0,
    },
    options,
  );
}

/**
 * The improved recipe (https://arxiv.org/abs/2111.11429): BatchNorm everywhere, also in the pyramid and the box head, a
 * deeper RPN head. 43.7 million parameters; published weights: COCO box AP 46.7.
 *
 * @throws TorchdetError as {@link fasterRcnn}
 */
export function fasterrcnnResnet50FpnV2(
  options: FasterRcnnModelOptions = {},
): DetectorSpec<RcnnConfig> {
  return build(
    {
      name: 'fasterrcnn_resnet50_fpn_v2',
      layers: 5,
      backbone: ({ trainableLayers }, normEps) =>
        resnetFpn('resnet50', { trainableLayers, norm: 'batch', normEps, fpnNorm: 'batch' }),
      settings: { rpnHead: { convDepth: 2 }, boxHead: { kind: 'conv' } },
    },
    options,
  );
}

function mobilenetV3Large(
  name: string,
  settings: FasterRcnnSettings,
  options: FasterRcnnModelOptions,
): DetectorSpec<RcnnConfig> {
  const sizes = [32, 64, 128, 256, 512];
  return build(
    {
      name,
      layers: 6,
      backbone: ({ trainableLayers, norm }, normEps) =>
        mobileNetFpn('mobilenet_v3_large', { trainableLayers, norm, normEps }),
      settings: {
        rpnAnchorGenerator: { sizes: [sizes, sizes, sizes] },
        rpnScoreThresh: 0.05,
        ...settings,
      },
    },
    options,
  );
}

/**
 * Faster R-CNN with MobileNetV3-Large and a feature pyramid, 19.4 million parameters; published weights: COCO box AP 32.8.
 *
 * @throws TorchdetError as {@link fasterRcnn}
 */
export function fasterrcnnMobilenetV3LargeFpn(
  options: FasterRcnnModelOptions = {},
): DetectorSpec<RcnnConfig> {
  return mobilenetV3Large('fasterrcnn_mobilenet_v3_large_fpn', {}, options);
}

/**
 * The same for small images, shorter side 320, and with fewer proposals; published weights: COCO box AP 22.8.
 *
 * @throws TorchdetError as {@link fasterRcnn}
 */
export function fasterrcnnMobilenetV3Large320Fpn(
  options: FasterRcnnModelOptions = {},
): DetectorSpec<RcnnConfig> {
  const settings = {
    minSize: 320,
    maxSize: 640,
    rpnPreNmsTopNTest: 150,
    rpnPostNmsTopNTest: 150,
  };
  return mobilenetV3Large('fasterrcnn_mobilenet_v3_large_320_fpn', settings, options);
}
