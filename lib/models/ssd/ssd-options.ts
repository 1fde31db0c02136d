import type { Backbone } from '../../backbones/backbone';
import type { SsdLiteNormOptions } from '../../backbones/ssd-mobilenet';
import { DENSE_SETTINGS } from '../common/dense';
import type { DenseSettings } from '../common/dense';
import type { DefaultBoxOptions } from './default-boxes';

/** `ssd`: a 3x3 convolution per level. `ssdLite`: a depthwise and a 1x1 convolution, with a norm between them. */
export type SsdHeadOptions =
  { readonly kind: 'ssd' } | ({ readonly kind: 'ssdLite' } & SsdLiteNormOptions);

/** What `size` stands for. */
type Sizing = 'minSize' | 'maxSize' | 'sizeDivisible' | 'fixedSize';
const SIZING: readonly string[] = ['minSize', 'maxSize', 'sizeDivisible', 'fixedSize'];

/**
 * torchvision's options of `SSD` in camelCase, apart from the backbone, the number of classes and the size; defaults are
 * torchvision's.
 */
export interface SsdSettings extends Omit<DenseSettings, Sizing> {
  /** Default boxes. Default: aspect ratios 2 and 3 at each level, sides from 0.15 to 0.9 of the image. */
  readonly anchorGenerator?: DefaultBoxOptions;
  /** IoU from which a default box is an object in training. Default 0.5. */
  readonly iouThresh?: number;
  /** Share of objects among the default boxes that count in the loss, above 0: 0.25 is three of the background for each. Default 0.25. */
  readonly positiveFraction?: number;
}

/** Options of `ssd`. */
export interface SsdOptions extends SsdSettings {
  readonly backbone: Backbone;
  /** Classes **with the background**, which is label 0: kinds of object + 1. */
  readonly numClasses: number;
  /** What images are resized to, in pixels: [width, height], or the side of a square. Default 300. */
  readonly size?: number | readonly [width: number, height: number];
  /** Default `{ kind: 'ssd' }`. */
  readonly head?: SsdHeadOptions;
}

/** Names of the settings above, for telling a misspelt one. */
export const SSD_SETTINGS: readonly string[] = [
  ...DENSE_SETTINGS.filter((name) => !SIZING.includes(name)),
  ...['anchorGenerator', 'iouThresh', 'positiveFraction'],
];
