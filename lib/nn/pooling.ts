import { optionError, rejectUnknownOptions } from '../errors';
import { checkBoolean, checkInteger, checkList } from './check';
import { pair } from './conv-arguments';
import type { Size2d } from './conv-arguments';
import { module } from './module';
import { boolLiteral, intListLiteral, tensorForward } from './source';
import type { ModuleSpec } from './spec';

export interface MaxPool2dOptions {
  /** Default: the kernel size. */
  readonly stride?: Size2d;
  /** Default 0. */
  readonly padding?: Size2d;
  /** Default 1. */
  readonly dilation?: Size2d;
  /** Round the output size up. Default false. */
  readonly ceilMode?: boolean;
}

/**
 * `torch.nn.MaxPool2d`.
 *
 * @throws TorchdetError ERR_OPTION_VALUE, ERR_OPTION_UNKNOWN
 */
export function maxPool2d(kernelSize: Size2d, options: MaxPool2dOptions = {}): ModuleSpec {
  const where = 'maxPool2d';
  rejectUnknownOptions(where, options, ['stride', 'padding', 'dilation', 'ceilMode']);
  const geometry = [
    pair(where, 'kernelSize', kernelSize, 1),
    pair(where, 'stride', options.stride ?? kernelSize, 1),
    pair(where, 'padding', options.padding ?? 0, 0),
    pair(where, 'dilation', options.dilation ?? 1, 1),
  ];
  const ceilMode = boolLiteral(checkBoolean(where, 'ceilMode', options.ceilMode ?? false));
  return module('MaxPool2d', {
    source: tensorForward(
      `return torch.max_pool2d(x, ${geometry.map(intListLiteral).join(', ')}, ${ceilMode})`,
    ),
  });
}

/**
 * `torch.nn.AdaptiveAvgPool2d`: averages to the given output size.
 *
 * @throws TorchdetError ERR_OPTION_VALUE
 */
export function adaptiveAvgPool2d(outputSize: Size2d): ModuleSpec {
  const size = intListLiteral(pair('adaptiveAvgPool2d', 'outputSize', outputSize, 1));
  return module('AdaptiveAvgPool2d', {
    source: tensorForward(`return torch.adaptive_avg_pool2d(x, ${size})`),
  });
}

/** `torch.nn.Flatten`: N x C x H x W to N x C*H*W. */
export function flatten(): ModuleSpec {
  return module('Flatten', { source: tensorForward('return torch.flatten(x, 1)') });
}

/**
 * torchvision's `Permute`: the dimensions in another order, for example [0, 2, 3, 1] to bring channels last.
 *
 * @throws TorchdetError ERR_OPTION_VALUE unless `dims` has each of 0, 1, … once
 */
export function permute(dims: readonly number[]): ModuleSpec {
  const list = checkList('permute', 'dims', dims, (where, option, dim) =>
    checkInteger(where, option, dim, 0, dims.length - 1),
  );
  if (new Set(list).size !== list.length) {
    throw optionError('permute', 'dims', dims, 'each dimension once');
  }
  return module('Permute', { source: tensorForward(`return x.permute(${intListLiteral(list)})`) });
}
