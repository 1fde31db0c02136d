/** What the kinds of convolution share: their sizes, checked, and their parameters. */
import { optionError } from '../errors';
import { checkBoolean, checkInteger } from './check';
import { torchDefaultBias, torchDefaultWeight } from './init';
import type { Initializer, ParameterSpec } from './spec';

/** One number for both axes, or [height, width]. */
export type Size2d = number | readonly [height: number, width: number];

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

/** Options that every convolution has. */
export interface ConvolutionOptions {
  readonly stride?: Size2d;
  readonly padding?: Size2d;
  readonly dilation?: Size2d;
  readonly groups?: number;
  readonly bias?: boolean;
}

/** A convolution's numbers, checked, with torch's defaults. */
export function convolutionArguments(
  where: string,
  inChannels: number,
  outChannels: number,
  kernelSize: Size2d,
  options: ConvolutionOptions,
) {
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
  return { kernel, stride, padding, dilation, groups, bias };
}

/** `weight` of the given shape and, if asked for, `bias`, one for each output channel. */
export function convolutionParameters(
  weightShape: readonly number[],
  outChannels: number,
  bias: boolean,
  {
    weightInit = torchDefaultWeight,
    biasInit,
  }: { readonly weightInit?: Initializer; readonly biasInit?: Initializer },
): Readonly<Record<string, ParameterSpec>> {
  // torch counts dimension 1 as the inputs, even where a transposed convolution's outputs stand there.
  const fanIn = weightShape.slice(1).reduce((product, size) => product * size, 1);
  return {
    weight: { shape: weightShape, init: weightInit },
    ...(bias && { bias: { shape: [outChannels], init: biasInit ?? torchDefaultBias(fanIn) } }),
  };
}
