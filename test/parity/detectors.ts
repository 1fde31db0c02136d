import assert from 'node:assert/strict';
import { Detector, Tensor } from '../../lib';
import type { ImageInput } from '../../lib';
import type { DetectorSpec } from '../../lib/models';
import { fillState, makeImage } from './fill';
import type { Golden } from './golden';

/** A detector on the CPU with the weights that torchvision had when the golden file was written. */
export async function filledDetector(spec: DetectorSpec, golden: Golden): Promise<Detector> {
  const detector = await Detector.create(spec, { device: 'cpu', onMessage: () => undefined });
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
 * Pairs each expected detection with one of the same label, box and score, each used once: rounding may swap neighbours in
 * the order, but nothing may be missing or new, apart from `missing` of them.
 *
 * @returns the largest differences of pairs
 */
export function matchDetections(
  expected: Detections,
  actual: Detections,
  tolerance: Tolerance,
  what: string,
  missing = 0,
): Difference & { readonly missing: number } {
  const count = expected.scores.length;
  assert.ok(
    Math.abs(actual.scores.length - count) <= missing,
    `${what}: ${actual.scores.length} detections, expected are ${count}`,
  );
  const free = new Set(Array.from(actual.scores, (_, i) => i));
  const worst = { boxes: 0, scores: 0, missing: 0 };
  for (let i = 0; i < count; i++) {
    let best: (Difference & { index: number }) | undefined;
    for (const index of free) {
      if (Number(actual.labels[index]) !== Number(expected.labels[i])) continue;
      const difference = differenceOf(expected, i, actual, index);
      if (!best || difference.boxes < best.boxes) best = { index, ...difference };
    }
    if (!best || !(best.boxes <= tolerance.boxes && best.scores <= tolerance.scores)) {
      worst.missing++;
      assert.ok(worst.missing <= missing, describeMissing(expected, i, best, tolerance, what));
      continue;
    }
    free.delete(best.index);
    worst.boxes = Math.max(worst.boxes, best.boxes);
    worst.scores = Math.max(worst.scores, best.scores);
  }
  return worst;
}

function describeMissing(
  expected: Detections,
  i: number,
  best: Difference | undefined,
  tolerance: Tolerance,
  what: string,
): string {
  const score = (expected.scores[i] ?? NaN).toFixed(5);
  const wanted = `${what}: detection ${i} (label ${Number(expected.labels[i])}, score ${score})`;
  if (!best) return `${wanted} is missing`;
  return (
    `${wanted}: nearest differs by ${best.boxes.toExponential(1)} px and ${best.scores.toExponential(1)} in score; ` +
    `allowed are ${tolerance.boxes} and ${tolerance.scores}`
  );
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
