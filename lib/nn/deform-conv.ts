/** Deformable convolutions (https://arxiv.org/abs/1703.06211, modulated: https://arxiv.org/abs/1811.11168). */
import { optionError, rejectUnknownOptions } from '../errors';
import { checkBoolean, checkInteger } from './check';
import { conv2d } from './conv';
import { convolutionArguments, convolutionParameters, pair } from './conv-arguments';
import type { Size2d } from './conv-arguments';
import { kaimingUniform, zeros } from './init';
import { module } from './module';
import { defineMethod, tensorForward } from './source';
import type { Initializer, ModuleSpec } from './spec';

export interface DeformConv2dOptions {
  /** Default 1. */
  readonly stride?: Size2d;
  /** Zeros added on each side. Default 0. */
  readonly padding?: Size2d;
  /** Default 1. */
  readonly dilation?: Size2d;
  /** Default 1. */
  readonly groups?: number;
  /** Default true. */
  readonly bias?: boolean;
  /** Whether each sample is also weighed by a mask, the third argument of forward. Default false. */
  readonly modulated?: boolean;
  /** Default torch's: Kaiming uniform with a = sqrt(5). */
  readonly weightInit?: Initializer;
  /** Default torch's: uniform within 1 / sqrt(fan in). */
  readonly biasInit?: Initializer;
}

const OPTIONS = [
  ...['stride', 'padding', 'dilation', 'groups', 'bias', 'modulated'],
  ...['weightInit', 'biasInit'],
];

/**
 * `torchvision.ops.DeformConv2d`: a convolution whose samples are moved by `offset`, N x 2·G·kh·kw x H' x W' (y before x, in
 * pixels; G groups of input channels share offsets, as many as the offset's channels say). Modulated ones take a `mask` of N x
 * G·kh·kw x H' x W' too. Parameters `weight` and, unless `bias: false`, `bias`. {@link dfConv2d} finds its offsets by itself.
 *
 * @throws TorchdetError ERR_OPTION_VALUE, ERR_OPTION_UNKNOWN
 */
export function deformConv2d(
  inChannels: number,
  outChannels: number,
  kernelSize: Size2d,
  options: DeformConv2dOptions = {},
): ModuleSpec {
  const where = 'deformConv2d';
  rejectUnknownOptions(where, options, OPTIONS);
  const { kernel, stride, padding, dilation, groups, bias } = convolutionArguments(
    where,
    inChannels,
    outChannels,
    kernelSize,
    options,
  );
  const modulated = checkBoolean(where, 'modulated', options.modulated ?? false);
  const [kh, kw] = kernel;
  const geometry = [...stride, ...padding, ...dilation].join(', ');
  const parameters = `x: Tensor, offset: Tensor${modulated ? ', mask: Tensor' : ''}`;
  const weight = [outChannels, inChannels / groups, kh, kw];
  return module('DeformConv2d', {
    parameters: convolutionParameters(weight, outChannels, bias, options),
    source: defineMethod('forward', parameters, 'Tensor', [
      // The operator takes a tensor in any case: without a bias zeros, without a mask one it does not read.
      ...(bias ? [] : [`bias = x.new_zeros([${outChannels}])`]),
      ...(modulated ? [] : ['mask = x.new_zeros([x.size(0), 1])']),
      `offset_groups = offset.size(1) // ${2 * kh * kw}`,
      `return ops.torchvision.deform_conv2d(x, self.weight, offset, mask, ${bias ? 'self.bias' : 'bias'},` +
        ` ${geometry}, ${groups}, offset_groups, ${modulated ? 'True' : 'False'})`,
    ]),
  });
}

export interface DfConv2dOptions extends DeformConv2dOptions {
  /** Groups of input channels with offsets of their own. Default 1. */
  readonly deformableGroups?: number;
  /** Default Kaiming uniform with a = 1, the bias zero. */
  readonly offsetInit?: Initializer;
}

/**
 * A deformable convolution that finds its offsets by itself: `offset`, an ordinary convolution of the same geometry with 2·kh·kw
 * outputs per deformable group, feeds `conv`, a {@link deformConv2d}. A modulated one has 3·kh·kw outputs, the last third
 * of which, through a sigmoid, is the mask.
 *
 * @throws TorchdetError ERR_OPTION_VALUE, ERR_OPTION_UNKNOWN
 */
export function dfConv2d(
  inChannels: number,
  outChannels: number,
  kernelSize: Size2d,
  options: DfConv2dOptions = {},
): ModuleSpec {
  const where = 'dfConv2d';
  rejectUnknownOptions(where, options, [...OPTIONS, 'deformableGroups', 'offsetInit']);
  const { deformableGroups = 1, offsetInit, ...convolution } = options;
  const { stride = 1, padding = 0, dilation = 1, modulated = false } = convolution;
  checkInteger(where, 'inChannels', inChannels, 1);
  const groups = checkInteger(where, 'deformableGroups', deformableGroups, 1);
  if (inChannels % groups !== 0) {
    throw optionError(where, 'deformableGroups', groups, `a divisor of the ${inChannels} channels`);
  }
  const [kh, kw] = pair(where, 'kernelSize', kernelSize, 1);
  const offsets = 2 * kh * kw * groups;
  const masks = modulated ? kh * kw * groups : 0;
  const offset = conv2d(inChannels, offsets + masks, kernelSize, {
    ...{ stride, padding, dilation },
    weightInit: offsetInit ?? kaimingUniform({ a: 1 }),
    biasInit: zeros,
  });
  const forward = modulated
    ? [
        'out = self.offset.forward(x)',
        `offset = torch.narrow(out, 1, 0, ${offsets})`,
        `mask = torch.sigmoid(torch.narrow(out, 1, ${offsets}, ${masks}))`,
        'return self.conv.forward(x, offset, mask)',
      ]
    : ['return self.conv.forward(x, self.offset.forward(x))'];
  return module('DFConv2d', {
    children: [
      ['offset', offset],
      ['conv', deformConv2d(inChannels, outChannels, kernelSize, convolution)],
    ],
    source: tensorForward(...forward),
  });
}
