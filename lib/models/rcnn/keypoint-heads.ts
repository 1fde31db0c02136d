/** The heads of Keypoint R-CNN, with torchvision's names and initial values. */
import { relu } from '../../nn/activation';
import { sequential } from '../../nn/containers';
import { conv2d } from '../../nn/conv';
import { convTranspose2d } from '../../nn/conv-transpose';
import { kaimingNormal, zeros } from '../../nn/init';
import { module } from '../../nn/module';
import { tensorForward } from '../../nn/source';
import type { ModuleSpec } from '../../nn/spec';

const init = {
  weightInit: kaimingNormal({ mode: 'fanOut', nonlinearity: 'relu' }),
  biasInit: zeros,
};

/** torchvision's KeypointRCNNHeads: 3x3 convolutions that keep the size, each followed by ReLU. */
export function keypointHead(inChannels: number, layers: readonly number[]): ModuleSpec {
  const modules = layers.flatMap((channels, i) => {
    const before = i === 0 ? inChannels : (layers[i - 1] ?? 0);
    return [conv2d(before, channels, 3, { padding: 1, ...init }), relu()];
  });
  return sequential(modules);
}

/** torchvision's KeypointRCNNPredictor: a heat map per keypoint, enlarged twice by a convolution and twice by interpolation. */
export function keypointPredictor(inChannels: number, numKeypoints: number): ModuleSpec {
  const upsampling = { stride: 2, padding: 1, ...init };
  return module('KeypointRCNNPredictor', {
    children: [['kps_score_lowres', convTranspose2d(inChannels, numKeypoints, 4, upsampling)]],
    source: tensorForward(
      'x = self.kps_score_lowres.forward(x)',
      'return torch.upsample_bilinear2d(x, None, False, [2.0, 2.0])',
    ),
  });
}
