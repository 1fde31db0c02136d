import { optionError, rejectUnknownOptions } from '../errors';
import {
  checkBoolean,
  checkChoice,
  checkInteger,
  checkList,
  checkNumber,
  checkOptions,
} from '../nn/check';
import { NORM_GROUPS, NORM_KINDS, normLayer } from '../nn/norm';
import type { NormKind } from '../nn/norm';
import type { Backbone, PretrainedHint } from './backbone';
import { bodyWithPyramid, EXTRA_BLOCKS } from './feature-pyramid';
import type { ExtraBlocks } from './feature-pyramid';
import { checkLevels, givenOptions, lookUp } from './options';
import { RESNET_INITS, resnetChildren, RESNETS, resnetStageChannels } from './resnet';
import type { ResnetArchitecture, ResnetDeformable, ResnetName, ResnetVariant } from './resnet';
import { freezeGroups } from './trainable';

/** Deformable 3x3 convolutions (https://arxiv.org/abs/1811.11168) in every bottleneck of some layers. */
export interface DeformableOptions {
  /** Layers that have them, each 1 to 4. */
  readonly layers: readonly number[];
  /** Whether samples are weighed as well as moved. Default true. */
  readonly modulated?: boolean;
  /** Groups of channels with offsets of their own. Default 1. */
  readonly deformableGroups?: number;
}

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
  /**
   * Norm after the pyramid's convolutions. Default null: none; `batch` in torchvision's v2 models; `group`: GroupNorm with 32
   * groups.
   */
  readonly fpnNorm?: 'batch' | 'group' | null;
  /** ReLU after each of them. Default false. */
  readonly fpnRelu?: boolean;
  /** Channels of every map that comes out. Default 256. */
  readonly outChannels?: number;
  /**
   * Where a layer's stride stands in its first bottleneck: in the 3x3 convolution (false, the default, as in torchvision and its
   * weights) or in the 1x1 before it, as in caffe-style bodies.
   */
  readonly strideIn1x1?: boolean;
  /** First values of the body's convolutions. Default `kaimingNormal` (fan out), torchvision's; `kaimingUniform`: with a = 1. */
  readonly weightInit?: keyof typeof RESNET_INITS;
  /** Default null: none. */
  readonly deformable?: DeformableOptions | null;
}

const OPTIONS = [
  ...['trainableLayers', 'returnedLayers', 'extraBlocks', 'norm', 'normEps', 'fpnNorm', 'fpnRelu'],
  ...['outChannels', 'strideIn1x1', 'weightInit', 'deformable'],
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
  const variant = checkVariant(where, architecture, options);
  const outChannels = checkInteger(where, 'outChannels', options.outChannels ?? 256, 1);
  const pyramidNorm = checkChoice(where, 'fpnNorm', fpnNorm, ['batch', 'group', null]);
  if (pyramidNorm === 'group' && outChannels % NORM_GROUPS !== 0) {
    const expected = `a multiple of ${NORM_GROUPS}, the groups of fpnNorm "group"`;
    throw optionError(where, 'outChannels', outChannels, expected);
  }

  const { children, frozenNames } = freezeGroups(
    resnetChildren(architecture, normLayer(kind, { eps }), variant),
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
      outChannels,
      extraBlocks: checkChoice(where, 'extraBlocks', extraBlocks, EXTRA_BLOCKS),
      norm: pyramidNorm,
      relu: checkBoolean(where, 'fpnRelu', options.fpnRelu ?? false),
    }),
    trainableGroups: GROUPS.map((group) => group.map((child) => `body.${child}.`)),
    frozen: frozenNames.map((child) => `body.${child}.`),
    pretrained: pretrainedHint(name, architecture, variant.deformable),
    description: { builder: 'resnetFpn', name, options: givenOptions(options) },
  };
}

/** The options in which a body differs from torchvision's; what needs a bottleneck is refused without one. */
function checkVariant(
  where: string,
  architecture: ResnetArchitecture,
  options: ResnetFpnOptions,
): ResnetVariant {
  const inits = Object.keys(RESNET_INITS) as (keyof typeof RESNET_INITS)[];
  const strideIn1x1 = checkBoolean(where, 'strideIn1x1', options.strideIn1x1 ?? false);
  const deformable = options.deformable ? checkDeformable(where, options.deformable) : null;
  if (architecture.block === 'basic') {
    const bottlenecks =
      'for a ResNet with bottlenecks (resnet50 and larger): this one has blocks of two 3x3 convolutions, so leave it out';
    if (strideIn1x1) throw optionError(where, 'strideIn1x1', strideIn1x1, bottlenecks);
    if (deformable) throw optionError(where, 'deformable', options.deformable, bottlenecks);
  }
  return {
    weightInit: checkChoice(where, 'weightInit', options.weightInit ?? 'kaimingNormal', inits),
    strideIn1x1,
    deformable,
  };
}

function checkDeformable(owner: string, options: DeformableOptions): ResnetDeformable {
  const where = `${owner}: deformable`;
  checkOptions(where, options);
  rejectUnknownOptions(where, options, ['layers', 'modulated', 'deformableGroups']);
  const layers = checkList(where, 'layers', options.layers, (place, option, layer) =>
    checkInteger(place, option, layer, 1, 4),
  );
  // Every width of a bottleneck is a multiple of 64.
  const groups = checkInteger(where, 'deformableGroups', options.deformableGroups ?? 1, 1, 64);
  if (64 % groups !== 0) {
    throw optionError(where, 'deformableGroups', groups, 'a power of two up to 64');
  }
  return {
    layers,
    modulated: checkBoolean(where, 'modulated', options.modulated ?? true),
    deformableGroups: groups,
  };
}

/** Where torchvision's ImageNet weights go: a deformable convolution takes the weights of the one it replaces. */
function pretrainedHint(
  name: ResnetName,
  architecture: ResnetArchitecture,
  deformable: ResnetDeformable | null,
): PretrainedHint {
  const hint = { weights: name, from: '', to: 'body.' };
  if (!deformable) return hint;
  const convs = deformable.layers.flatMap((layer) =>
    Array.from(
      { length: architecture.layers[layer - 1] ?? 0 },
      (_, i) => `layer${layer}.${i}.conv2.`,
    ),
  );
  return {
    ...hint,
    moved: [...convs.map((conv) => [conv, `${conv}conv.`] as const), ['', '']],
    fresh: convs.map((conv) => `${conv}offset.`),
  };
}
