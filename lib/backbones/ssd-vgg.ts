/** SSD's VGG-16 (https://arxiv.org/abs/1512.02325): torchvision's SSDFeatureExtractorVGG, with its names. */
import { rejectUnknownOptions } from '../errors';
import { relu } from '../nn/activation';
import { checkBoolean, checkInteger, checkOptions } from '../nn/check';
import { moduleList, sequential } from '../nn/containers';
import { conv2d } from '../nn/conv';
import type { Conv2dOptions } from '../nn/conv';
import { constant, xavierUniform, zeros } from '../nn/init';
import { frozen, module } from '../nn/module';
import { maxPool2d } from '../nn/pooling';
import { childExpression, defineMethod } from '../nn/source';
import type { ModuleSpec } from '../nn/spec';
import type { Backbone } from './backbone';
import { givenOptions } from './options';
import { vggFeatures } from './vgg';
import type { VggLayer } from './vgg';

export interface SsdVgg16Options {
  /** How many of the five stages train, counted from the last (conv5). 0 to 5. Default 4. */
  readonly trainableLayers?: number;
  /** One more level for inputs of 512 x 512 pixels. Default false. */
  readonly highres?: boolean;
}

/** First value of the factors on the L2-normalised conv4_3. */
const SCALE = 20;

const init = { weightInit: xavierUniform(), biasInit: zeros };

const convRelu = (inC: number, outC: number, kernel: number, options: Conv2dOptions = {}) => [
  conv2d(inC, outC, kernel, { ...options, ...init }),
  relu(),
];

/** conv8 to conv12: 1x1, then a convolution that makes the map smaller, with or without stride. */
function extraBlock(
  inC: number,
  middle: number,
  outC: number,
  kernel: number,
  options: Conv2dOptions,
): ModuleSpec {
  return sequential([...convRelu(inC, middle, 1), ...convRelu(middle, outC, kernel, options)]);
}

/** fc6 and fc7 as convolutions, after a pool5 of stride 1. */
function fullyConvolutional(): ModuleSpec {
  return sequential([
    maxPool2d(3, { stride: 1, padding: 1 }),
    ...convRelu(512, 1024, 3, { padding: 6, dilation: 6 }),
    ...convRelu(1024, 1024, 1),
  ]);
}

function extractor(body: readonly ModuleSpec[], split: number, highres: boolean): ModuleSpec {
  const strided = { stride: 2, padding: 1 };
  const extra = [
    sequential([...body.slice(split), fullyConvolutional()]),
    extraBlock(1024, 256, 512, 3, strided),
    extraBlock(512, 128, 256, 3, strided),
    extraBlock(256, 128, 256, 3, {}),
    extraBlock(256, 128, 256, 3, {}),
    ...(highres ? [extraBlock(256, 128, 256, 4, {})] : []),
  ];
  const levels = extra.flatMap((_, i) => [
    `x = ${childExpression(`${i}`, 'self.extra')}.forward(x)`,
    `out["${i + 1}"] = x`,
  ]);
  return module('SSDFeatureExtractorVGG', {
    parameters: { scale_weight: { shape: [512], init: constant(SCALE) } },
    children: [
      ['features', sequential(body.slice(0, split))],
      ['extra', moduleList(extra)],
    ],
    source: defineMethod('forward', 'x: Tensor', 'Dict[str, Tensor]', [
      'out: Dict[str, Tensor] = {}',
      'x = self.features.forward(x)',
      'norm = torch.clamp_min(torch.linalg_vector_norm(x, 2, [1], True), 1e-12)',
      'out["0"] = self.scale_weight.view([1, -1, 1, 1]) * (x / norm)',
      ...levels,
      'return out',
    ]),
  });
}

/** The indices of each stage's convolutions, from conv5 to conv1. */
function stagesFromHead(layers: readonly VggLayer[]): readonly (readonly number[])[] {
  return [5, 4, 3, 2, 1].map((stage) =>
    layers.flatMap((layer, i) => (layer.kind === 'conv' && layer.stage === stage ? [i] : [])),
  );
}

/**
 * VGG-16 as SSD's backbone: conv4_3 under a learnt L2 norm, fc7 as a dilated convolution, and four (`highres`: five) smaller
 * maps. Maps "0" to "5" of 512, 1024, 512, 256, 256 and 256 channels, at 300 x 300 pixels 38, 19, 10, 5, 3 and 1 cells wide; the
 * last ones come from convolutions without padding, so that their strides do not tell their sizes.
 *
 * Weights of `vgg16` fit; SSD wants those of `VGG16_Weights.IMAGENET1K_FEATURES`, which are trained on the input the model
 * makes: 0..255 minus the mean.
 *
 * @throws TorchdetError ERR_OPTION_VALUE, ERR_OPTION_UNKNOWN
 */
export function ssdVgg16(options: SsdVgg16Options = {}): Backbone {
  const where = 'ssdVgg16';
  checkOptions(where, options);
  rejectUnknownOptions(where, options, ['trainableLayers', 'highres']);
  const trainable = checkInteger(where, 'trainableLayers', options.trainableLayers ?? 4, 0, 5);
  const highres = checkBoolean(where, 'highres', options.highres ?? false);

  // SSD has no use for pool5.
  const layers = vggFeatures('vgg16').slice(0, -1);
  const split = layers.findIndex(({ kind, stage }) => kind === 'pool' && stage === 4);
  const nameOf = (i: number): string => (i < split ? `features.${i}.` : `extra.0.${i - split}.`);
  const stages = stagesFromHead(layers);
  const beyond = new Set(stages.slice(trainable).flat());
  const body = layers.map((layer, i) => {
    // pool3 rounds up, so that the maps have the paper's sizes.
    if (layer.kind === 'pool' && layer.stage === 3) return maxPool2d(2, { ceilMode: true });
    return beyond.has(i) ? frozen(layer.module) : layer.module;
  });

  const channels = [512, 1024, 512, 256, 256, 256, ...(highres ? [256] : [])];
  return {
    name: 'vgg16',
    module: extractor(body, split, highres),
    featureNames: channels.map((_, i) => `${i}`),
    channels,
    strides: channels.map((_, i) => Math.min(8 << i, 64)),
    trainableGroups: stages.map((stage) => stage.map(nameOf)),
    frozen: [...beyond].sort((a, b) => a - b).map(nameOf),
    pretrained: {
      weights: 'vgg16',
      from: 'features.',
      to: '',
      moved: stages.flat().map((i) => [`${i}.`, nameOf(i)] as const),
    },
    description: { builder: 'ssdVgg16', name: 'vgg16', options: givenOptions(options) },
  };
}
