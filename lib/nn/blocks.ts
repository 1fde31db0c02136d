/** Compositions that several networks share. */
import { rejectUnknownOptions } from '../errors';
import { hardsigmoid, relu } from './activation';
import { sequential } from './containers';
import { conv2d } from './conv';
import { module } from './module';
import { adaptiveAvgPool2d } from './pooling';
import { tensorForward } from './source';
import type { NormLayer } from './norm';
import type { Initializer, ModuleSpec } from './spec';

export interface ConvNormActivationOptions {
  /** Default 3. */
  readonly kernelSize?: number;
  /** Default 1. */
  readonly stride?: number;
  /** Default 1. The padding keeps the size at stride 1: (kernelSize - 1) / 2 * dilation. */
  readonly dilation?: number;
  /** Default 1. */
  readonly groups?: number;
  /** Null, the default, for none: the convolution then has a bias. */
  readonly norm?: NormLayer | null;
  /** Null for none. Default {@link relu}. */
  readonly activation?: (() => ModuleSpec) | null;
  readonly weightInit?: Initializer;
  readonly biasInit?: Initializer;
}

const OPTIONS = [
  ...['kernelSize', 'stride', 'dilation', 'groups', 'norm', 'activation'],
  ...['weightInit', 'biasInit'],
];

/**
 * `torchvision.ops.Conv2dNormActivation`: a sequential of convolution ("0"), norm and activation.
 *
 * @throws TorchdetError ERR_OPTION_VALUE, ERR_OPTION_UNKNOWN
 */
export function convNormActivation(
  inChannels: number,
  outChannels: number,
  options: ConvNormActivationOptions = {},
): ModuleSpec {
  rejectUnknownOptions('convNormActivation', options, OPTIONS);
  const { kernelSize = 3, stride = 1, dilation = 1, groups = 1, weightInit, biasInit } = options;
  const norm = options.norm ?? null;
  const activation = options.activation === undefined ? relu : options.activation;
  const layers = [
    conv2d(inChannels, outChannels, kernelSize, {
      stride,
      dilation,
      groups,
      padding: Math.floor((kernelSize - 1) / 2) * dilation,
      bias: norm === null,
      ...(weightInit && { weightInit }),
      ...(biasInit && { biasInit }),
    }),
  ];
  if (norm) layers.push(norm(outChannels));
  if (activation) layers.push(activation());
  return sequential(layers);
}

export interface SqueezeExcitationOptions {
  /** Default {@link relu}. */
  readonly activation?: () => ModuleSpec;
  /** Default {@link hardsigmoid}, as MobileNetV3 has it. */
  readonly scaleActivation?: () => ModuleSpec;
  readonly weightInit?: Initializer;
  readonly biasInit?: Initializer;
}

/**
 * `torchvision.ops.SqueezeExcitation` (https://arxiv.org/abs/1709.01507): weighs each channel by what all of the map holds.
 *
 * @throws TorchdetError ERR_OPTION_VALUE, ERR_OPTION_UNKNOWN
 */
export function squeezeExcitation(
  channels: number,
  squeezeChannels: number,
  options: SqueezeExcitationOptions = {},
): ModuleSpec {
  const { activation = relu, scaleActivation = hardsigmoid, ...init } = options;
  return module('SqueezeExcitation', {
    children: [
      ['avgpool', adaptiveAvgPool2d(1)],
      ['fc1', conv2d(channels, squeezeChannels, 1, init)],
      ['fc2', conv2d(squeezeChannels, channels, 1, init)],
      ['activation', activation()],
      ['scale_activation', scaleActivation()],
    ],
    source: tensorForward(
      'scale = self.avgpool.forward(x)',
      'scale = self.activation.forward(self.fc1.forward(scale))',
      'scale = self.scale_activation.forward(self.fc2.forward(scale))',
      'return scale * x',
    ),
  });
}
