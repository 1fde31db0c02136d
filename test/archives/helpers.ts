import { join } from 'node:path';
import { Detector, Tensor } from '../../lib';
import type { DetectionResult } from '../../lib';
import { matchDetections } from '../parity/detectors';
import type { Detections } from '../parity/detectors';
import { makeImage } from '../parity/fill';
import { ARCHIVE_FIXTURES, whole } from '../parity/golden';
import type { Golden, ImageRecipe } from '../parity/golden';

const TOLERANCE = { boxes: 1e-3, scores: 1e-5 };

export function load(name: string): Promise<Detector> {
  return Detector.load(join(ARCHIVE_FIXTURES, name), { device: 'cpu' });
}

/** The images of a golden file, as float tensors. */
export function tensorsOf(images: readonly ImageRecipe[]): Tensor[] {
  return images.map((recipe) => {
    const image = makeImage({ ...recipe, kind: 'float' });
    if (image.kind !== 'tensor') throw new Error('a float image is a tensor');
    return Tensor.from(image.data, image.shape);
  });
}

export function predict(
  detector: Detector,
  images: readonly ImageRecipe[],
  exact = true,
): Promise<DetectionResult[]> {
  return detector.predict(tensorsOf(images), { scoreThreshold: 0, exact, padded: true });
}

/** What Python found must be found, and nothing else. */
export function checkResults(
  golden: Golden,
  results: readonly Detections[],
  prefix: string,
  tolerance = TOLERANCE,
): void {
  results.forEach((result, i) => {
    matchDetections(
      {
        boxes: whole(golden, `${prefix}.boxes.${i}`),
        labels: whole(golden, `${prefix}.labels.${i}`),
        scores: whole(golden, `${prefix}.scores.${i}`),
      },
      result,
      tolerance,
      `${golden.case}, image ${i}`,
    );
  });
}
