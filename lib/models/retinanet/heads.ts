/** The head of RetinaNet, with torchvision's names and initial values. */
import { convNormActivation } from '../../nn/blocks';
import { sequential } from '../../nn/containers';
import { conv2d } from '../../nn/conv';
import { constant, normal, zeros } from '../../nn/init';
import { module } from '../../nn/module';
import { defineMethod } from '../../nn/source';
import type { ModuleSpec } from '../../nn/spec';
import { appendFlattened, overLevels } from '../common/dense-head';
import type { DenseHeadShape } from '../common/dense-head';

const init = { weightInit: normal(0, 0.01), biasInit: zeros };

/** torchvision's RetinaNetHead: two branches of the same kind, for `cls_logits` and `bbox_regression`. */
export function retinaNetHead(
  shape: DenseHeadShape,
  anchorsPerCell: number,
  numClasses: number,
): ModuleSpec {
  const biasInit = constant(shape.priorBias);
  return module('RetinaNetHead', {
    children: [
      [
        'classification_head',
        branch('RetinaNetClassificationHead', shape, 'cls_logits', anchorsPerCell, {
          size: numClasses,
          biasInit,
        }),
      ],
      [
        'regression_head',
        branch('RetinaNetRegressionHead', shape, 'bbox_reg', anchorsPerCell, {
          size: 4,
          biasInit: zeros,
        }),
      ],
    ],
    source: defineMethod('forward', 'features: List[Tensor]', 'Dict[str, Tensor]', [
      'cls_logits = self.classification_head.forward(features)',
      'bbox_regression = self.regression_head.forward(features)',
      'return {"cls_logits": cls_logits, "bbox_regression": bbox_regression}',
    ]),
  });
}

/** 3x3 convolutions with ReLU, then one that gives `size` values for each anchor of a cell. */
function branch(
  type: string,
  { channels, convs, norm }: DenseHeadShape,
  output: string,
  anchorsPerCell: number,
  { size, biasInit }: { readonly size: number; readonly biasInit: typeof zeros },
): ModuleSpec {
  const tower = Array.from({ length: convs }, () =>
    convNormActivation(channels, channels, { norm, ...init }),
  );
  const outputs = conv2d(channels, anchorsPerCell * size, 3, { padding: 1, ...init, biasInit });
  return module(type, {
    children: [
      ['conv', sequential(tower)],
      [output, outputs],
    ],
    source: defineMethod('forward', 'features: List[Tensor]', 'Tensor', [
      ...overLevels(
        ['outputs'],
        appendFlattened('outputs', `self.${output}.forward(self.conv.forward(feature))`, size),
      ),
      'return torch.cat(outputs, 1)',
    ]),
  });
}
