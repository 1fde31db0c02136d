import { rejectUnknownOptions } from '../errors';
import { checkBoolean, checkInteger } from './check';
import { pair } from './conv';
import type { Size2d } from './conv';
import { torchDefaultBias, torchDefaultWeight } from './init';
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
  checkInteger(where, 'inChannels', inChannels, 1);
  checkInteger(where, 'outChannels', outChannels, 1);
  const kernel = pair(where, 'kernelSize', kernelSize, 1);
  const stride = pair(where, 'stride', options.stride ?? 1, 1);
  const padding = pair(where, 'padding', options.padding ?? 0, 0);
  const bias = checkBoolean(where, 'bias', options.bias ?? true);
  // torch counts dimension 1 of the weight as the inputs, here too.
  const fanIn = outChannels * kernel[0] * kernel[1];
  const geometry = [stride, padding].map(intListLiteral).join(', ');
  return module('ConvTranspose2d', {
    parameters: {
      weight: {
        shape: [inChannels, outChannels, ...kernel],
        init: options.weightInit ?? torchDefaultWeight,
      },
      ...(bias && {
        bias: { shape: [outChannels], init: options.biasInit ?? torchDefaultBias(fanIn) },
      }),
    },
    source: tensorForward(
      `return torch.conv_transpose2d(x, self.weight, ${bias ? 'self.bias' : 'None'}, ${geometry})`,
    ),
  });
}
