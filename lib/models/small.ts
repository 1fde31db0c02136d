import type { RcnnConfig } from '../../binding';
import { mobileNetFpn } from '../backbones/mobilenet-fpn';
import { modelByRecipe } from './common/recipe';
import type { DetectorSpec } from './detector-spec';
import { fasterRcnn } from './rcnn/faster-rcnn';
import type { FasterRcnnModelOptions } from './rcnn/faster-rcnn-models';
import { FASTER_RCNN_SETTINGS, type FasterRcnnSettings } from './rcnn/faster-rcnn-options';

/** What the weights that ship with the package find, by label from 1 on. */
const EVERYDAY = [
  ...['person', 'car', 'bus', 'truck', 'motorcycle', 'cat', 'dog', 'horse', 'sheep', 'cow'],
  ...['bird', 'bottle', 'chair'],
];

const SETTINGS: FasterRcnnSettings = {
  minSize: 320,
  maxSize: 480,
  rpnAnchorGenerator: {
    sizes: [
      [16, 24],
      [38, 58],
      [88, 136],
      [208, 320],
    ],
    aspectRatios: [1, 2, 3.5],
  },
  rpnPreNmsTopNTest: 300,
  rpnPostNmsTopNTest: 150,
  boxHead: { kind: 'twoMlp', representationSize: 256 },
};

/**
 * The small detector: Faster R-CNN on MobileNetV2 with a feature pyramid of 128 channels (strides 8, 16, 32 and 64) for images of
 * 320 pixels, 4.6 million parameters. `Detector.default()` is this one with the weights that ship with the package, which find 13
 * everyday classes (assets/MODEL_CARD.md); with `numClasses` it is made for others.
 *
 * @param options `numClasses`: default 14, those of the weights and the background; `trainableBackboneLayers`: default 4 of 6
 * @throws TorchdetError as {@link fasterRcnn}
 */
export function smallDetector(options: FasterRcnnModelOptions = {}): DetectorSpec<RcnnConfig> {
  const categories = ['__background__', ...EVERYDAY];
  const spec = modelByRecipe(
    {
      name: 'small',
      layers: 6,
      trainableLayers: 4,
      numClasses: categories.length,
      backbone: ({ trainableLayers, norm }, normEps) =>
        mobileNetFpn('mobilenet_v2', {
          ...{ returnedLayers: [2, 3, 5], outChannels: 128 },
          ...{ trainableLayers, norm, normEps },
        }),
      build: fasterRcnn,
      known: FASTER_RCNN_SETTINGS,
      settings: SETTINGS,
    },
    options,
  );
  const isEveryday = options.numClasses === undefined && options.categories === undefined;
  return isEveryday ? { ...spec, categories } : spec;
}
