/** The heads of Mask R-CNN, with torchvision's names and initial values. */
import { relu } from '../../nn/activation';
import { convNormActivation } from '../../nn/blocks';
import { sequential } from '../../nn/containers';
import { conv2d } from '../../nn/conv';
import { convTranspose2d } from '../../nn/conv-transpose';
import { kaimingNormal, zeros } from '../../nn/init';
import { module } from '../../nn/module';
import { batchNorm2d } from '../../nn/norm';
import { tensorForward } from '../../nn/source';
import type { ModuleSpec } from '../../nn/spec';

const weightInit = kaimingNormal({ mode: 'fanOut', nonlinearity: 'relu' });

/** torchvision's MaskRCNNHeads: 3x3 convolutions that keep the size, each with its norm and ReLU. */
export function maskHead(
  inChannels: number,
  layers: readonly number[],
  dilation: number,
  norm: 'batch' | null,
): ModuleSpec {
  const blocks = layers.map((channels, i) =>
    convNormActivation(i === 0 ? inChannels : (layers[i - 1] ?? 0), channels, {
      dilation,
      norm: norm === 'batch' ? batchNorm2d : null,
      weightInit,
      biasInit: zeros,
    }),
  );
  return sequential(blocks);
}

/** torchvision's MaskRCNNPredictor: twice the size, then one mask per class. */
export function maskPredictor(
  inChannels: number,
  dimReduced: number,
  numClasses: number,
): ModuleSpec {
  return module('MaskRCNNPredictor', {
    children: [
      ['conv5_mask', convTranspose2d(inChannels, dimReduced, 2, { stride: 2, weightInit })],
      ['relu', relu()],
      ['mask_fcn_logits', conv2d(dimReduced, numClasses, 1, { weightInit })],
    ],
    source: tensorForward(
      'x = self.relu.forward(self.conv5_mask.forward(x))',
      'return self.mask_fcn_logits.forward(x)',
    ),
  });
}
