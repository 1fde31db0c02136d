import { optionError, rejectUnknownOptions } from '../errors';
import { checkBoolean, checkInteger } from './check';
import { torchDefaultBias, torchDefaultWeight } from './init';
import { module } from './module';
import { intListLiteral, tensorForward } from './source';
import type { Initializer, ModuleSpec } from './spec';

/** One number for both axes, or [height, width]. */
export type Size2d = number | readonly [height: number, width: number];

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

/** Both axes of a size, checked. */
export function pair(where: string, option: string, value: Size2d, min: number): [number, number] {
  if (!Array.isArray(value)) {
    const size = checkInteger(where, option, value, min);
    return [size, size];
  }
  if (value.length !== 2) throw optionError(where, option, value, 'a number or [height, width]');
  return [
    checkInteger(where, `${option}[0]`, value[0], min),
    checkInteger(where, `${option}[1]`, value[1], min),
  ];
}

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
  checkInteger(where, 'inChannels', inChannels, 1);
  checkInteger(where, 'outChannels', outChannels, 1);
  const kernel = pair(where, 'kernelSize', kernelSize, 1);
  const stride = pair(where, 'stride', options.stride ?? 1, 1);
  const padding = pair(where, 'padding', options.padding ?? 0, 0);
  const dilation = pair(where, 'dilation', options.dilation ?? 1, 1);
  const groups = checkInteger(where, 'groups', options.groups ?? 1, 1);
  const bias = checkBoolean(where, 'bias', options.bias ?? true);
  if (inChannels % groups !== 0 || outChannels % groups !== 0) {
    const expected = `a divisor of the channels, ${inChannels} in and ${outChannels} out`;
    throw optionError(where, 'groups', groups, expected);
  }
  const fanIn = (inChannels / groups) * kernel[0] * kernel[1];
  const geometry = [stride, padding, dilation].map(intListLiteral).join(', ');
  return module('Conv2d', {
    parameters: {
      weight: {
        shape: [outChannels, inChannels / groups, ...kernel],
        init: options.weightInit ?? torchDefaultWeight,
      },
      ...(bias && {
        bias: { shape: [outChannels], init: options.biasInit ?? torchDefaultBias(fanIn) },
      }),
    },
    source: tensorForward(
      `return torch.conv2d(x, self.weight, ${bias ? 'self.bias' : 'None'}, ${geometry}, ${groups})`,
    ),
  });
}
