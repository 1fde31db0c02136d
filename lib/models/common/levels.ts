/** Anchors and RoI levels: derived from what the backbone declares, or checked against it before anything runs. */
import type { AnchorConfig, RoiPoolConfig } from '../../../binding';
import type { Backbone } from '../../backbones/backbone';
import { optionError, rejectUnknownOptions, TorchdetError } from '../../errors';
import { checkChoice, checkInteger, checkList, checkPositive, checkString } from '../../nn/check';
import { pair } from '../../nn/conv-arguments';

/** Anchors of a head, per feature level. */
export interface AnchorOptions {
  /**
   * Side of a square anchor in pixels of the resized image. One list per level; a plain list gives each level one size.
   */
  readonly sizes: readonly number[] | readonly (readonly number[])[];
  /** Height / width. One list per level, or one plain list for all. Default [0.5, 1, 2]. */
  readonly aspectRatios?: readonly number[] | readonly (readonly number[])[];
}

/** torchvision's MultiScaleRoIAlign. */
export interface RoiPoolOptions {
  /** Maps to pool from, in the backbone's order. Default: those of '0', '1', '2', '3' that the backbone has. */
  readonly featmapNames?: readonly string[];
  /** One number or [height, width] in cells. Default 7. */
  readonly outputSize?: number | readonly [height: number, width: number];
  /** Sampling points per cell and axis; -1: as many as the RoI's size asks for. Default 2. */
  readonly samplingRatio?: number;
  /** Side in pixels of the box that belongs to `canonicalLevel`. Default 224. */
  readonly canonicalScale?: number;
  /** Default 4. */
  readonly canonicalLevel?: number;
  /**
   * What a RoI gets whose pyramid level has no map, as strides leave one out (4 and 16, say). `nearest`, the default: it is
   * pooled from the next finer map. `zeros`: as torchvision, which takes the level, counted from the first map's, for the
   * map's index: that may be a coarser map, and gives zeros beyond the last; for weights trained that way. No difference where
   * each stride is twice the one before.
   */
  readonly missingLevels?: MissingLevels;
}

export type MissingLevels = RoiPoolConfig['missingLevels'];

const ASPECT_RATIOS = [0.5, 1, 2];
const SINGLE_LEVEL_SIZES = [32, 64, 128, 256, 512];
const ROI_LEVELS = ['0', '1', '2', '3'];

/** ERR_BACKBONE_MISMATCH. */
export function mismatch(message: string): TorchdetError {
  return new TorchdetError('ERR_BACKBONE_MISMATCH', message);
}

/** The backbone's levels in words, for messages. */
export function levelsOf(backbone: Backbone): string {
  const { featureNames, strides, name } = backbone;
  const levels = featureNames.map((feature, i) => `"${feature}" (stride ${strides[i] ?? 0})`);
  return `backbone ${name} has ${featureNames.length} feature level${levels.length === 1 ? '' : 's'}: ${levels.join(', ')}`;
}

/**
 * A backbone whose lists do not fit each other serves no head.
 *
 * @throws TorchdetError ERR_BACKBONE_MISMATCH
 */
export function checkLevelLists(where: string, backbone: Backbone): void {
  const { channels, featureNames, name, strides } = backbone;
  if (channels.length !== featureNames.length || strides.length !== featureNames.length) {
    throw mismatch(
      `${where}: backbone ${name} declares ${featureNames.length} feature names, ${channels.length} channels and ${strides.length} strides; there must be one of each per level.`,
    );
  }
  if (channels.length > 0) return;
  throw mismatch(`${where}: backbone ${name} declares no feature level.`);
}

/**
 * The same, and that all maps have as many channels, for heads that the levels share.
 *
 * @throws TorchdetError ERR_BACKBONE_MISMATCH
 */
export function checkBackbone(where: string, backbone: Backbone): number {
  checkLevelLists(where, backbone);
  const { channels, featureNames, name } = backbone;
  const first = channels[0] ?? 0;
  const different = channels.findIndex((count) => count !== first);
  if (different >= 0) {
    throw mismatch(
      `${where}: backbone ${name} gives ${first} channels at level "${featureNames[0] ?? ''}" and ${channels[different] ?? 0} at level "${featureNames[different] ?? ''}"; the heads are shared by all levels and need the same at each.`,
    );
  }
  return first;
}

/** A list of lists as given, or a plain list turned into one by `spread`. */
function perLevel(
  where: string,
  option: string,
  value: readonly number[] | readonly (readonly number[])[],
  spread: (list: readonly number[]) => readonly (readonly number[])[],
): readonly (readonly number[])[] {
  if (!Array.isArray(value) || value.length === 0) {
    throw optionError(where, option, value, 'a list that is not empty');
  }
  if (value.some(Array.isArray)) {
    return checkList(where, option, value, (place, name, list) =>
      checkList(place, name, list, checkPositive),
    );
  }
  return spread(checkList(where, option, value, checkPositive));
}

/**
 * @throws TorchdetError ERR_OPTION_VALUE, or ERR_BACKBONE_MISMATCH with both counts where anchors and levels do not fit
 */
