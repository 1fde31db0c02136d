/** torchvision's SSD models by name. */
import type { DenseConfig } from '../../../binding';
import { givenOptions, omit } from '../../backbones/options';
import { SSD_LITE_NORM_OPTIONS, ssdLiteMobileNet } from '../../backbones/ssd-mobilenet';
import type { SsdLiteNormOptions } from '../../backbones/ssd-mobilenet';
import { ssdVgg16 } from '../../backbones/ssd-vgg';
import { checkKnown } from '../common/checks';
import type { DetectorSpec } from '../detector-spec';
import { backboneTraining, COCO_CLASSES, NAMED_MODEL_OPTIONS } from '../named-model';
import type { NamedModelOptions } from '../named-model';
import { ssd } from './ssd';
import { SSD_SETTINGS } from './ssd-options';
import type { SsdSettings } from './ssd-options';

/** Options of `ssd300_vgg16`: those of `ssd` without backbone, head and size, and those of all models but for the norm VGG lacks. */
export interface Ssd300Options extends Omit<NamedModelOptions, 'normEps'>, SsdSettings {}

/** Options of `ssdlite320_mobilenet_v3_large`; its norm is BatchNorm of eps 1e-3 and momentum 0.03 everywhere. */
export interface SsdLite320Options extends NamedModelOptions, SsdSettings, SsdLiteNormOptions {}

function named(
  name: string,
  spec: DetectorSpec<DenseConfig>,
  options: Ssd300Options | SsdLite320Options,
  warnings: readonly string[],
): DetectorSpec<DenseConfig> {
  const description = { ...spec.description, builder: name, options: givenOptions(options) };
  return { ...spec, name, warnings: [...warnings, ...spec.warnings], description };
}

/**
 * SSD300 with VGG-16, 35.6 million parameters; published weights: COCO box AP 25.1. Of the backbone's five layers the last
 * four train by default where weights come. A pretrained backbone wants `VGG16_Weights.IMAGENET1K_FEATURES`.
 *
 * @throws TorchdetError as {@link ssd}
 */
export function ssd300Vgg16(options: Ssd300Options = {}): DetectorSpec<DenseConfig> {
  const name = 'ssd300_vgg16';
  const known = NAMED_MODEL_OPTIONS.filter((option) => option !== 'normEps');
  checkKnown(name, options, [...known, ...SSD_SETTINGS]);
  const { trainableLayers, warnings } = backboneTraining(name, options, 5, 4);
  const spec = ssd({
    imageMean: [0.48235, 0.45882, 0.40784],
    // Undoes the division by 255: the backbone's weights want 0..255 minus the mean.
    imageStd: [1 / 255, 1 / 255, 1 / 255],
    anchorGenerator: {
      aspectRatios: [[2], [2, 3], [2, 3], [2, 3], [2], [2]],
      scales: [0.07, 0.15, 0.33, 0.51, 0.69, 0.87, 1.05],
      steps: [8, 16, 32, 64, 100, 300],
    },
    ...givenOptions(omit(options, ['numClasses', 'pretrained', 'trainableBackboneLayers'])),
    backbone: ssdVgg16({ trainableLayers }),
    numClasses: options.numClasses ?? COCO_CLASSES,
    size: 300,
  });
  return named(name, spec, options, warnings);
}

/**
 * SSDlite with MobileNetV3-Large at 320 x 320 pixels, 3.4 million parameters; published weights: COCO box AP 21.3. Without a
 * pretrained backbone, and for the published weights too, the network's tail has half the channels; six layers train by
 * default.
 *
 * @throws TorchdetError as {@link ssd}
 */
export function ssdlite320MobilenetV3Large(
  options: SsdLite320Options = {},
): DetectorSpec<DenseConfig> {
  const name = 'ssdlite320_mobilenet_v3_large';
  checkKnown(name, options, [...NAMED_MODEL_OPTIONS, ...SSD_LITE_NORM_OPTIONS, ...SSD_SETTINGS]);
  const { pretrained, trainableLayers, warnings } = backboneTraining(name, options, 6, 6);
  const { norm, normEps, normMomentum } = options;
  const normOptions = givenOptions({ norm, normEps, normMomentum }) as SsdLiteNormOptions;
  const spec = ssd({
    imageMean: [0.5, 0.5, 0.5],
    imageStd: [0.5, 0.5, 0.5],
    scoreThresh: 0.001,
    nmsThresh: 0.55,
    detectionsPerImg: 300,
    topkCandidates: 300,
    anchorGenerator: { minRatio: 0.2, maxRatio: 0.95 },
    ...givenOptions(omit(options, [...NAMED_MODEL_OPTIONS, 'norm', 'normMomentum'])),
    backbone: ssdLiteMobileNet('mobilenet_v3_large', {
      ...normOptions,
      trainableLayers,
      reducedTail: pretrained !== 'backbone',
    }),
    numClasses: options.numClasses ?? COCO_CLASSES,
    size: 320,
    head: { kind: 'ssdLite', ...normOptions },
  });
  return named(name, spec, options, warnings);
}
