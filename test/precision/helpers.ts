import { Detector, nn } from '../../lib';
import type { ModuleSpec } from '../../lib/nn';
import { engine } from '../../lib/engine';
import { CLASSES, plainSpec } from '../detector/plain-dense';
import { pixels } from '../detector/helpers';

/** Feature channels of a plain detector with one box per cell. */
const CHANNELS = CLASSES + 5;
const ODD = 19;

/**
 * What int8 has to cope with: odd channel counts, a residual sum over a tensor that is read again later, a depthwise convolution
 * with hardswish, max pooling between two convolutions, and a tensor that convolutions and something else read.
 */
const backbone = nn.module('Backbone', {
  children: [
    ['stem', nn.conv2d(3, ODD, 3, { stride: 2, padding: 1 })],
    ['first', nn.conv2d(ODD, ODD, 3, { padding: 1 })],
    ['second', nn.conv2d(ODD, ODD, 1, { bias: false })],
    ['depthwise', nn.conv2d(ODD, ODD, 5, { padding: 2, groups: ODD })],
    ['fine', nn.conv2d(ODD, CHANNELS, 2, { stride: 2 })],
    ['coarse', nn.conv2d(ODD, CHANNELS, 3, { stride: 4, padding: 1 })],
  ],
  source: `def forward(self, x: Tensor) -> Dict[str, Tensor]:
    x = torch.max_pool2d(torch.relu(self.stem.forward(x)), [3, 3], [2, 2], [1, 1])
    y = torch.relu(self.first.forward(x))
    x = torch.relu(self.second.forward(y) + x)
    z = torch.hardswish(self.depthwise.forward(x))
    z = torch.relu(self.second.forward(z) + x)
    return {"0": self.fine.forward(z + torch.sigmoid(z)), "1": self.coarse.forward(x)}
`,
});

/** Channels of `bodySpec`'s tensors, enough for every packed layer. */
export const WIDE = 32;

/**
 * A detector on a few lines of TorchScript: they make `z` of `y`, the stem's output, both of `WIDE` channels at a quarter of the
 * image's size.
 */
export function bodySpec(children: readonly (readonly [string, ModuleSpec])[], body: string) {
  const lines = ['y = self.stem.forward(x)', ...body.trim().split('\n')];
  return openSpec(
    nn.module('Backbone', {
      children: [
        ['stem', nn.conv2d(3, WIDE, 4, { stride: 4 })],
        ...children,
        ['fine', nn.conv2d(WIDE, CHANNELS, 2, { stride: 2 })],
        ['coarse', nn.conv2d(WIDE, CHANNELS, 4, { stride: 4 })],
      ],
      source: `def forward(self, x: Tensor) -> Dict[str, Tensor]:
    ${lines.join('\n    ')}
    return {"0": self.fine.forward(z), "1": self.coarse.forward(z)}
`,
    }),
  );
}

/** All that its head puts out becomes detections: nothing is suppressed, thresholds let everything through. */
export function openSpec(own: ModuleSpec = backbone) {
  const spec = plainSpec({
    ...{ scoreThresh: 0, nmsThresh: 1, detectionsPerImg: 5000, topkCandidates: 5000 },
    anchors: {
      sizes: [[8], [16]],
      aspectRatios: [[1], [1]],
    },
  });
  const head = spec.module.children?.find(([name]) => name === 'head')?.[1];
  if (!head) throw new Error('the plain detector has no head');
  const module = nn.module('Plain', {
    children: [
      ['backbone', own],
      ['head', head],
    ],
    source: '',
  });
  return { ...spec, module };
}

export function openDetector(seed = 0): Promise<Detector> {
  return Detector.create(openSpec(), { device: 'cpu', seed });
}

export const IMAGES = [pixels(64, 64), pixels(61, 50), pixels(96, 70)];

/** Scores of all places and classes, best first: no further apart than the scores themselves. */
export async function scoresOf(detector: Detector, exact = false): Promise<number[]> {
  const results = await detector.predict(IMAGES, { exact });
  return results.flatMap(({ scores }) => Array.from(scores).sort((a, b) => b - a));
}

export function largestDifference(a: readonly number[], b: readonly number[]): number {
  if (a.length !== b.length) return Infinity;
  return a.reduce((largest, value, i) => Math.max(largest, Math.abs(value - (b[i] ?? NaN))), 0);
}

export function cpuSupport() {
  return engine().Detector.cpuSupport();
}
