import { mobileNet, resnetFpn, ssdLiteMobileNet, ssdVgg16 } from '../../../lib/backbones';
import type { MobileNetV3Name, SsdLiteMobileNetOptions } from '../../../lib/backbones';
import { ssd, ssd300Vgg16, ssdlite320MobilenetV3Large } from '../../../lib/models';
import type { DetectorSpec, SsdOptions } from '../../../lib/models';

/** The detectors of test/oracle/cases_ssd.py, described with torchdet; the keys are the names of the golden files. */
export const CASES: Readonly<Record<string, () => DetectorSpec>> = {
  ssd300_vgg16: () => ssd300Vgg16(),
  ssdlite320_mobilenet_v3_large: () => ssdlite320MobilenetV3Large(),
  'ssdlite320_mobilenet_v3_large-classes': () =>
    ssdlite320MobilenetV3Large({
      numClasses: 3,
      imageMean: [0.4, 0.5, 0.6],
      imageStd: [0.3, 0.2, 0.25],
    }),

  'vgg16-highres': () =>
    full({
      backbone: ssdVgg16({ highres: true }),
      numClasses: 60,
      size: 512,
      anchorGenerator: { aspectRatios: [[2], [2, 3], [2, 3], [2, 3], [2, 3], [2], [2]] },
    }),
  'mobilenet_v3_large-full-tail': () => lite({}, 'mobilenet_v3_large', { reducedTail: false }),
  'mobilenet_v3_large-width': () =>
    lite({}, 'mobilenet_v3_large', { widthMult: 0.75, extraWidthMult: 0.35, minDepth: 60 }),
  'mobilenet_v3_small-frozen': () =>
    lite({}, 'mobilenet_v3_small', { norm: 'frozen', reducedTail: false }),
  'mobilenet_v3_small-ssd-head': () => lite({ head: { kind: 'ssd' } }),
  'resnet18-pool': () =>
    small({
      backbone: resnetFpn('resnet18'),
      anchorGenerator: { aspectRatios: [[2], [2], [2], [2], [2]] },
    }),
  'mobilenet_v2-plain': () =>
    small({
      backbone: mobileNet('mobilenet_v2'),
      anchorGenerator: { aspectRatios: [[2, 3, 5]] },
    }),

  'options-ratios': () =>
    lite({ anchorGenerator: { aspectRatios: [[], [2], [1.5, 2.5, 4], [2, 3], [], [2]] } }),
  'options-scales': () =>
    lite({ anchorGenerator: { scales: [0.08, 0.2, 0.3, 0.45, 0.7, 0.9, 1.1] } }),
  'options-scale-range': () => lite({ anchorGenerator: { minRatio: 0.05, maxRatio: 0.7 } }),
  'options-steps': () => lite({ anchorGenerator: { steps: [17, 30, 70, 100, 150.5, 320] } }),
  'options-no-clip': () =>
    lite({ anchorGenerator: { clip: false, scales: [0.3, 0.5, 0.8, 1, 1.2, 1.4, 1.7] } }),
  'options-size': () => lite({ size: [224, 130] }),
  'options-thresholds': () =>
    lite({
      scoreThresh: 0.85,
      nmsThresh: 0.25,
      detectionsPerImg: 23,
      topkCandidates: 9,
      iouThresh: 0.6,
      positiveFraction: 0.3,
    }),

  'two-classes': () => lite({ numClasses: 2 }),
  'many-classes': () => lite({ numClasses: 200, detectionsPerImg: 130, nmsThresh: 0.5 }),
  'many-detections': () => lite({ detectionsPerImg: 250 }),
  'nothing-found': () => lite({ scoreThresh: 0.9999 }),

  'images-extreme': () => lite(),
  'images-uint8': () => lite(),
  'images-upscaled': () => lite({ size: 320 }),
};

type Given = Partial<SsdOptions>;

function small(options: Given & Pick<SsdOptions, 'backbone'>): DetectorSpec {
  return ssd({ numClasses: 7, size: 160, detectionsPerImg: 60, ...options });
}

/** SSDlite on the small network with a reduced tail, unless told otherwise. */
function lite(
  options: Given = {},
  name: MobileNetV3Name = 'mobilenet_v3_small',
  backbone: SsdLiteMobileNetOptions = {},
): DetectorSpec {
  return small({
    backbone: ssdLiteMobileNet(name, { reducedTail: true, ...backbone }),
    head: { kind: 'ssdLite' },
    imageMean: [0.5, 0.5, 0.5],
    imageStd: [0.5, 0.5, 0.5],
    ...options,
  });
}

function full(options: Given = {}): DetectorSpec {
  return small({
    backbone: ssdVgg16(),
    numClasses: 5,
    size: 300,
    anchorGenerator: { aspectRatios: [[2], [2, 3], [2, 3], [2, 3], [2], [2]] },
    ...options,
  });
}
