import { optionError, rejectUnknownOptions } from '../errors';
import { checkInteger, checkNumber } from './check';
import { ones, zeros } from './init';
import { module } from './module';
import { floatLiteral, tensorForward } from './source';
import type { BufferSpec, ModuleSpec } from './spec';

export interface BatchNormOptions {
  /** Added to the variance. Default 1e-5. */
  readonly eps?: number;
  /** Share of each batch in the running statistics. Default 0.1. */
  readonly momentum?: number;
}

export interface NormOptions {
  /** Added to the variance. Default 1e-5. */
  readonly eps?: number;
}

/** Makes the normalisation of a layer with that many channels. */
export type NormLayer = (channels: number) => ModuleSpec;

/** `frozen`: fixed statistics and affine; `batch`: plain BatchNorm; `group`: GroupNorm with 32 groups. */
export type NormKind = 'frozen' | 'batch' | 'group';

export const NORM_KINDS: readonly NormKind[] = ['frozen', 'batch', 'group'];

/** Groups of the `group` norm: the number the paper (https://arxiv.org/abs/1803.08494) settled on. */
export const NORM_GROUPS = 32;

function buffer(channels: number, value: number): BufferSpec {
  return { shape: [channels], dtype: 'float32', value };
}

/**
 * `torch.nn.BatchNorm2d`: normalises by the batch in training, moving the running statistics, and by those in evaluation.
 *
 * @throws TorchdetError ERR_OPTION_VALUE, ERR_OPTION_UNKNOWN
 */
export function batchNorm2d(channels: number, options: BatchNormOptions = {}): ModuleSpec {
  const where = 'batchNorm2d';
  rejectUnknownOptions(where, options, ['eps', 'momentum']);
  checkInteger(where, 'channels', channels, 1);
  const eps = floatLiteral(checkNumber(where, 'eps', options.eps ?? 1e-5, 0));
  const momentum = floatLiteral(checkNumber(where, 'momentum', options.momentum ?? 0.1, 0, 1));
  return module('BatchNorm2d', {
    parameters: {
      weight: { shape: [channels], init: ones },
      bias: { shape: [channels], init: zeros },
    },
    buffers: {
      running_mean: buffer(channels, 0),
      running_var: buffer(channels, 1),
      num_batches_tracked: { shape: [], dtype: 'int64', value: 0 },
    },
    source: tensorForward(
      'if self.training:',
      '    self.num_batches_tracked.add_(1)',
      'return torch.batch_norm(x, self.weight, self.bias, self.running_mean, self.running_var,' +
        ` self.training, ${momentum}, ${eps}, True)`,
    ),
  });
}

/**
 * `torchvision.ops.FrozenBatchNorm2d`: x * scale + shift with statistics and affine that are buffers and never train.
 * The formula is torchvision's to the last bit; the inference compiler folds the constants into the convolution before it.
 *
 * @throws TorchdetError ERR_OPTION_VALUE, ERR_OPTION_UNKNOWN
 */
export function frozenBatchNorm2d(channels: number, options: NormOptions = {}): ModuleSpec {
  const where = 'frozenBatchNorm2d';
  rejectUnknownOptions(where, options, ['eps']);
  checkInteger(where, 'channels', channels, 1);
  const eps = checkNumber(where, 'eps', options.eps ?? 1e-5, 0);
  return module(FROZEN_TYPE, {
    buffers: {
      weight: buffer(channels, 1),
      bias: buffer(channels, 0),
      running_mean: buffer(channels, 0),
      running_var: buffer(channels, 1),
    },
    source: frozenSource(eps),
  });
}

const FROZEN_TYPE = 'FrozenBatchNorm2d';

function frozenSource(eps: number): string {
  return tensorForward(
    'weight = self.weight.reshape([1, -1, 1, 1])',
    'bias = self.bias.reshape([1, -1, 1, 1])',
    'mean = self.running_mean.reshape([1, -1, 1, 1])',
    'var = self.running_var.reshape([1, -1, 1, 1])',
    `scale = weight * torch.rsqrt(var + ${floatLiteral(eps)})`,
    'return x * scale + (bias - mean * scale)',
  );
}

