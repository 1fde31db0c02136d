import { rejectUnknownOptions } from '../errors';
import { convolutionArguments, convolutionParameters } from './conv-arguments';
import type { Size2d } from './conv-arguments';
import { module } from './module';
import { intListLiteral, tensorForward } from './source';
import type { Initializer, ModuleSpec } from './spec';

export interface Conv2dOptions {
  /** Default 1. */
  readonly stride?: Size2d;
  /** Zeros added on each side. Default 0. */
  readonly padding?: Size2d;
  /** Default 1. */
  readonly dilation?: Size2d;
  /** Default 1; equal to the channels for a depthwise convolution. */
  readonly groups?: number;
  /** Default true. */
  readonly bias?: boolean;
  /** Default torch's: Kaiming uniform with a = sqrt(5). */
  readonly weightInit?: Initializer;
  /** Default torch's: uniform within 1 / sqrt(fan in). */
  readonly biasInit?: Initializer;
}

const OPTIONS = ['stride', 'padding', 'dilation', 'groups', 'bias', 'weightInit', 'biasInit'];

/**
 * `torch.nn.Conv2d`: N x inChannels x H x W to N x outChannels x H' x W'. Parameters `weight`
 * (outChannels x inChannels/groups x kernel) and, unless `bias: false`, `bias`.
 *
 * @throws TorchdetError ERR_OPTION_VALUE, ERR_OPTION_UNKNOWN
 */
export function conv2d(
  inChannels: number,
  outChannels: number,
  kernelSize: Size2d,
  options: Conv2dOptions = {},
): ModuleSpec {
  const where = 'conv2d';
  rejectUnknownOptions(where, options, OPTIONS);
  const { kernel, stride, padding, dilation, groups, bias } = convolutionArguments(
    where,
    inChannels,
    outChannels,
    kernelSize,
    options,
  );
  const geometry = [stride, padding, dilation].map(intListLiteral).join(', ');
  const weight = [outChannels, inChannels / groups, ...kernel];
  return module('Conv2d', {
    parameters: convolutionParameters(weight, outChannels, bias, options),
    source: tensorForward(
      `return torch.conv2d(x, self.weight, ${bias ? 'self.bias' : 'None'}, ${geometry}, ${groups})`,
    ),
  });
}
