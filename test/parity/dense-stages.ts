import assert from 'node:assert/strict';
import type { Detector } from '../../lib';
import { matchDetections } from './detectors';
import { assertClose, whole } from './golden';
import type { Golden } from './golden';
import { batchShape, noiseFeatures, sizeOf } from './stages';

/**
 * The head of a one-stage detector on feature maps of normal noise, and the detections it leads to; `missing` of them may be
 * others.
 */
export async function checkHead(detector: Detector, golden: Golden, missing = 0): Promise<void> {
  const batch = batchShape(golden);
  const features = Object.values(noiseFeatures(golden));
  const result = await detector.stages.head(features, golden.imageSizes, sizeOf(batch));
  assertClose(golden, 'head.anchors', result.anchors);
  const names = Object.keys(golden.samples).filter((name) =>
    /^head\.(cls_logits|bbox_)/.test(name),
  );
  assert.deepEqual(
    Object.keys(result.outputs)
      .map((name) => `head.${name}`)
      .sort(),
    names.sort(),
  );
  for (const [name, tensor] of Object.entries(result.outputs)) {
    assertClose(golden, `head.${name}`, tensor);
  }
  result.detections.forEach((found, i) => {
    matchDetections(
      {
        boxes: whole(golden, `head.boxes.${i}`),
        labels: whole(golden, `head.labels.${i}`),
        scores: whole(golden, `head.scores.${i}`),
      },
      {
        boxes: found.boxes.data as Float32Array,
        labels: found.labels.data,
        scores: found.scores.data as Float32Array,
      },
      // Boxes are in pixels of a batch of some hundred, scores in 0..1.
      { boxes: 1e-5 * Math.max(...batch), scores: 1e-5 },
      `detections of image ${i}`,
      missing,
    );
  });
}
