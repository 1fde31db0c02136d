/** SSD's default boxes: options of torchvision's DefaultBoxGenerator, checked against the backbone's levels. */
import type { DefaultBoxConfig } from '../../../binding';
import type { Backbone } from '../../backbones/backbone';
import { optionError } from '../../errors';
import { checkBoolean, checkList, checkPositive } from '../../nn/check';
import { checkKnown } from '../common/checks';
import { levelsOf, mismatch } from '../common/levels';

export interface DefaultBoxOptions {
  /**
   * One list per level, which may be empty: each ratio r gives a box of r and one of 1/r, beside the two squares that every
   * level has. Default [2, 3] at each level.
   */
  readonly aspectRatios?: readonly (readonly number[])[];
  /** Side of the first level's boxes as a share of the image, where `scales` is not given. Default 0.15. */
  readonly minRatio?: number;
  /** The same of the last level's. Default 0.9. */
  readonly maxRatio?: number;
  /** Sides as shares of the image, one more than there are levels. Default: evenly from `minRatio` to `maxRatio`, then 1. */
  readonly scales?: readonly number[] | null;
  /** Pixels per cell of each level, for the boxes' centres. Default null: the image's size over the map's. */
  readonly steps?: readonly number[] | null;
  /** Whether widths and heights are cut to the image's. Default true. */
  readonly clip?: boolean;
}

const OPTIONS: Readonly<Record<keyof DefaultBoxOptions, true>> = {
  aspectRatios: true,
  minRatio: true,
  maxRatio: true,
  scales: true,
  steps: true,
  clip: true,
};

/**
 * @throws TorchdetError ERR_OPTION_VALUE, ERR_OPTION_UNKNOWN; ERR_BACKBONE_MISMATCH with both counts where lists and levels do
 * not fit
 */
export function defaultBoxConfig(
  where: string,
  option: string,
  backbone: Backbone,
  options: DefaultBoxOptions = {},
): DefaultBoxConfig {
  const place = `${where}: ${option}`;
  checkKnown(place, options, Object.keys(OPTIONS));
  const levels = backbone.featureNames.length;
  const aspectRatios =
    options.aspectRatios === undefined
      ? backbone.featureNames.map(() => [2, 3])
      : checkList(place, 'aspectRatios', options.aspectRatios, checkRatios);
  const steps = options.steps ?? null;
  const config: DefaultBoxConfig = {
    aspectRatios,
    scales: scalesOf(place, levels, options),
    steps: steps === null ? null : checkList(place, 'steps', steps, checkPositive),
    clip: checkBoolean(place, 'clip', options.clip ?? true),
  };
  const counts: [string, number | undefined, number][] = [
    ['aspectRatios', config.aspectRatios.length, levels],
    ['steps', config.steps?.length, levels],
    ['scales', config.scales.length, levels + 1],
  ];
  for (const [name, count, needed] of counts) {
    if (count === undefined || count === needed) continue;
    const more = name === 'scales' ? ', one more than there are levels' : '';
    throw mismatch(
      `${place}: "${name}" has ${count} entries, but ${levelsOf(backbone)}. Give ${needed}${more}.`,
    );
  }
  return config;
}

/** Boxes per cell of each level: two squares, and two for each ratio. */
export function boxesPerCell(config: DefaultBoxConfig): readonly number[] {
  return config.aspectRatios.map((ratios) => 2 + 2 * ratios.length);
}

/** Unlike other lists, a level's ratios may be none. */
function checkRatios(place: string, option: string, value: unknown): readonly number[] {
  if (!Array.isArray(value)) throw optionError(place, option, value, 'a list of numbers above 0');
  return value.map((ratio: unknown, i) => checkPositive(place, `${option}[${i}]`, ratio));
}

/** As torchvision spreads them: evenly, and 1 for the last level's larger square. */
function scalesOf(place: string, levels: number, options: DefaultBoxOptions): readonly number[] {
  const given = options.scales ?? null;
  const min = checkPositive(place, 'minRatio', options.minRatio ?? 0.15);
  const max = checkPositive(place, 'maxRatio', options.maxRatio ?? 0.9);
  if (max < min) throw optionError(place, 'maxRatio', max, `at least minRatio, which is ${min}`);
  if (given !== null) return checkList(place, 'scales', given, checkPositive);
  if (levels === 1) return [min, max];
  const range = max - min;
  return [...Array.from({ length: levels }, (_, level) => min + (range * level) / (levels - 1)), 1];
}