/**
 * `torch.nn.GroupNorm`: normalises each image over groups of channels, the same in training and evaluation.
 *
 * @throws TorchdetError ERR_OPTION_VALUE where `groups` does not divide `channels`
 */
export function groupNorm(groups: number, channels: number, options: NormOptions = {}): ModuleSpec {
  const where = 'groupNorm';
  rejectUnknownOptions(where, options, ['eps']);
  checkInteger(where, 'channels', channels, 1);
  checkInteger(where, 'groups', groups, 1);
  const eps = floatLiteral(checkNumber(where, 'eps', options.eps ?? 1e-5, 0));
  if (channels % groups !== 0) {
    throw optionError(where, 'groups', groups, `a divisor of the ${channels} channels`);
  }
  return module('GroupNorm', {
    parameters: {
      weight: { shape: [channels], init: ones },
      bias: { shape: [channels], init: zeros },
    },
    source: tensorForward(
      `return torch.group_norm(x, ${groups}, self.weight, self.bias, ${eps}, True)`,
    ),
  });
}

/**
 * `torch.nn.LayerNorm` over the last dimension, of `features` elements: each position by itself, the same in training and
 * evaluation.
 *
 * @throws TorchdetError ERR_OPTION_VALUE, ERR_OPTION_UNKNOWN
 */
export function layerNorm(features: number, options: NormOptions = {}): ModuleSpec {
  return layerNormModule('layerNorm', 'LayerNorm', features, options, (norm) => [`return ${norm}`]);
}

/**
 * torchvision's `LayerNorm2d`: a layer norm over the channels of N x C x H x W, each pixel by itself.
 *
 * @throws TorchdetError ERR_OPTION_VALUE, ERR_OPTION_UNKNOWN
 */
export function layerNorm2d(channels: number, options: NormOptions = {}): ModuleSpec {
  return layerNormModule('layerNorm2d', 'LayerNorm2d', channels, options, (norm) => [
    'x = x.permute([0, 2, 3, 1])',
    `return ${norm}.permute([0, 3, 1, 2])`,
  ]);
}

function layerNormModule(
  where: string,
  type: string,
  features: number,
  options: NormOptions,
  body: (norm: string) => readonly string[],
): ModuleSpec {
  rejectUnknownOptions(where, options, ['eps']);
  checkInteger(where, 'features', features, 1);
  const eps = floatLiteral(checkNumber(where, 'eps', options.eps ?? 1e-5, 0));
  return module(type, {
    parameters: {
      weight: { shape: [features], init: ones },
      bias: { shape: [features], init: zeros },
    },
    source: tensorForward(
      ...body(`torch.layer_norm(x, [${features}], self.weight, self.bias, ${eps}, True)`),
    ),
  });
}

/**
 * The same module with another eps in each of its {@link frozenBatchNorm2d}: torchvision's `overwrite_eps`, which its first COCO
 * weights need with 0, as they were trained so. Other norms keep theirs, as there.
 *
 * @throws TorchdetError ERR_OPTION_VALUE
 */
export function overwriteEps(spec: ModuleSpec, eps: number): ModuleSpec {
  checkNumber('overwriteEps', 'eps', eps, 0);
  if (spec.type === FROZEN_TYPE) return { ...spec, source: frozenSource(eps) };
  if (!spec.children) return spec;
  return {
    ...spec,
    children: spec.children.map(([name, child]) => [name, overwriteEps(child, eps)] as const),
  };
}

/** The norm of a whole network by its kind. */
export function normLayer(kind: NormKind, options: NormOptions = {}): NormLayer {
  switch (kind) {
    case 'frozen':
      return (channels) => frozenBatchNorm2d(channels, options);
    case 'batch':
      return (channels) => batchNorm2d(channels, options);
    case 'group':
      return (channels) => groupNorm(NORM_GROUPS, channels, options);
  }
}
