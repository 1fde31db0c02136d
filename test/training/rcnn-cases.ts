import { join } from 'node:path';
import { mobileNet, mobileNetFpn, resnetFpn } from '../../lib/backbones';
import { fasterRcnn, keypointRcnn, maskRcnn } from '../../lib/models';
import type { DetectorSpec, FasterRcnnOptions } from '../../lib/models';
import type { Backbone } from '../../lib/backbones';
import type { TrainingSample } from '../../lib';
import { imagesOf } from '../parity/detectors';
import { random } from '../parity/fill';
import { readGolden } from '../parity/golden';
import type { Golden } from '../parity/golden';

/** How the target of an image is drawn; see draw_targets in test/oracle/training.py. */
export interface TargetRecipe {
  readonly count: number;
  /** The background counted. */
  readonly classes: number;
  readonly seed: number;
  readonly masks: boolean;
  /** Of each object; 0 for models without. */
  readonly keypoints: number;
}

/** What test/oracle/training.py writes. */
export interface TrainingGolden extends Golden {
  readonly objects: readonly TargetRecipe[];
  readonly seed: number;
  readonly learningRate: number;
  readonly lossNames: readonly string[];
  readonly trained: readonly string[];
  /** Gradients that torchvision's own layouts do not agree on. */
  readonly uncertain?: readonly string[];
}

const FOLDER = join(__dirname, '..', 'fixtures', 'training');

export function readTrainingGolden(name: string): TrainingGolden {
  return readGolden(join(FOLDER, `${name}.safetensors`)) as TrainingGolden;
}

const TRAINED = {
  boxHead: { kind: 'twoMlp', representationSize: 64 },
  minSize: [80, 96, 112],
  maxSize: 160,
  rpnPostNmsTopNTrain: 60,
  rpnBatchSizePerImage: 64,
  boxBatchSizePerImage: 32,
} as const;

function small(backbone: Backbone, options: Partial<FasterRcnnOptions> = {}): DetectorSpec {
  return fasterRcnn({ backbone, numClasses: 7, ...TRAINED, ...options });
}

/** The detectors of test/oracle/training.py, described with torchdet; the keys are the names of the golden files. */
export const CASES: Readonly<Record<string, () => DetectorSpec>> = {
  resnet18: () => small(resnetFpn('resnet18')),
  'resnet18-batch-norm': () =>
    small(resnetFpn('resnet18', { norm: 'batch', trainableLayers: 5 }), { rpnPostNmsTopNTrain: 1 }),
  'resnet18-background': () => small(resnetFpn('resnet18')),
  'mobilenet_v2-fpn': () =>
    small(mobileNetFpn('mobilenet_v2'), { rpnAnchorGenerator: { sizes: [[16], [32], [64]] } }),
  'mobilenet_v3_large-plain': () =>
    small(mobileNet('mobilenet_v3_large'), { rpnAnchorGenerator: { sizes: [[16, 32, 64]] } }),
  options: () =>
    small(resnetFpn('resnet18'), {
      rpnFgIouThresh: 0.6,
      rpnBgIouThresh: 0.2,
      rpnPositiveFraction: 0.3,
      rpnPreNmsTopNTrain: 60,
      rpnBatchSizePerImage: 90,
      boxFgIouThresh: 0.6,
      boxBgIouThresh: 0.4,
      boxPositiveFraction: 0.4,
      boxBatchSizePerImage: 48,
      bboxRegWeights: [8, 9, 4, 3],
    }),
  masks: () => masks([32, 48]),
  'masks-background': () => masks([32]),
  keypoints: () =>
    keypointRcnn({
      backbone: resnetFpn('resnet18'),
      numClasses: 3,
      numKeypoints: 5,
      keypointHead: { layers: [32, 48] },
      ...TRAINED,
    }),
};

function masks(layers: readonly number[]): DetectorSpec {
  return maskRcnn({
    backbone: resnetFpn('resnet18'),
    numClasses: 5,
    maskHead: { layers },
    maskPredictor: { dimReduced: 32 },
    ...TRAINED,
  });
}

/** As draw_targets in test/oracle/training.py. */
export function drawTarget(
  { height, width }: { readonly height: number; readonly width: number },
  { count, classes, seed, masks: withMasks, keypoints }: TargetRecipe,
): Omit<TrainingSample, 'image'> {
  const numbers = random('uniform', [count, 4], seed).data;
  const size = [width, height];
  const corners = new Float64Array(count * 2);
  const sides = new Float64Array(count * 2);
  const boxes = new Float32Array(count * 4);
  for (let i = 0; i < count; i++) {
    for (let axis = 0; axis < 2; axis++) {
      const extent = size[axis] ?? NaN;
      const side = Math.floor(extent * (0.25 + 0.5 * (numbers[4 * i + 2 + axis] ?? NaN)));
      const corner = Math.floor((extent - side) * (numbers[4 * i + axis] ?? NaN));
      corners[2 * i + axis] = corner;
      sides[2 * i + axis] = side;
      boxes[4 * i + axis] = corner;
      boxes[4 * i + 2 + axis] = corner + side;
    }
  }
  return {
    boxes,
    labels: Int32Array.from({ length: count }, (_, i) => 1 + (i % (classes - 1))),
    ...(withMasks && { masks: ellipses(width, height, corners, sides) }),
    ...(keypoints > 0 && { keypoints: points(seed, corners, sides, keypoints) }),
  };
}

function ellipses(
  width: number,
  height: number,
  corners: Float64Array,
  sides: Float64Array,
): Uint8Array {
  const count = sides.length / 2;
  const masks = new Uint8Array(count * height * width);
  for (let i = 0; i < masks.length; i++) {
    const object = Math.floor(i / (height * width));
    const place = [i % width, Math.floor(i / width) % height];
    const [across = NaN, down = NaN] = place.map((pixel, axis) => {
      const side = sides[2 * object + axis] ?? NaN;
      return ((pixel + 0.5 - ((corners[2 * object + axis] ?? NaN) + side / 2)) * 2) / side;
    });
    masks[i] = across * across + down * down <= 1 ? 1 : 0;
  }
  return masks;
}

function points(
  seed: number,
  corners: Float64Array,
  sides: Float64Array,
  keypoints: number,
): Float32Array {
  const count = sides.length / 2;
  const places = random('uniform', [count, keypoints, 2], seed + 1).data;
  const found = new Float32Array(count * keypoints * 3);
  for (let i = 0; i < count * keypoints; i++) {
    const object = Math.floor(i / keypoints);
    for (let axis = 0; axis < 2; axis++) {
      const along = (sides[2 * object + axis] ?? NaN) * (places[2 * i + axis] ?? NaN);
      found[3 * i + axis] = Math.floor((corners[2 * object + axis] ?? NaN) + along);
    }
    found[3 * i + 2] = i % keypoints < keypoints - 1 ? 1 : 0;
  }
  return found;
}

export function samplesOf(golden: TrainingGolden): TrainingSample[] {
  return imagesOf(golden).map((image, i) => {
    const recipe = golden.objects[i];
    const size = golden.images[i];
    if (!recipe || !size) throw new Error(`no target for image ${i}`);
    return { image, ...drawTarget(size, recipe) };
  });
}
