/** Faster R-CNN's inference by hand, from the parts in `ops`: docs/parts.md explains each stage. */
import { ops, Tensor } from 'torchdet';
import type { Detector, Size } from 'torchdet';

/** Anchors, decoding, the best of each level, suppression: torchvision's RegionProposalNetwork after its head. */
export async function propose(
  objectness: Float32Array,
  deltas: Float32Array,
  gridSizes: readonly Size[],
  batchSize: Size,
  imageSize: Size,
): Promise<Float32Array> {
  const sizes = [
    [16, 24],
    [38, 58],
    [88, 136],
    [208, 320],
  ];
  const anchors = await ops.gridAnchors({ sizes, aspectRatios: [1, 2, 3.5] }, gridSizes, batchSize);

  // The 300 anchors of each level that look most like an object; six stand at each place.
  const best: number[] = [];
  const levels: number[] = [];
  let first = 0;
  gridSizes.forEach(([height, width], level) => {
    const count = 6 * height * width;
    const order = Array.from({ length: count }, (_, i) => first + i)
      .sort((a, b) => (objectness[b] ?? 0) - (objectness[a] ?? 0))
      .slice(0, 300);
    best.push(...order);
    levels.push(...order.map(() => level));
    first += count;
  });

  const decoded = await ops.decodeBoxes(ops.takeRows(deltas, best), ops.takeRows(anchors, best));
  const clipped = await ops.clipBoxes(decoded, imageSize);
  const large = await ops.removeSmallBoxes(clipped, 1e-3);
  const boxes = ops.takeRows(clipped, large);
  const logits = ops.takeRows(ops.takeRows(objectness, best, 1), large, 1);
  const scores = logits.map((logit) => 1 / (1 + Math.exp(-logit)));
  const levelOf = Array.from(large, (i) => levels[i] ?? 0);
  const kept = await ops.batchedNms(boxes, scores, levelOf, 0.7);
  return ops.takeRows(boxes, kept.subarray(0, 150));
}

/** Softmax, decoding, suppression by class: torchvision's RoIHeads after its head. */
export async function classify(
  classLogits: Float32Array,
  boxRegression: Float32Array,
  proposals: Float32Array,
  imageSize: Size,
) {
  const classes = 14; // the background, and those of the detector
  const candidates: { roi: number; label: number; score: number }[] = [];
  for (let roi = 0; roi < proposals.length / 4; roi++) {
    const exponentials = classLogits.slice(classes * roi, classes * (roi + 1)).map(Math.exp);
    const sum = exponentials.reduce((total, value) => total + value, 0);
    exponentials.forEach((value, label) => {
      const score = value / sum;
      if (label > 0 && score > 0.05) candidates.push({ roi, label, score });
    });
  }

  const rois = candidates.map(({ roi }) => roi);
  const deltas = candidates.map(({ roi, label }) => classes * roi + label);
  const decoded = await ops.decodeBoxes(
    ops.takeRows(boxRegression, deltas),
    ops.takeRows(proposals, rois),
    { weights: [10, 10, 5, 5] },
  );
  const clipped = await ops.clipBoxes(decoded, imageSize);
  const large = await ops.removeSmallBoxes(clipped, 1e-2);
  const boxes = ops.takeRows(clipped, large);
  const scores = Float32Array.from(large, (i) => candidates[i]?.score ?? 0);
  const labels = Int32Array.from(large, (i) => candidates[i]?.label ?? 0);
  const kept = (await ops.batchedNms(boxes, scores, labels, 0.5)).subarray(0, 100);
  return {
    candidates: boxes,
    boxes: ops.takeRows(boxes, kept),
    labels: Array.from(kept, (i) => labels[i] ?? 0),
    scores: ops.takeRows(scores, kept, 1),
  };
}

/** All stages on one photo, with what lies between them. `photoSize` is that of the photo. */
export async function detectByHand(detector: Detector, photo: Buffer, photoSize: Size) {
  const { batch, imageSizes } = await detector.stages.transform([photo]);
  const [imageSize = [0, 0]] = imageSizes;
  const [, , batchHeight = 0, batchWidth = 0] = batch.shape;
  const batchSize = [batchHeight, batchWidth] as const;

  const features = await detector.stages.backbone(batch);
  const maps = Object.values(features);
  const gridSizes = maps.map(({ shape: [, , height = 0, width = 0] }) => [height, width] as const);

  const rpn = await detector.stages.rpn(maps, imageSizes, batchSize);
  const [objectness, deltas] = [rpn.objectness.data, rpn.deltas.data] as Float32Array[];
  if (!objectness || !deltas) throw new Error('the head gives float32');
  const proposals = await propose(objectness, deltas, gridSizes, batchSize, imageSize);

  const pooled = await ops.multiScaleRoiAlign(maps.slice(0, 3), [proposals], {
    strides: [8, 16, 32],
    outputSize: 7,
    samplingRatio: 2,
  });

  const rows = Tensor.from(proposals, [proposals.length / 4, 4]);
  const heads = await detector.stages.roiHeads(features, [rows], imageSizes, batchSize);
  const [logits, regression] = [heads.classLogits.data, heads.boxRegression.data] as Float32Array[];
  if (!logits || !regression) throw new Error('the head gives float32');
  const found = await classify(logits, regression, proposals, imageSize);

  // From the pixels of the batch to those of the photo.
  const [down, across] = [photoSize[0] / imageSize[0], photoSize[1] / imageSize[1]];
  const boxes = found.boxes.map((value, i) => value * (i % 2 === 0 ? across : down));
  return { imageSize, gridSizes, proposals, pooled, stages: { rpn, heads }, ...found, boxes };
}
