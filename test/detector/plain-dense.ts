import type { DenseConfig } from '../../binding';
import { Detector, nn, Tensor } from '../../lib';
import type { Size } from '../../lib/detection/stages';
import type { DetectorSpec } from '../../lib/models';

/** Classes of the plain detectors. */
export const CLASSES = 3;
/** Logits of the classes, four deltas and centerness, of `boxes` boxes per cell. */
const channels = (boxes: number) => boxes * (CLASSES + 5);

/**
 * A one-stage detector whose head only sorts the channels of its feature maps: tests write maps and know what the head says.
 * Strides are 8 and 16.
 */
export function plainSpec(config: Partial<DenseConfig>, boxes = 1): DetectorSpec<DenseConfig> {
  const maps = channels(boxes);
  const backbone = nn.module('Backbone', {
    children: [
      ['fine', nn.conv2d(3, maps, 8, { stride: 8 })],
      ['coarse', nn.conv2d(3, maps, 16, { stride: 16 })],
    ],
    source: `def forward(self, x: Tensor) -> Dict[str, Tensor]:
    return {"0": self.fine.forward(x), "1": self.coarse.forward(x)}
`,
  });
  const head = nn.module('Head', {
    source: `def forward(self, features: List[Tensor]) -> Dict[str, Tensor]:
    rows : List[Tensor] = []
    for feature in features:
        rows.append(feature.permute([0, 2, 3, 1]).reshape([feature.size(0), -1, ${CLASSES + 5}]))
    x = torch.cat(rows, 1)
    return {"cls_logits": x[:, :, :${CLASSES}], "bbox_regression": x[:, :, ${CLASSES}:${CLASSES + 4}],
            "bbox_ctrness": x[:, :, ${CLASSES + 4}:]}
`,
  });
  return {
    name: 'plain',
    module: nn.module('Plain', {
      children: [
        ['backbone', backbone],
        ['head', head],
      ],
      source: '',
    }),
    config: {
      kind: 'dense',
      head: 'retinanet',
      transform: {
        minSize: [64],
        maxSize: 64,
        imageMean: [0.5, 0.5, 0.5],
        imageStd: [0.25, 0.25, 0.25],
        sizeDivisible: 32,
        fixedSize: null,
        channelOrder: 'rgb',
      },
      anchors: null,
      pointStrides: null,
      defaultBoxes: null,
      bboxRegWeights: [1, 1, 1, 1],
      scoreThresh: 0.3,
      nmsThresh: 0.5,
      detectionsPerImg: 100,
      topkCandidates: 100,
      training: {
        ...{ fgIouThresh: 0.5, bgIouThresh: 0.4, boxLoss: 'l1' },
        ...{ centerSamplingRadius: 1.5, positiveFraction: 0.25 },
      },
      ...config,
    },
    numClasses: CLASSES,
    trainable: { frozen: [], groups: [] },
    warnings: [],
    description: {
      builder: 'plain',
      options: {},
      backbone: { builder: 'plain', name: 'plain', options: {} },
    },
  };
}

export function plainDetector(config: Partial<DenseConfig>, boxes?: number): Promise<Detector> {
  return Detector.create(plainSpec(config, boxes), { device: 'cpu' });
}

/** What one place of a level says; logits and centerness not named are -20. */
export interface Place {
  readonly level?: number;
  readonly y: number;
  readonly x: number;
  readonly logits: Readonly<Record<number, number>>;
  readonly deltas?: readonly [number, number, number, number];
  readonly ctrness?: number;
}

/** Maps of one image, 2 x 2 at stride 8 and 1 x 1 at stride 16, on which nothing but these places says anything. */
export function mapsOf(places: readonly Place[]): Tensor[] {
  return [2, 1].map((side, level) => {
    const data = new Float32Array(channels(1) * side * side).fill(-20);
    const put = (channel: number, { y, x }: Place, value: number) => {
      data[(channel * side + y) * side + x] = value;
    };
    for (let c = CLASSES; c < CLASSES + 4; c++)
      data.fill(0, c * side * side, (c + 1) * side * side);
    for (const place of places.filter((entry) => (entry.level ?? 0) === level)) {
      for (const [label, logit] of Object.entries(place.logits)) put(Number(label), place, logit);
      place.deltas?.forEach((delta, i) => {
        put(CLASSES + i, place, delta);
      });
      put(CLASSES + 4, place, place.ctrness ?? -20);
    }
    return Tensor.from(data, [1, channels(1), side, side]);
  });
}

export interface Found {
  readonly boxes: number[][];
  readonly labels: number[];
  readonly scores: number[];
}

/** What the head stage finds on such maps of a 16 x 16 batch. */
export async function findOn(detector: Detector, places: readonly Place[]): Promise<Found> {
  const size: Size = [16, 16];
  const { detections } = await detector.stages.head(mapsOf(places), [size], size);
  const [found] = detections;
  if (!found) throw new Error('no detections of the one image');
  const boxes = [...(found.boxes.data as Float32Array)];
  return {
    boxes: boxes.flatMap((_, i) => (i % 4 === 0 ? [boxes.slice(i, i + 4)] : [])),
    labels: [...(found.labels.data as BigInt64Array)].map(Number),
    scores: [...(found.scores.data as Float32Array)],
  };
}
