/** The heads of the R-CNN family's boxes, and the tree they stand in, with torchvision's names and initial values. */
import { relu } from '../../nn/activation';
import { convNormActivation } from '../../nn/blocks';
import { sequential } from '../../nn/containers';
import { conv2d } from '../../nn/conv';
import { kaimingNormal, normal, zeros } from '../../nn/init';
import { linear } from '../../nn/linear';
import { module } from '../../nn/module';
import { batchNorm2d } from '../../nn/norm';
import { flatten } from '../../nn/pooling';
import { defineMethod, tensorForward } from '../../nn/source';
import type { ModuleSpec } from '../../nn/spec';
import type { RoiBranch } from './rcnn';

/** torchvision's RPNHead: per level, 3x3 convolutions, then objectness (A) and box deltas (4A) by 1x1 convolutions. */
export function rpnHead(channels: number, anchorsPerCell: number, convDepth: number): ModuleSpec {
  const init = { weightInit: normal(0, 0.01), biasInit: zeros };
  const convs = Array.from({ length: convDepth }, () =>
    convNormActivation(channels, channels, init),
  );
  return module('RPNHead', {
    children: [
      ['conv', sequential(convs)],
      ['cls_logits', conv2d(channels, anchorsPerCell, 1, init)],
      ['bbox_pred', conv2d(channels, anchorsPerCell * 4, 1, init)],
    ],
    source: defineMethod('forward', 'features: List[Tensor]', 'Tuple[List[Tensor], List[Tensor]]', [
      'objectness: List[Tensor] = []',
      'deltas: List[Tensor] = []',
      'for feature in features:',
      '    t = self.conv.forward(feature)',
      '    objectness.append(self.cls_logits.forward(t))',
      '    deltas.append(self.bbox_pred.forward(t))',
      'return objectness, deltas',
    ]),
  });
}

/** torchvision's TwoMLPHead: flattened RoIs through `fc6` and `fc7`, each followed by ReLU. */
export function twoMlpHead(inFeatures: number, representationSize: number): ModuleSpec {
  return module('TwoMLPHead', {
    children: [
      ['fc6', linear(inFeatures, representationSize)],
      ['fc7', linear(representationSize, representationSize)],
    ],
    source: tensorForward(
      'x = torch.flatten(x, 1)',
      'x = torch.relu(self.fc6.forward(x))',
      'return torch.relu(self.fc7.forward(x))',
    ),
  });
}

/** torchvision's FastRCNNConvFCHead: 3x3 convolutions, then fully connected layers. */
export function convFcHead(
  input: { readonly channels: number; readonly height: number; readonly width: number },
  convs: readonly number[],
  fcs: readonly number[],
  norm: 'batch' | null,
): ModuleSpec {
  const init = {
    weightInit: kaimingNormal({ mode: 'fanOut', nonlinearity: 'relu' }),
    biasInit: zeros,
  };
  const layers: ModuleSpec[] = [];
  let channels = input.channels;
  for (const outChannels of convs) {
    layers.push(
      convNormActivation(channels, outChannels, {
        norm: norm === 'batch' ? batchNorm2d : null,
        ...init,
      }),
    );
    channels = outChannels;
  }
  layers.push(flatten());
  let features = channels * input.height * input.width;
  for (const outFeatures of fcs) {
    layers.push(linear(features, outFeatures), relu());
    features = outFeatures;
  }
  return sequential(layers);
}

/** torchvision's FastRCNNPredictor: class logits and one box per class. */
export function fastRcnnPredictor(inFeatures: number, numClasses: number): ModuleSpec {
  return module('FastRCNNPredictor', {
    children: [
      ['cls_score', linear(inFeatures, numClasses)],
      ['bbox_pred', linear(inFeatures, numClasses * 4)],
    ],
    source: defineMethod('forward', 'x: Tensor', 'Tuple[Tensor, Tensor]', [
      'x = torch.flatten(x, 1)',
      'return self.cls_score.forward(x), self.bbox_pred.forward(x)',
    ]),
  });
}

/** `backbone`, `rpn.head`, `roi_heads.box_head` and `roi_heads.box_predictor` under one root, and those of a branch. */
export function rcnnModule(parts: {
  /** torchvision's class. */
  readonly type: string;
  readonly backbone: ModuleSpec;
  readonly rpnHead: ModuleSpec;
  readonly boxHead: ModuleSpec;
  readonly boxPredictor: ModuleSpec;
  readonly branch?: RoiBranch;
}): ModuleSpec {
  const perLevel = 'Tuple[List[Tensor], List[Tensor]]';
  const rpn = module('RegionProposalNetwork', {
    children: [['head', parts.rpnHead]],
    source: defineMethod('forward', 'features: List[Tensor]', perLevel, [
      'return self.head.forward(features)',
    ]),
  });
  return module(parts.type, {
    children: [
      ['backbone', parts.backbone],
      ['rpn', rpn],
      ['roi_heads', roiHeadsModule(parts)],
    ],
    source: defineMethod(
      'forward',
      'images: Tensor',
      'Tuple[Dict[str, Tensor], List[Tensor], List[Tensor]]',
      [
        'features = self.backbone.forward(images)',
        'objectness, deltas = self.rpn.head.forward(list(features.values()))',
        'return features, objectness, deltas',
      ],
    ),
  });
}

function roiHeadsModule({
  boxHead,
  boxPredictor,
  branch,
}: {
  readonly boxHead: ModuleSpec;
  readonly boxPredictor: ModuleSpec;
  readonly branch?: RoiBranch;
}): ModuleSpec {
  const boxes = defineMethod('forward', 'pooled: Tensor', 'Tuple[Tensor, Tensor]', [
    'return self.box_predictor.forward(self.box_head.forward(pooled))',
  ]);
  const children: (readonly [string, ModuleSpec])[] = [
    ['box_head', boxHead],
    ['box_predictor', boxPredictor],
  ];
  if (!branch) return module('RoIHeads', { children, source: boxes });
  const { kind, head, predictor } = branch;
  children.push([`${kind}_head`, head], [`${kind}_predictor`, predictor]);
  const own = defineMethod(`${kind}s`, 'pooled: Tensor', 'Tensor', [
    `return self.${kind}_predictor.forward(self.${kind}_head.forward(pooled))`,
  ]);
  return module('RoIHeads', { children, source: `${boxes}\n${own}` });
}
