/** What processes that train together train in tests: small detectors, and a batch that can be divided. */
import { join } from 'node:path';
import { Detector, fasterRcnn, mobileNetFpn, retinaNet, sgd } from '../../lib';
import type { TrainerOptions, TrainingSample } from '../../lib';
import { RandomStream } from '../../lib/data/augment-random';

const [width, height] = [96, 72];

export type ModelName = 'retinanet' | 'faster-rcnn';

const SIZES = { minSize: 64, maxSize: 96 } as const;

export function makeDetector(name: ModelName, seed: number): Promise<Detector> {
  const backbone = mobileNetFpn('mobilenet_v3_small', { outChannels: 8, trainableLayers: 6 });
  const spec =
    name === 'retinanet'
      ? retinaNet({ backbone, numClasses: 3, ...SIZES })
      : fasterRcnn({
          backbone,
          numClasses: 3,
          ...SIZES,
          rpnPreNmsTopNTrain: 50,
          rpnPostNmsTopNTrain: 50,
          boxBatchSizePerImage: 16,
          boxHead: { kind: 'twoMlp', representationSize: 8 },
        });
  return Detector.create(spec, { device: 'cpu', seed });
}

/** Noise with boxes of other noise, all of one size. */
export function makeSamples(count: number): TrainingSample[] {
  return Array.from({ length: count }, (_, i) => {
    const random = new RandomStream(3, i);
    const data = Uint8Array.from({ length: width * height * 3 }, () => random.integer(256));
    const boxes = Array.from({ length: 1 + (i % 3) }, () => {
      const [x, y] = [random.integer(48), random.integer(36)];
      return [x, y, x + 16 + random.integer(32), y + 16 + random.integer(20)];
    });
    const labels = boxes.map(() => 1 + random.integer(2));
    return { image: { data, width, height, channels: 3 }, boxes, labels, name: `image ${i}` };
  });
}

/** Two epochs in steps of four images, over the squares in `folder`; without augmentation, so that all draw the same. */
export function squaresRun(
  folder: string,
  out: string,
  options: Pick<TrainerOptions, 'detector' | 'data' | 'val' | 'group'>,
): TrainerOptions {
  return {
    ...options,
    out: join(folder, out),
    epochs: 2,
    batchSize: 4 / (options.group?.worldSize ?? 1),
    augmentation: 'none',
    optimizer: sgd({ lr: 0.005, momentum: 0.9 }),
  };
}
