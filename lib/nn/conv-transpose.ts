import { rejectUnknownOptions } from '../errors';
import { convolutionArguments, convolutionParameters } from './conv-arguments';
import type { Size2d } from './conv-arguments';
import { module } from './module';
import { intListLiteral, tensorForward } from './source';
import type { Initializer, ModuleSpec } from './spec';

export interface ConvTranspose2dOptions {
  /** Default 1. */
  readonly stride?: Size2d;
  /** Taken off each side of the output. Default 0. */
  readonly padding?: Size2d;
  /** Default true. */
  readonly bias?: boolean;
  /** Default torch's: Kaiming uniform with a = sqrt(5). */
  readonly weightInit?: Initializer;
  /** Default torch's: uniform within 1 / sqrt(outChannels * kernel). */
  readonly biasInit?: Initializer;
}

const OPTIONS = ['stride', 'padding', 'bias', 'weightInit', 'biasInit'];

/**
 * `torch.nn.ConvTranspose2d`, which enlarges: N x inChannels x H x W to N x outChannels x
 * ((H - 1) * stride - 2 * padding + kernel) x …. Parameters `weight` (inChannels x outChannels x kernel: the input comes first)
 * and, unless `bias: false`, `bias`.
 *
 * @throws TorchdetError ERR_OPTION_VALUE, ERR_OPTION_UNKNOWN
 */
export function convTranspose2d(
  inChannels: number,
  outChannels: number,
  kernelSize: Size2d,
  options: ConvTranspose2dOptions = {},
): ModuleSpec {
  const where = 'convTranspose2d';
  rejectUnknownOptions(where, options, OPTIONS);
  const { kernel, stride, padding, bias } = convolutionArguments(
    where,
    inChannels,
    outChannels,
    kernelSize,
    options,
  );
  const geometry = [stride, padding].map(intListLiteral).join(', ');
  const weight = [inChannels, outChannels, ...kernel];
  return module('ConvTranspose2d', {
    parameters: convolutionParameters(weight, outChannels, bias, options),
    source: tensorForward(
      `return torch.conv_transpose2d(x, self.weight, ${bias ? 'self.bias' : 'None'}, ${geometry})`,
    ),
  });
}
