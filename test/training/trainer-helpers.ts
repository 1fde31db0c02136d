/** Runs small enough for tests: a few steps over pictures of squares. */
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fasterRcnn, mobileNetFpn, Detector, openDataset, setThreads, Trainer } from '../../lib';
import type { TrainerOptions } from '../../lib';

/**
 * Threads that wait for each other make such small networks slower on a busy machine, not faster: one, and afterwards as
 * many as before.
 */
export const oneThread = {
  begin: () => {
    setThreads(1);
  },
  end: () => {
    setThreads(availableParallelism());
  },
};

/** Random weights, images of 64 pixels, few proposals. */
export function tinyDetector(categories: readonly string[]): Promise<Detector> {
  const spec = fasterRcnn({
    backbone: mobileNetFpn('mobilenet_v3_small', { outChannels: 8, norm: 'batch' }),
    numClasses: categories.length,
    categories,
    minSize: 64,
    maxSize: 96,
    rpnPreNmsTopNTrain: 50,
    rpnPostNmsTopNTrain: 50,
    rpnPostNmsTopNTest: 20,
    boxBatchSizePerImage: 16,
    boxHead: { kind: 'twoMlp', representationSize: 8 },
  });
  return Detector.create(spec, { device: 'cpu' });
}

/** Splits train and val of a folder that writeSquares wrote. */
export async function openSquares(folder: string) {
  return {
    data: await openDataset(folder, { split: 'train' }),
    val: await openDataset(folder, { split: 'val' }),
  };
}

/** Options of a run of two epochs over six images. */
export async function tinyRun(
  folder: string,
  out: string,
  options: Partial<TrainerOptions> = {},
): Promise<TrainerOptions> {
  const { data, val } = await openSquares(join(folder, 'squares'));
  const detector = options.detector ?? (await tinyDetector(data.names));
  return { detector, data, val, out: join(folder, out), epochs: 2, batchSize: 2, ...options };
}

/** Goes through a run. */
export async function finish(options: TrainerOptions) {
  const trainer = await Trainer.create(options);
  const steps = [];
  try {
    for await (const step of trainer.run()) steps.push(step);
    return { steps, best: trainer.best, ended: trainer.ended, length: trainer.length };
  } finally {
    await trainer.dispose();
    await options.detector.dispose();
  }
}
