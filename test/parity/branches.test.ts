import assert from 'node:assert/strict';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { rle, Tensor } from '../../lib';
import type { DetectionResult, Detector } from '../../lib';
import { BRANCH_CASES } from './branch-cases';
import { imagesOf } from './detectors';
import { elements, whole } from './golden';
import type { Golden } from './golden';
import {
  batchShape,
  checkBackbone,
  checkDetections,
  checkRoiHeads,
  checkRpn,
  checkTransform,
  noiseFeatures,
  sizeOf,
} from './stages';
import { goldenSuite } from './suite';

const FIXTURES = join(__dirname, '..', 'fixtures', 'parity-branches');

/*
 * Mask R-CNN and Keypoint R-CNN against golden files that test/oracle/branches.py writes from eager torchvision: each stage on
 * inputs both sides make from seeds, then from images to pasted masks and keypoints in both modes of predict.
 */
describe('parity of masks and keypoints', () => {
  goldenSuite(FIXTURES, BRANCH_CASES, {
    transform: checkTransform,
    backbone: checkBackbone,
    rpn: checkRpn,
    'roi heads: boxes': checkRoiHeads,
    'roi heads: masks or keypoints': checkStage,
    'detections, exact': (detector, golden) => checkDetections(detector, golden, true),
    'masks or keypoints, exact': (detector, golden) => checkPredicted(detector, golden, true),
    'detections, folded and fused': (detector, golden) => checkDetections(detector, golden, false),
    'masks or keypoints, folded and fused': (detector, golden) =>
      checkPredicted(detector, golden, false),
    'none where nothing is found': checkNone,
  });
});

interface Found {
  readonly boxes: ArrayLike<number>;
  readonly labels: ArrayLike<number | bigint>;
  readonly masks?: Tensor | undefined;
  readonly keypoints?: ArrayLike<number> | undefined;
  readonly keypointsScores?: ArrayLike<number> | undefined;
}

interface Limits {
  /** Of a mask's probabilities. */
  readonly masks: number;
  /** Pixels, where a heat map has one largest pixel. */
  readonly keypoints: number;
  /** Relative to the largest score. */
  readonly scores: number;
  /** Least lead of a heat map's largest pixel at which it has to be the same. */
  readonly margin: number;
  /** Share of masks that need not be compared: a box that moves by a hair over a pixel's edge moves its mask by a pixel. */
  readonly moved: number;
}

const EXACT: Limits = { masks: 1e-4, keypoints: 1e-3, scores: 1e-4, margin: 1e-4, moved: 0 };
const FUSED: Limits = { masks: 1e-3, keypoints: 0.05, scores: 1e-3, margin: 5e-3, moved: 0.2 };

/** The RoI heads on feature maps of normal noise and torchvision's proposals: masks of M x M, keypoints in the batch. */
async function checkStage(detector: Detector, golden: Golden): Promise<void> {
  const proposals = golden.images.map((_, i) => {
    const boxes = whole(golden, `rpn.proposals.${i}`) as Float32Array;
    return Tensor.from(boxes, [boxes.length / 4, 4]);
  });
  const { detections } = await detector.stages.roiHeads(
    noiseFeatures(golden),
    proposals,
    golden.imageSizes,
    sizeOf(batchShape(golden)),
  );
  detections.forEach((found, i) => {
    const numbers = (tensor?: Tensor) => tensor?.data as Float32Array | undefined;
    checkBranches(golden, 'roiHeads', i, EXACT, {
      boxes: found.boxes.data as Float32Array,
      labels: found.labels.data,
      masks: found.masks,
      keypoints: numbers(found.keypoints),
      keypointsScores: numbers(found.keypointsScores),
    });
  });
}

async function checkPredicted(detector: Detector, golden: Golden, exact: boolean): Promise<void> {
  const results = await detector.predict(imagesOf(golden), {
    scoreThreshold: 0,
    exact,
    padded: true,
  });
  results.forEach((result, i) => {
    checkBranches(golden, 'detections', i, exact ? EXACT : FUSED, result);
    if (result.masks) checkBitmaps(result);
  });
}

/** Above every score: images without detections have masks and keypoints of length 0. */
async function checkNone(detector: Detector, golden: Golden): Promise<void> {
  for (const exact of [true, false]) {
    const [result] = await detector.predict(imagesOf(golden), {
      scoreThreshold: 1,
      exact,
      padded: true,
    });
    assert.equal(result?.length, 0);
    assert.equal(result.masks !== undefined, 'detections.masks.0' in golden.samples);
    if (result.masks) assert.deepEqual(result.masks.shape, [0, 1, result.height, result.width]);
    assert.equal(
      result.keypoints?.length,
      'detections.keypoints.0' in golden.samples ? 0 : undefined,
    );
    assert.deepEqual([...result], []);
  }
}

function checkBranches(
  golden: Golden,
  prefix: string,
  image: number,
  limits: Limits,
  found: Found,
): void {
  const places = pairing(golden, prefix, image, found);
  const has = (name: string): boolean => `${prefix}.${name}.${image}` in golden.samples;
  assert.ok(has('masks') || has('keypoints'), `${golden.case} has no branch`);
  if (has('masks')) checkMasks(golden, prefix, image, limits, found, places);
  else checkKeypoints(golden, prefix, image, limits, found, places);
}

