/** VGG (https://arxiv.org/abs/1409.1556) as torchvision builds it: the layers of its `features`. */
import { rejectUnknownOptions } from '../errors';
import { relu } from '../nn/activation';
import { conv2d } from '../nn/conv';
import { kaimingNormal, zeros } from '../nn/init';
import { batchNorm2d } from '../nn/norm';
import type { NormLayer } from '../nn/norm';
import { maxPool2d } from '../nn/pooling';
import type { ModuleSpec } from '../nn/spec';
import { lookUp } from './options';

/** Convolutions of each of the five stages; all of a stage have the same channels, and a pooling follows. */
export const VGGS = {
  vgg11: [1, 1, 2, 2, 2],
  vgg13: [2, 2, 2, 2, 2],
  vgg16: [2, 2, 3, 3, 3],
  vgg19: [2, 2, 4, 4, 4],
} as const satisfies Record<string, readonly number[]>;

export type VggName = keyof typeof VGGS;

const STAGE_CHANNELS = [64, 128, 256, 512, 512];

/** One entry of `features`; its index there is its name. */
export interface VggLayer {
  readonly kind: 'conv' | 'norm' | 'relu' | 'pool';
  readonly module: ModuleSpec;
  /** 1 to 5. The pooling belongs to the stage it ends. */
  readonly stage: number;
  /** Channels of what comes out. */
  readonly channels: number;
  /** Pixels of the image per cell of what comes out. */
  readonly stride: number;
}

export interface VggFeaturesOptions {
  /** A norm after each convolution, as in torchvision's `vgg16_bn`. Default false. */
  readonly batchNorm?: boolean;
  /** Which norm, where `batchNorm` is true. Default plain BatchNorm. */
  readonly norm?: NormLayer;
}

const init = {
  weightInit: kaimingNormal({ mode: 'fanOut', nonlinearity: 'relu' }),
  biasInit: zeros,
};

/**
 * The layers of torchvision's `vgg16().features` (or 11, 13, 19; `vgg16_bn` with `batchNorm`), in order, so that entry i has
 * the parameters `features.i.weight`.
 *
 * @throws TorchdetError ERR_OPTION_VALUE, ERR_OPTION_UNKNOWN
 */
export function vggFeatures(name: VggName, options: VggFeaturesOptions = {}): readonly VggLayer[] {
  const stages = lookUp<readonly number[]>('vggFeatures', name, VGGS);
  rejectUnknownOptions('vggFeatures', options, ['batchNorm', 'norm']);
  const { batchNorm = false, norm = batchNorm2d } = options;
  const layers: VggLayer[] = [];
  let inChannels = 3;
  stages.forEach((convolutions, i) => {
    const channels = STAGE_CHANNELS[i] ?? 0;
    const place = { stage: i + 1, channels, stride: 2 ** i };
    for (let k = 0; k < convolutions; k++) {
      const conv = conv2d(inChannels, channels, 3, { padding: 1, ...init });
      layers.push({ kind: 'conv', module: conv, ...place });
      if (batchNorm) layers.push({ kind: 'norm', module: norm(channels), ...place });
      layers.push({ kind: 'relu', module: relu(), ...place });
      inChannels = channels;
    }
    layers.push({ kind: 'pool', module: maxPool2d(2), ...place, stride: 2 ** (i + 1) });
  });
  return layers;
}
