/** What the heads of RetinaNet and FCOS share. */
import type { Backbone } from '../../backbones/backbone';
import { optionError, TorchdetError } from '../../errors';
import { checkChoice, checkInteger } from '../../nn/check';
import { NORM_GROUPS, normLayer } from '../../nn/norm';
import type { NormLayer } from '../../nn/norm';
import { checkKnown } from './checks';

/** Convolutions of each branch before its outputs. */
export interface DenseHeadOptions {
  /** 3x3 convolutions of each branch, 0 or more. Default 4. */
  readonly convs?: number;
  /** Norm after each: GroupNorm with 32 groups, BatchNorm, or null for none. Default RetinaNet null, v2 and FCOS `group`. */
  readonly norm?: 'group' | 'batch' | null;
  /** Score that every class has before training, between 0 and 1; the bias of the logits is set to it. Default 0.01. */
  readonly priorProbability?: number;
}

/** The options above, completed. */
export interface DenseHeadShape {
  readonly channels: number;
  readonly convs: number;
  readonly norm: NormLayer | null;
  /** Initial bias of the logits. */
  readonly priorBias: number;
}

/**
 * @throws TorchdetError ERR_OPTION_VALUE, ERR_OPTION_UNKNOWN; ERR_BACKBONE_MISMATCH where groups do not divide the channels
 */
export function denseHeadShape(
  where: string,
  backbone: Backbone,
  channels: number,
  options: DenseHeadOptions,
  defaultNorm: 'group' | null,
): DenseHeadShape {
  const place = `${where}: head`;
  checkKnown(place, options, ['convs', 'norm', 'priorProbability']);
  const convs = checkInteger(place, 'convs', options.convs ?? 4, 0);
  const given = options.norm === undefined ? defaultNorm : options.norm;
  const norm = checkChoice(place, 'norm', given, ['group', 'batch', null]);
  if (norm === 'group' && channels % NORM_GROUPS !== 0) {
    throw new TorchdetError(
      'ERR_BACKBONE_MISMATCH',
      `${place}: norm "group" makes ${NORM_GROUPS} groups, but backbone ${backbone.name} has ${channels} channels, which they do not divide.`,
    );
  }
  const prior: unknown = options.priorProbability ?? 0.01;
  if (typeof prior !== 'number' || !(prior > 0 && prior < 1)) {
    throw optionError(place, 'priorProbability', prior, 'a number between 0 and 1');
  }
  return {
    channels,
    convs,
    norm: norm === null ? null : normLayer(norm),
    priorBias: -Math.log((1 - prior) / prior),
  };
}

/**
 * Lines that append a level's map to a list, N x (A * size) x H x W flattened to N x (H * W * A) x size. A map in channels
 * last is not copied.
 */
export function appendFlattened(list: string, map: string, size: number): readonly string[] {
  return [
    `${list}_map = torch.permute(${map}, [0, 2, 3, 1])`,
    `${list}.append(torch.reshape(${list}_map, [${list}_map.size(0), -1, ${size}]))`,
  ];
}

/** The body of a branch's forward: `each` for every level's `feature`, with a list for each output. */
export function overLevels(lists: readonly string[], each: readonly string[]): readonly string[] {
  return [
    ...lists.map((list) => `${list}: List[Tensor] = []`),
    'for feature in features:',
    ...each.map((line) => `    ${line}`),
  ];
}
