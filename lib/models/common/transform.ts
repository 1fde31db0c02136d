/** From images to a batch: options that every family has, with torchvision's names (GeneralizedRCNNTransform). */
import type { TransformConfig } from '../../../binding';
import { checkChoice, checkList, checkNumber, checkPositive } from '../../nn/check';
import { positiveInteger } from './checks';

export interface TransformSettings {
  /** Shorter side images are resized to, in pixels; of a list, training draws one and evaluation takes the last. Default 800. */
  readonly minSize?: number | readonly number[];
  /** Limit of the longer side in pixels. Default 1333. */
  readonly maxSize?: number;
  /** Per channel, in the order of `channelOrder`, of values 0..1. Default ImageNet's [0.485, 0.456, 0.406]. */
  readonly imageMean?: readonly number[];
  /** Per channel likewise. Default ImageNet's [0.229, 0.224, 0.225]. */
  readonly imageStd?: readonly number[];
  /** Batches are padded to a multiple of this. Default 32. */
  readonly sizeDivisible?: number;
  /** [width, height] every image is resized to instead of `minSize` and `maxSize`. Default null. */
  readonly fixedSize?: readonly [width: number, height: number] | null;
  /** Order of the channels the network was trained on. Default `rgb`. */
  readonly channelOrder?: 'rgb' | 'bgr';
}

const SETTINGS: Readonly<Record<keyof TransformSettings, true>> = {
  minSize: true,
  maxSize: true,
  imageMean: true,
  imageStd: true,
  sizeDivisible: true,
  fixedSize: true,
  channelOrder: true,
};

/** Names of the settings above, for telling a misspelt one. */
export const TRANSFORM_SETTINGS: readonly string[] = Object.keys(SETTINGS);

/**
 * The settings checked and completed.
 *
 * @param defaults where a family differs from R-CNN's
 * @throws TorchdetError ERR_OPTION_VALUE
 */
export function transformConfig(
  where: string,
  options: TransformSettings,
  defaults: TransformSettings = {},
): TransformConfig {
  const minSize = options.minSize ?? defaults.minSize ?? 800;
  const imageMean = options.imageMean ?? defaults.imageMean ?? [0.485, 0.456, 0.406];
  const imageStd = options.imageStd ?? defaults.imageStd ?? [0.229, 0.224, 0.225];
  const fixedSize =
    options.fixedSize === undefined ? (defaults.fixedSize ?? null) : options.fixedSize;
  const count = (name: 'maxSize' | 'sizeDivisible', fallback: number): number =>
    positiveInteger(where, name, options[name] ?? defaults[name] ?? fallback);
  return {
    minSize:
      typeof minSize === 'number'
        ? [positiveInteger(where, 'minSize', minSize)]
        : checkList(where, 'minSize', minSize, positiveInteger),
    maxSize: count('maxSize', 1333),
    imageMean: checkList(where, 'imageMean', imageMean, checkNumber, 3),
    imageStd: checkList(where, 'imageStd', imageStd, checkPositive, 3),
    sizeDivisible: count('sizeDivisible', 32),
    fixedSize:
      fixedSize === null
        ? null
        : (checkList(where, 'fixedSize', fixedSize, positiveInteger, 2) as [number, number]),
    channelOrder: checkChoice(
      where,
      'channelOrder',
      options.channelOrder ?? defaults.channelOrder ?? 'rgb',
      ['rgb', 'bgr'],
    ),
  };
}
