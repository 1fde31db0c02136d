import { rejectUnknownOptions } from '../errors';
import { checkChoice, checkInteger, checkNumber, checkOptions } from '../nn/check';
import { NORM_KINDS, normLayer } from '../nn/norm';
import type { NormKind } from '../nn/norm';
import type { Backbone } from './backbone';
import { bodyWithPyramid, EXTRA_BLOCKS } from './feature-pyramid';
import type { ExtraBlocks } from './feature-pyramid';
import { checkLevels, givenOptions, lookUp } from './options';
import { resnetChildren, RESNETS, resnetStageChannels } from './resnet';
import type { ResnetArchitecture, ResnetName } from './resnet';
import { freezeGroups } from './trainable';

export interface ResnetFpnOptions {
  /** How many of layer4, layer3, layer2, layer1 and the stem (conv1 with bn1) train, 0 to 5. Default 3. */
  readonly trainableLayers?: number;
  /** Layers whose maps the pyramid is built on, ascending, each 1 to 4. Default [1, 2, 3, 4]: strides 4, 8, 16, 32. */
  readonly returnedLayers?: readonly number[];
  /** Levels on top. Default `maxPool`: one more, named `pool`. */
  readonly extraBlocks?: ExtraBlocks;
  /** Norm of the body. Default `frozen`, right for pretrained weights; `batch` or `group` to train from scratch. */
  readonly norm?: NormKind;
  /** eps of the body's norm. Default 1e-5; torchvision's first COCO weights want 0. */
  readonly normEps?: number;
  /** Norm after the pyramid's convolutions. Default null: none; `batch` in torchvision's v2 models. */
  readonly fpnNorm?: 'batch' | null;
  /** Channels of every map that comes out. Default 256. */
  readonly outChannels?: number;
}

const OPTIONS = [
  ...['trainableLayers', 'returnedLayers', 'extraBlocks', 'norm', 'normEps', 'fpnNorm'],
  'outChannels',
];

const GROUPS = [['layer4'], ['layer3'], ['layer2'], ['layer1'], ['conv1', 'bn1']];

/** Names {@link resnetFpn} knows. */
export const RESNET_NAMES = Object.keys(RESNETS) as readonly ResnetName[];

/**
 * A ResNet with a feature pyramid: torchvision's `resnet_fpn_backbone`, with its keys (`body.layer1.0.conv1.weight`,
 * `fpn.inner_blocks.0.0.weight`). Maps "0", "1", … in the order of `returnedLayers`, then the extra ones.
 *
 * @throws TorchdetError ERR_OPTION_VALUE, ERR_OPTION_UNKNOWN
 */
export function resnetFpn(name: ResnetName, options: ResnetFpnOptions = {}): Backbone {
  const architecture = lookUp<ResnetArchitecture>('resnetFpn', name, RESNETS);
  const where = `resnetFpn("${name}")`;
  checkOptions(where, options);
  rejectUnknownOptions(where, options, OPTIONS);
  const { extraBlocks = 'maxPool', fpnNorm = null, norm = 'frozen' } = options;
  const trainableLayers = checkInteger(
    where,
    'trainableLayers',
    options.trainableLayers ?? 3,
    0,
    5,
  );
  const returnedLayers = checkLevels(where, options.returnedLayers ?? [1, 2, 3, 4], 1, 4);
  const kind = checkChoice(where, 'norm', norm, NORM_KINDS);
  const eps = checkNumber(where, 'normEps', options.normEps ?? 1e-5, 0);

  const { children, frozenNames } = freezeGroups(
    resnetChildren(architecture, normLayer(kind, { eps })),
    GROUPS,
    trainableLayers,
  );
  const stageChannels = resnetStageChannels(architecture);
  const levels = returnedLayers.map((layer) => ({
    child: `layer${layer}`,
    channels: stageChannels << (layer - 1),
    stride: 2 << layer,
  }));
  return {
    name,
    ...bodyWithPyramid(children, levels, {
      outChannels: checkInteger(where, 'outChannels', options.outChannels ?? 256, 1),
      extraBlocks: checkChoice(where, 'extraBlocks', extraBlocks, EXTRA_BLOCKS),
      norm: checkChoice(where, 'fpnNorm', fpnNorm, ['batch', null]),
    }),
    trainableGroups: GROUPS.map((group) => group.map((child) => `body.${child}.`)),
    frozen: frozenNames.map((child) => `body.${child}.`),
    pretrained: { weights: name, from: '', to: 'body.' },
    description: { builder: 'resnetFpn', name, options: givenOptions(options) },
  };
}
