/** The heads of SSD and SSDlite, with torchvision's names and initial values: a convolution of its own for each level. */
import { ssdLiteWeightInit } from '../../backbones/ssd-mobilenet';
import { relu6 } from '../../nn/activation';
import { convNormActivation } from '../../nn/blocks';
import { moduleList, sequential } from '../../nn/containers';
import { conv2d } from '../../nn/conv';
import { xavierUniform, zeros } from '../../nn/init';
import { module } from '../../nn/module';
import type { NormLayer } from '../../nn/norm';
import { childExpression, defineMethod } from '../../nn/source';
import type { ModuleSpec } from '../../nn/spec';

/** Makes the layers that predict `outChannels` numbers per cell of a level. */
export type PredictionBlock = (inChannels: number, outChannels: number) => ModuleSpec;

/** torchvision's SSDHead: a 3x3 convolution. */
export const ssdPrediction: PredictionBlock = (inChannels, outChannels) =>
  conv2d(inChannels, outChannels, 3, {
    padding: 1,
    weightInit: xavierUniform(),
    biasInit: zeros,
  });

/** torchvision's SSDLiteHead: a 3x3 depthwise convolution with norm and ReLU6, then a 1x1 convolution. */
export function ssdLitePrediction(norm: NormLayer): PredictionBlock {
  const weightInit = ssdLiteWeightInit;
  return (inChannels, outChannels) =>
    sequential([
      convNormActivation(inChannels, inChannels, {
        groups: inChannels,
        norm,
        activation: relu6,
        weightInit,
      }),
      conv2d(inChannels, outChannels, 1, { weightInit, biasInit: zeros }),
    ]);
}

/** torchvision's SSDScoringHead: N x A*K x H x W of each level to N x H*W*A x K, all levels in a row. */
function scoringHead(blocks: readonly ModuleSpec[], columns: number): ModuleSpec {
  const levels = blocks.flatMap((_, i) => [
    `x = ${childExpression(`${i}`, 'self.module_list')}.forward(features[${i}])`,
    `results.append(x.permute([0, 2, 3, 1]).reshape([x.size(0), -1, ${columns}]))`,
  ]);
  return module('SSDScoringHead', {
    children: [['module_list', moduleList(blocks)]],
    source: defineMethod('forward', 'features: List[Tensor]', 'Tensor', [
      'results: List[Tensor] = []',
      ...levels,
      'return torch.cat(results, 1)',
    ]),
  });
}

/**
 * Class logits and box deltas of every default box.
 *
 * @param channels of each level
 * @param boxesPerCell of each level
 */
export function ssdHead(
  channels: readonly number[],
  boxesPerCell: readonly number[],
  numClasses: number,
  block: PredictionBlock,
): ModuleSpec {
  const head = (columns: number): ModuleSpec =>
    scoringHead(
      channels.map((inChannels, i) => block(inChannels, columns * (boxesPerCell[i] ?? 0))),
      columns,
    );
  return module('SSDHead', {
    children: [
      ['classification_head', head(numClasses)],
      ['regression_head', head(4)],
    ],
    source: defineMethod('forward', 'features: List[Tensor]', 'Dict[str, Tensor]', [
      'deltas = self.regression_head.forward(features)',
      'return {"bbox_regression": deltas, "cls_logits": self.classification_head.forward(features)}',
    ]),
  });
}
