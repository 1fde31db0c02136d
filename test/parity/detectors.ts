import assert from 'node:assert/strict';
import { Detector, Tensor } from '../../lib';
import type { ImageInput } from '../../lib';
import type { DetectorSpec } from '../../lib/models';
import { fillState, makeImage } from './fill';
import type { Golden } from './golden';

/** A detector on the CPU with the weights that torchvision had when the golden file was written. */
export async function filledDetector(spec: DetectorSpec, golden: Golden): Promise<Detector> {
  const detector = await Detector.create(spec, { device: 'cpu' });
  const state = await detector.stateDict();
  const filled = fillState(
    Object.entries(state).map(([name, tensor]) => [name, tensor.shape] as const),
    golden,
  );
  await detector.loadStateDict(
    Object.fromEntries(
      Object.entries(state).map(([name, tensor]) => {
        const values = filled.get(name);
        return [name, values ? Tensor.from(values.data, values.shape) : tensor];
      }),
    ),
  );
  return detector;
}

export function imagesOf(golden: Golden): ImageInput[] {
  return golden.images.map(makeImage).map((image) => {
    if (image.kind === 'tensor') return Tensor.from(image.data, image.shape);
    const { data, width, height, channels } = image;
    return { data, width, height, channels };
  });
}

export interface Detections {
  readonly boxes: ArrayLike<number>;
  readonly labels: ArrayLike<number | bigint>;
  readonly scores: ArrayLike<number>;
}

export interface Tolerance {
  /** Pixels. */
  readonly boxes: number;
  readonly scores: number;
}

/** Largest differences of paired detections. */
export type Difference = Tolerance;

/**
 * Pairs each expected detection with one of the same label, box and score, each used once, and fails where one is left over:
 * rounding may swap neighbours in the order, but nothing may be missing or new.
 */
export function matchDetections(
  expected: Detections,
  actual: Detections,
  tolerance: Tolerance,
  what: string,
): Difference {
  const count = expected.scores.length;
  assert.equal(actual.scores.length, count, `${what}: number of detections`);
  const free = new Set(Array.from({ length: count }, (_, i) => i));
  const worst = { boxes: 0, scores: 0 };
  for (let i = 0; i < count; i++) {
    let best: (Difference & { index: number }) | undefined;
    for (const index of free) {
      if (Number(actual.labels[index]) !== Number(expected.labels[i])) continue;
      const difference = differenceOf(expected, i, actual, index);
      if (!best || difference.boxes < best.boxes) best = { index, ...difference };
    }
    const label = Number(expected.labels[i]);
    const score = (expected.scores[i] ?? NaN).toFixed(5);
    assert.ok(best, `${what}: detection ${i} (label ${label}, score ${score}) is missing`);
    assert.ok(
      best.boxes <= tolerance.boxes && best.scores <= tolerance.scores,
      `${what}: detection ${i} (label ${label}, score ${score}): nearest differs by ` +
        `${best.boxes.toExponential(1)} px and ${best.scores.toExponential(1)} in score; ` +
        `allowed are ${tolerance.boxes} and ${tolerance.scores}`,
    );
    free.delete(best.index);
    worst.boxes = Math.max(worst.boxes, best.boxes);
    worst.scores = Math.max(worst.scores, best.scores);
  }
  return worst;
}

function differenceOf(a: Detections, i: number, b: Detections, k: number): Difference {
  let boxes = 0;
  for (let side = 0; side < 4; side++) {
    boxes = Math.max(
      boxes,
      Math.abs((a.boxes[4 * i + side] ?? NaN) - (b.boxes[4 * k + side] ?? NaN)),
    );
  }
  return { boxes, scores: Math.abs((a.scores[i] ?? NaN) - (b.scores[k] ?? NaN)) };
}
