/** torchvision's Faster R-CNN models by name. */
import type { RcnnConfig } from '../../../binding';
import type { Backbone } from '../../backbones/backbone';
import { mobileNetFpn } from '../../backbones/mobilenet-fpn';
import { givenOptions, omit } from '../../backbones/options';
import { resnetFpn } from '../../backbones/resnet-fpn';
import type { DetectorSpec } from '../detector-spec';
import { fasterRcnn } from './faster-rcnn';
import { checkKnown } from '../common/checks';
import { FASTER_RCNN_SETTINGS } from './faster-rcnn-options';
import type { FasterRcnnSettings } from './faster-rcnn-options';
import { backboneTraining, COCO_CLASSES, NAMED_MODEL_OPTIONS } from '../named-model';
import type { BackboneTraining, NamedModelOptions } from '../named-model';

/** Options of torchvision's Faster R-CNN models: those of `fasterRcnn` without the backbone, and those of all models. */
export interface FasterRcnnModelOptions extends NamedModelOptions, FasterRcnnSettings {}

interface Recipe {
  readonly name: string;
  /** Layers of the backbone that can be frozen. */
  readonly layers: number;
  readonly backbone: (training: BackboneTraining, normEps: number) => Backbone;
  /** Settings where the model differs from `fasterRcnn`'s defaults. */
  readonly settings: FasterRcnnSettings;
  /** eps that the published detector was trained with. Default 1e-5. */
  readonly publishedEps?: number;
}

function build(recipe: Recipe, options: FasterRcnnModelOptions): DetectorSpec<RcnnConfig> {
  const where = recipe.name;
  checkKnown(where, options, [...NAMED_MODEL_OPTIONS, ...FASTER_RCNN_SETTINGS]);
  const training = backboneTraining(where, options, recipe.layers);
  const published = training.pretrained === 'detector' ? recipe.publishedEps : undefined;
  const spec = fasterRcnn({
    ...recipe.settings,
    ...givenOptions(omit(options, NAMED_MODEL_OPTIONS)),
    backbone: recipe.backbone(training, options.normEps ?? published ?? 1e-5),
    numClasses: options.numClasses ?? COCO_CLASSES,
  });
  return {
    ...spec,
    name: recipe.name,
    warnings: [...training.warnings, ...spec.warnings],
    description: { ...spec.description, builder: recipe.name, options: givenOptions(options) },
  };
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
