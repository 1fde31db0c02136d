/** The head of torchvision's FCOS, with its names and initial values. */
import { identity, relu } from '../../nn/activation';
import { sequential } from '../../nn/containers';
import { conv2d } from '../../nn/conv';
import { constant, normal, zeros } from '../../nn/init';
import { module } from '../../nn/module';
import { defineMethod } from '../../nn/source';
import type { ModuleSpec } from '../../nn/spec';
import { appendFlattened, overLevels } from '../common/dense-head';
import type { DenseHeadShape } from '../common/dense-head';

const init = { weightInit: normal(0, 0.01), biasInit: zeros, padding: 1 };

/** torchvision's FCOSHead: `cls_logits` of one branch, `bbox_regression` and `bbox_ctrness` of the other. */
export function fcosHead(shape: DenseHeadShape, numClasses: number): ModuleSpec {
  return module('FCOSHead', {
    children: [
      ['classification_head', classificationHead(shape, numClasses)],
      ['regression_head', regressionHead(shape)],
    ],
    source: defineMethod('forward', 'features: List[Tensor]', 'Dict[str, Tensor]', [
      'cls_logits = self.classification_head.forward(features)',
      'bbox_regression, bbox_ctrness = self.regression_head.forward(features)',
      'return {"cls_logits": cls_logits, "bbox_regression": bbox_regression, "bbox_ctrness": bbox_ctrness}',
    ]),
  });
}

/** Convolution, norm and ReLU in turn in one sequence, so that convolution i is `conv.{3i}` also where there is no norm. */
function tower({ channels, convs, norm }: DenseHeadShape): ModuleSpec {
  return sequential(
    Array.from({ length: convs }, () => [
      conv2d(channels, channels, 3, init),
      norm ? norm(channels) : identity(),
      relu(),
    ]).flat(),
  );
}

function classificationHead(shape: DenseHeadShape, numClasses: number): ModuleSpec {
  const biasInit = constant(shape.priorBias);
  return module('FCOSClassificationHead', {
    children: [
      ['conv', tower(shape)],
      ['cls_logits', conv2d(shape.channels, numClasses, 3, { ...init, biasInit })],
    ],
    source: defineMethod('forward', 'features: List[Tensor]', 'Tensor', [
      ...overLevels(
        ['logits'],
        appendFlattened(
          'logits',
          'self.cls_logits.forward(self.conv.forward(feature))',
          numClasses,
        ),
      ),
      'return torch.cat(logits, 1)',
    ]),
  });
}

function regressionHead(shape: DenseHeadShape): ModuleSpec {
  return module('FCOSRegressionHead', {
    children: [
      ['conv', tower(shape)],
      ['bbox_reg', conv2d(shape.channels, 4, 3, init)],
      ['bbox_ctrness', conv2d(shape.channels, 1, 3, init)],
    ],
    source: defineMethod('forward', 'features: List[Tensor]', 'Tuple[Tensor, Tensor]', [
      ...overLevels(
        ['regression', 'ctrness'],
        [
          't = self.conv.forward(feature)',
          ...appendFlattened('regression', 'torch.relu(self.bbox_reg.forward(t))', 4),
          ...appendFlattened('ctrness', 'self.bbox_ctrness.forward(t)', 1),
        ],
      ),
      'return torch.cat(regression, 1), torch.cat(ctrness, 1)',
    ]),
  });
}