export function anchorConfig(
  where: string,
  option: string,
  backbone: Backbone,
  options: AnchorOptions | undefined,
): AnchorConfig {
  const levels = backbone.featureNames.length;
  const place = `${where}: ${option}`;
  if (options) rejectUnknownOptions(place, options, ['sizes', 'aspectRatios']);
  const derived = levels === 1 ? [SINGLE_LEVEL_SIZES] : backbone.strides.map((s) => [8 * s]);
  const sizes = perLevel(place, 'sizes', options?.sizes ?? derived, (list) =>
    list.map((size) => [size]),
  );
  const ratios = options?.aspectRatios ?? ASPECT_RATIOS;
  const aspectRatios = perLevel(place, 'aspectRatios', ratios, (list) => sizes.map(() => list));
  for (const [what, given] of [
    ['sizes', sizes.length],
    ['aspectRatios', aspectRatios.length],
  ] as const) {
    if (given !== levels) {
      throw mismatch(
        `${place}: "${what}" is for ${given} levels, but ${levelsOf(backbone)}. Give ${levels}.`,
      );
    }
  }
  const counts = sizes.map((list, i) => list.length * (aspectRatios[i]?.length ?? 0));
  const odd = counts.findIndex((count) => count !== counts[0]);
  if (odd >= 0) {
    throw mismatch(
      `${place}: level 0 has ${counts[0] ?? 0} anchors per cell and level ${odd} has ${counts[odd] ?? 0}; the head is shared by all levels and needs the same at each.`,
    );
  }
  return { sizes, aspectRatios };
}

/**
 * @throws TorchdetError ERR_OPTION_VALUE, or ERR_BACKBONE_MISMATCH where RoI levels and the backbone's do not fit
 */
export function roiPoolConfig(
  where: string,
  option: string,
  backbone: Backbone,
  options: RoiPoolOptions,
  defaults: { readonly outputSize: number } = { outputSize: 7 },
): RoiPoolConfig {
  const place = `${where}: ${option}`;
  rejectUnknownOptions(place, options, [
    ...['featmapNames', 'outputSize', 'samplingRatio', 'canonicalScale', 'canonicalLevel'],
    'missingLevels',
  ]);
  const featmapNames = roiLevels(place, backbone, options.featmapNames);
  const strides = featmapNames.map(
    (name) => backbone.strides[backbone.featureNames.indexOf(name)] ?? 1,
  );
  checkRoiStrides(place, featmapNames, strides);
  const samplingRatio = options.samplingRatio ?? 2;
  if (!Number.isInteger(samplingRatio) || (samplingRatio < 1 && samplingRatio !== -1)) {
    throw optionError(place, 'samplingRatio', samplingRatio, 'an integer of at least 1, or -1');
  }
  return {
    featmapNames,
    strides,
    outputSize: pair(place, 'outputSize', options.outputSize ?? defaults.outputSize, 1),
    samplingRatio,
    canonicalScale: checkInteger(place, 'canonicalScale', options.canonicalScale ?? 224, 1),
    canonicalLevel: checkInteger(place, 'canonicalLevel', options.canonicalLevel ?? 4, 0),
    missingLevels: checkChoice(place, 'missingLevels', options.missingLevels ?? 'nearest', [
      'nearest',
      'zeros',
    ]),
  };
}

function roiLevels(
  place: string,
  backbone: Backbone,
  given: readonly string[] | undefined,
): readonly string[] {
  const names = backbone.featureNames;
  if (given === undefined) {
    const levels = ROI_LEVELS.filter((name) => names.includes(name));
    if (levels.length > 0) return levels;
    throw mismatch(
      `${place}: none of the default levels "0" to "3" is there: ${levelsOf(backbone)}. Name those to pool from in "featmapNames".`,
    );
  }
  const chosen = checkList(place, 'featmapNames', given, checkString);
  let previous = -1;
  for (const name of chosen) {
    const index = names.indexOf(name);
    if (index < 0) {
      throw mismatch(`${place}: "featmapNames" has "${name}", but ${levelsOf(backbone)}.`);
    }
    if (index <= previous) {
      throw optionError(place, 'featmapNames', given, "in the backbone's order, each name once");
    }
    previous = index;
  }
  return chosen;
}

/** RoIs go to level log2(size), counted from the first stride's: each stride a power of two, finest first. */
function checkRoiStrides(
  place: string,
  names: readonly string[],
  strides: readonly number[],
): void {
  strides.forEach((stride, i) => {
    const level = `level "${names[i] ?? ''}" has stride ${stride}`;
    if (!Number.isInteger(Math.log2(stride))) {
      throw mismatch(`${place}: ${level}; RoIs are assigned by powers of two.`);
    }
    const before = strides[i - 1] ?? 0;
    if (stride < before) {
      throw mismatch(
        `${place}: ${level} and "${names[i - 1] ?? ''}" before it ${before}; RoIs want the finest level first.`,
      );
    }
  });
}

/**
 * What a builder has to say of a RoI pooling whose strides leave levels out: one message naming them, or none.
 *
 * @param option name of the pooling's option, for the message
 */
export function missingLevelWarnings(
  where: string,
  option: string,
  config: RoiPoolConfig,
): readonly string[] {
  const { strides, missingLevels } = config;
  const [first = 1] = strides;
  const last = strides[strides.length - 1] ?? first;
  const missing: number[] = [];
  for (let stride = first; stride < last; stride *= 2) {
    if (!strides.includes(stride)) missing.push(stride);
  }
  if (missing.length === 0) return [];
  const fate = missing.map((stride) => {
    if (missingLevels === 'nearest') {
      return `RoIs of stride ${stride} are pooled from stride ${nextFiner(strides, stride)}`;
    }
    // What torchvision reads there: the map at the level's index.
    const taken = strides[Math.log2(stride / first)];
    return `RoIs of stride ${stride} are ${taken === undefined ? 'zeros' : `pooled from stride ${taken}`}`;
  });
  if (missingLevels === 'zeros' && strides[Math.log2(last / first)] === undefined) {
    fate.push(`RoIs of stride ${last} are zeros`);
  }
  return [
    `${where}: ${option} pools from strides ${strides.join(', ')}, which leave out ${missing.join(', ')}: ${fate.join('; ')} (missingLevels "${missingLevels}").`,
  ];
}

function nextFiner(strides: readonly number[], stride: number): number {
  return Math.max(...strides.filter((candidate) => candidate < stride));
}
