/** The head of the original FCOS, under torchvision's names where torchvision has an equivalent. */
import { identity, relu } from '../../nn/activation';
import { moduleList, sequential } from '../../nn/containers';
import { conv2d } from '../../nn/conv';
import { dfConv2d } from '../../nn/deform-conv';
import { constant, normal, ones, zeros } from '../../nn/init';
import { module } from '../../nn/module';
import { childExpression, defineMethod, floatLiteral, tensorForward } from '../../nn/source';
import type { ModuleSpec } from '../../nn/spec';
import { appendFlattened } from '../common/dense-head';
import type { DenseHeadShape } from '../common/dense-head';

export interface FcosOriginalHeadShape extends DenseHeadShape {
  /** Logits: classes without the background. */
  readonly logits: number;
  /** Of each level: distances leave the head in these units. */
  readonly strides: readonly number[];
  /** Distances are ReLU of the regressed values in units of the stride; else exp of them in pixels. */
  readonly normalisedTargets: boolean;
  readonly centernessOnRegression: boolean;
  /** The last convolution of each branch is a modulated deformable one. */
  readonly deformableTower: boolean;
}

const init = { weightInit: normal(0, 0.01), biasInit: zeros, padding: 1 };

/** `cls_logits` N x S x logits, `bbox_regression` N x S x 4 in units of the stride, `bbox_ctrness` N x S x 1. */
export function fcosOriginalHead(shape: FcosOriginalHeadShape): ModuleSpec {
  const outputs = shape.centernessOnRegression
    ? [
        'cls_logits = self.classification_head.forward(features)',
        'bbox_regression, bbox_ctrness = self.regression_head.forward(features)',
      ]
    : [
        'cls_logits, bbox_ctrness = self.classification_head.forward(features)',
        'bbox_regression = self.regression_head.forward(features)',
      ];
  return module('FCOSOriginalHead', {
    children: [
      ['classification_head', classificationHead(shape)],
      ['regression_head', regressionHead(shape)],
    ],
    source: defineMethod('forward', 'features: List[Tensor]', 'Dict[str, Tensor]', [
      ...outputs,
      'return {"cls_logits": cls_logits, "bbox_regression": bbox_regression, "bbox_ctrness": bbox_ctrness}',
    ]),
  });
}

/** Convolution, norm and ReLU in turn in one sequence, so that convolution i is `conv.{3i}` also where there is no norm. */
function tower({ channels, convs, norm, deformableTower }: FcosOriginalHeadShape): ModuleSpec {
  return sequential(
    Array.from({ length: convs }, (_, i) => [
      deformableTower && i === convs - 1
        ? dfConv2d(channels, channels, 3, {
            ...{ padding: 1, modulated: true, offsetInit: init.weightInit, biasInit: zeros },
          })
        : conv2d(channels, channels, 3, init),
      norm ? norm(channels) : identity(),
      relu(),
    ]).flat(),
  );
}

function classificationHead(shape: FcosOriginalHeadShape): ModuleSpec {
  const { channels, logits, priorBias } = shape;
  const biasInit = constant(priorBias);
  return branch(shape, 'FCOSOriginalClassificationHead', {
    children: [['cls_logits', conv2d(channels, logits, 3, { ...init, biasInit })]],
    withCenterness: !shape.centernessOnRegression,
    each: () => appendFlattened('outputs', 'self.cls_logits.forward(t)', logits),
  });
}

function regressionHead(shape: FcosOriginalHeadShape): ModuleSpec {
  const { channels, normalisedTargets, strides } = shape;
  return branch(shape, 'FCOSOriginalRegressionHead', {
    children: [['bbox_reg', conv2d(channels, 4, 3, init)]],
    scales: ['scales', moduleList(strides.map(scale))],
    withCenterness: shape.centernessOnRegression,
    each: (level) => {
      const scaled = `${childExpression(`${level}`, 'self.scales')}.forward(self.bbox_reg.forward(t))`;
      const distances = normalisedTargets
        ? `torch.relu(${scaled})`
        : `torch.exp(${scaled}) / ${floatLiteral(strides[level] ?? 1)}`;
      return appendFlattened('outputs', distances, 4);
    },
  });
}

interface BranchParts {
  readonly children: readonly (readonly [name: string, child: ModuleSpec])[];
  readonly scales?: readonly [name: string, child: ModuleSpec];
  readonly withCenterness: boolean;
  /** Lines that append a level's output, `t` being what the tower makes of its map. */
  readonly each: (level: number) => readonly string[];
}

/** A tower and its outputs. The scales are a level's own, so the levels are written out one by one. */
function branch(shape: FcosOriginalHeadShape, type: string, parts: BranchParts): ModuleSpec {
  const { children, each, scales, withCenterness } = parts;
  const levels = shape.strides.map((_, level) => [
    `t = self.conv.forward(features[${level}])`,
    ...each(level),
    ...(withCenterness ? appendFlattened('ctrness', 'self.bbox_ctrness.forward(t)', 1) : []),
  ]);
  return module(type, {
    children: [
      ['conv', tower(shape)],
      ...children,
      ...(withCenterness ? [['bbox_ctrness', conv2d(shape.channels, 1, 3, init)] as const] : []),
      ...(scales ? [scales] : []),
    ],
    source: defineMethod(
      'forward',
      'features: List[Tensor]',
      withCenterness ? 'Tuple[Tensor, Tensor]' : 'Tensor',
      [
        'outputs: List[Tensor] = []',
        ...(withCenterness ? ['ctrness: List[Tensor] = []'] : []),
        ...levels.flat(),
        `return torch.cat(outputs, 1)${withCenterness ? ', torch.cat(ctrness, 1)' : ''}`,
      ],
    ),
  });
}

/** A learnable factor of one level. */
function scale(): ModuleSpec {
  return module('Scale', {
    parameters: { scale: { shape: [1], init: ones } },
    source: tensorForward('return x * self.scale'),
  });
}
