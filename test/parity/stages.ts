import assert from 'node:assert/strict';
import type { Detector } from '../../lib';
import { Tensor } from '../../lib';
import type { StageDetections } from '../../lib/detection/stages';
import { imagesOf, matchDetections } from './detectors';
import type { Tolerance } from './detectors';
import { random } from './fill';
import { assertClose, elements, exactTolerance, whole } from './golden';
import type { Golden } from './golden';

/** As in test/oracle/stages.py. */
const FEATURE_SEED = 1000;

/** The transform of the golden file's own images. */
export async function checkTransform(detector: Detector, golden: Golden): Promise<void> {
  const { batch, imageSizes } = await detector.stages.transform(imagesOf(golden));
  if (JSON.stringify(imageSizes) !== JSON.stringify(golden.imageSizes)) {
    throw new Error(
      `image sizes ${JSON.stringify(imageSizes)}, torchvision has ${JSON.stringify(golden.imageSizes)}`,
    );
  }
  assertClose(golden, 'transform.batch', batch);
}

/** The backbone on a batch of normal noise: to 1e-5, or twice what torchvision's own maps move, where that is more. */
export async function checkBackbone(detector: Detector, golden: Golden): Promise<void> {
  const features = await detector.stages.backbone(normal(batchShape(golden), FEATURE_SEED - 1));
  const names = Object.keys(golden.featureShapes);
  if (Object.keys(features).join() !== names.join()) {
    throw new Error(
      `feature maps ${Object.keys(features).join()}, torchvision has ${names.join()}`,
    );
  }
  const tolerance = Math.max(1e-5, 2 * (golden.noise.backbone ?? 0));
  for (const [name, tensor] of Object.entries(features)) {
    assertClose(golden, `backbone.${name}`, tensor, tolerance);
  }
}

/** The RPN on feature maps of normal noise; `missing` of the proposals may be others. */
export async function checkRpn(detector: Detector, golden: Golden, missing = 0): Promise<void> {
  const batch = batchShape(golden);
  const result = await detector.stages.rpn(
    Object.values(noiseFeatures(golden)),
    golden.imageSizes,
    sizeOf(batch),
  );
  assertClose(golden, 'rpn.anchors', result.anchors);
  assertClose(golden, 'rpn.objectness', result.objectness);
  assertClose(golden, 'rpn.deltas', result.deltas);
  for (let i = 0; i < golden.images.length; i++) {
    const scores = whole(golden, `rpn.scores.${i}`);
    const none = { labels: new Int32Array(scores.length) };
    matchDetections(
      { boxes: whole(golden, `rpn.proposals.${i}`), scores, ...none },
      {
        boxes: result.proposals[i]?.data as Float32Array,
        scores: result.scores[i]?.data as Float32Array,
        ...none,
      },
      // Proposals are in pixels of a batch of some hundred, scores in 0..1.
      { boxes: 1e-5 * Math.max(...batch), scores: 1e-5 },
      `proposals of image ${i}`,
      missing,
    );
  }
}

/** The RoI heads on feature maps of normal noise and torchvision's proposals. */
export async function checkRoiHeads(detector: Detector, golden: Golden): Promise<void> {
  const batch = batchShape(golden);
  const proposals = golden.images.map((_, i) => {
    const boxes = whole(golden, `rpn.proposals.${i}`) as Float32Array;
    return Tensor.from(boxes, [boxes.length / 4, 4]);
  });
  const result = await detector.stages.roiHeads(
    noiseFeatures(golden),
    proposals,
    golden.imageSizes,
    sizeOf(batch),
  );
  assertClose(golden, 'roiHeads.pooled', result.pooled);
  assertClose(golden, 'roiHeads.classLogits', result.classLogits);
  assertClose(golden, 'roiHeads.boxRegression', result.boxRegression);
  matchStageDetections(golden, 'roiHeads', result.detections, batch);
}

/** A stage's detections, in the batch's pixels, against those under the stage's name; up to `missing` may be absent. */
export function matchStageDetections(
  golden: Golden,
  stage: string,
  detections: readonly StageDetections[],
  batch: readonly number[],
  missing = 0,
): void {
  detections.forEach((found, i) => {
    matchDetections(
      {
        boxes: whole(golden, `${stage}.boxes.${i}`),
        labels: whole(golden, `${stage}.labels.${i}`),
        scores: whole(golden, `${stage}.scores.${i}`),
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

/** Of the folded and fused mode. */
const FUSED_TOLERANCE: Tolerance = { boxes: 0.05, scores: 1e-4 };

/** From the golden file's images to detections, in one of predict's modes. */
export async function checkDetections(
  detector: Detector,
  golden: Golden,
  exact: boolean,
): Promise<void> {
  const results = await detector.predict(imagesOf(golden), {
    scoreThreshold: 0,
    exact,
    padded: true,
  });
  assert.equal(results.length, golden.images.length);
  results.forEach((result, i) => {
    const image = golden.images[i];
    assert.deepEqual([result.width, result.height], [image?.width, image?.height]);
    matchDetections(
      {
        boxes: whole(golden, `detections.boxes.${i}`),
        labels: whole(golden, `detections.labels.${i}`),
        scores: whole(golden, `detections.scores.${i}`),
      },
      result,
      exact ? exactTolerance(golden) : FUSED_TOLERANCE,
      `image ${i}`,
    );
  });
}

function normal(shape: readonly number[], seed: number): Tensor {
  return Tensor.from(random('normal', shape, seed).data, shape);
}

export function noiseFeatures(golden: Golden): Record<string, Tensor> {
  return Object.fromEntries(
    Object.entries(golden.featureShapes).map(([name, shape], i) => [
      name,
      normal(shape, FEATURE_SEED + i),
    ]),
  );
}

export function batchShape(golden: Golden): readonly number[] {
  const shape = golden.samples['transform.batch']?.shape ?? [];
  if (elements(shape) <= 1) throw new Error(`${golden.case} has no batch`);
  return shape;
}

export function sizeOf(batch: readonly number[]): [number, number] {
  return [batch[2] ?? 0, batch[3] ?? 0];
}