/** For each expected detection the place of the one found: rounding may swap neighbours in the order. */
function pairing(golden: Golden, prefix: string, image: number, found: Found): number[] {
  const boxes = whole(golden, `${prefix}.boxes.${image}`);
  const labels = whole(golden, `${prefix}.labels.${image}`);
  return Array.from(labels, (label, i) => {
    let best = -1;
    let nearest = 0.1;
    for (let k = 0; k < found.labels.length; k++) {
      if (Number(found.labels[k]) !== label) continue;
      let distance = 0;
      for (let side = 0; side < 4; side++) {
        const difference = (boxes[4 * i + side] ?? NaN) - (found.boxes[4 * k + side] ?? NaN);
        distance = Math.max(distance, Math.abs(difference));
      }
      if (distance < nearest) [best, nearest] = [k, distance];
    }
    assert.ok(best >= 0, `${prefix} of image ${image}: detection ${i} was not found`);
    return best;
  });
}

/** The whole pixels a mask of 28 x 28 is pasted over: its box, larger by the padding of one, cut off as torchvision does. */
function pastedOver(boxes: ArrayLike<number>, i: number): number[] {
  const [x1 = NaN, y1 = NaN, x2 = NaN, y2 = NaN] = [0, 1, 2, 3].map((side) => boxes[4 * i + side]);
  const scale = 30 / 28;
  const [halfWidth, halfHeight] = [((x2 - x1) / 2) * scale, ((y2 - y1) / 2) * scale];
  const [x, y] = [(x1 + x2) / 2, (y1 + y2) / 2];
  return [x - halfWidth, y - halfHeight, x + halfWidth, y + halfHeight].map(Math.trunc);
}

function checkMasks(
  golden: Golden,
  prefix: string,
  image: number,
  limits: Limits,
  found: Found,
  places: readonly number[],
): void {
  const name = `${prefix}.masks.${image}`;
  const sample = golden.samples[name];
  const expected = golden.tensors.get(name);
  assert.ok(sample && expected && found.masks, name);
  assert.deepEqual([...found.masks.shape], [...sample.shape]);
  const boxes = whole(golden, `${prefix}.boxes.${image}`);
  const moved = places.map(
    (place, i) =>
      limits.moved > 0 && !isDeepStrictEqual(pastedOver(boxes, i), pastedOver(found.boxes, place)),
  );
  const left = moved.filter(Boolean).length;
  assert.ok(left <= limits.moved * places.length, `${name}: ${left} of ${places.length} moved`);
  const size = elements(sample.shape.slice(1));
  const actual = found.masks.data as Float32Array;
  expected.forEach((value, i) => {
    const index = i * sample.stride;
    const row = Math.floor(index / size);
    if (moved[row]) return;
    const place = (places[row] ?? 0) * size + (index % size);
    const difference = Math.abs((actual[place] ?? NaN) - value);
    assert.ok(difference <= limits.masks, `${name}: pixel ${index} differs by ${difference}`);
  });
  assert.ok(
    Array.from(expected).some((value) => value > 0.5),
    `${name}: no mask at all`,
  );
}

function checkKeypoints(
  golden: Golden,
  prefix: string,
  image: number,
  limits: Limits,
  found: Found,
  places: readonly number[],
): void {
  const points = whole(golden, `${prefix}.keypoints.${image}`);
  const scores = whole(golden, `${prefix}.keypoints_scores.${image}`);
  const margins = whole(golden, `${prefix}.margins.${image}`);
  const { keypoints, keypointsScores } = found;
  assert.ok(keypoints && keypointsScores);
  assert.equal(keypoints.length, points.length);
  assert.equal(keypointsScores.length, scores.length);
  const count = scores.length / Math.max(1, places.length);
  const highest = Math.max(...Array.from(scores, Math.abs), 1e-6);
  let compared = 0;
  scores.forEach((score, i) => {
    const place = (places[Math.floor(i / count)] ?? 0) * count + (i % count);
    const what = `${prefix} of image ${image}: keypoint ${i % count} of detection ${Math.floor(i / count)}`;
    const difference = Math.abs((keypointsScores[place] ?? NaN) - score);
    assert.ok(difference <= limits.scores * highest, `${what}: score differs by ${difference}`);
    assert.equal(keypoints[3 * place + 2], 1);
    if (!((margins[i] ?? 0) > limits.margin)) return;
    compared++;
    for (const axis of [0, 1]) {
      const [expected, actual] = [points[3 * i + axis] ?? NaN, keypoints[3 * place + axis] ?? NaN];
      const moved = Math.abs(expected - actual);
      assert.ok(moved <= limits.keypoints, `${what}: ${actual}, torchvision has ${expected}`);
    }
  });
  assert.ok(
    compared >= scores.length / 2,
    `only ${compared} of ${scores.length} keypoints are clear`,
  );
}

/** Bitmaps and their packed form say what the probabilities say. */
function checkBitmaps(result: DetectionResult): void {
  const probabilities = result.masks?.data as Float32Array;
  const size = result.width * result.height;
  for (let i = 0; i < result.length; i++) {
    const bitmap = result.mask(i);
    const wrong = bitmap.findIndex(
      (bit, k) => bit !== Number((probabilities[i * size + k] ?? NaN) > 0.5),
    );
    assert.equal(wrong, -1);
    assert.ok(Buffer.from(rle.decode(result.maskRle(i))).equals(bitmap));
  }
}
