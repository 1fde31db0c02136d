import type { RcnnConfig } from '../../binding';
import { mobileNetFpn } from '../backbones/mobilenet-fpn';
import type { DetectorSpec } from './detector-spec';
import { fasterRcnn } from './rcnn/faster-rcnn';
import type { FasterRcnnSettings } from './rcnn/faster-rcnn-options';

/**
 * The architecture of the small detector that ships with the package, for as many classes as one likes: Faster R-CNN on
 * MobileNetV2 with a feature pyramid of 128 channels, strides 8, 16, 32 and 64. The numbers are those its weights were trained
 * with (examples/person-detector/train.py) and stand beside them in the file's metadata.
 *
 * @internal
 */
export function smallDetector(
  options: FasterRcnnSettings & { readonly numClasses: number },
): DetectorSpec<RcnnConfig> {
  return fasterRcnn({
    backbone: mobileNetFpn('mobilenet_v2', {
      returnedLayers: [2, 3, 5],
      outChannels: 128,
      trainableLayers: 4,
    }),
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
    ...options,
  });
}

/** The small detector of people that ships with the package. */
export function personDetector(): DetectorSpec<RcnnConfig> {
  const spec = smallDetector({ numClasses: 2, categories: ['__background__', 'person'] });
  return {
    ...spec,
    name: 'person',
    description: { ...spec.description, builder: 'person', options: {} },
  };
}
