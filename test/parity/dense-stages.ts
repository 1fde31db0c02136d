import assert from 'node:assert/strict';
import type { Detector } from '../../lib';
import { assertClose } from './golden';
import type { Golden } from './golden';
import { batchShape, matchStageDetections, noiseFeatures, sizeOf } from './stages';

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
  matchStageDetections(golden, 'head', result.detections, batch, missing);
}
