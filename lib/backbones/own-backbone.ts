/** Backbones of one's own: a module written with the layers of lib/nn, and what others must know of it. */
import { optionError, rejectUnknownOptions, TorchdetError } from '../errors';
import { checkBoolean, checkChoice, checkInteger, checkOptions, checkString } from '../nn/check';
import { stateOf } from '../nn/module';
import { NORM_GROUPS } from '../nn/norm';
import type { ModuleSpec } from '../nn/spec';
import type { Backbone, PretrainedHint } from './backbone';
import { bodyWithPyramid, EXTRA_BLOCKS } from './feature-pyramid';
import type { BodyLevel, ExtraBlocks } from './feature-pyramid';
import { freezeGroups } from './trainable';
import type { Children } from './trainable';

/** What the maps of a backbone are declared to be. */
export interface DeclaredLevels {
  readonly featureNames: readonly string[];
  readonly channels: readonly number[];
  readonly strides: readonly number[];
}

/** In the description of a backbone of one's own: what the module must give, checked when a detector is made of it. */
export interface OwnBackboneOptions {
  readonly levels: DeclaredLevels;
  /** Of the body under a pyramid, which is `body` in the module. */
  readonly bodyLevels?: readonly BodyLevel[];
}

/** `description.backbone.builder` of backbones that are not torchdet's. */
export const OWN_BUILDER = 'custom';

/** Parts of a backbone of one's own; see {@link Backbone}. */
export interface OwnBackboneParts extends DeclaredLevels {
  readonly name: string;
  /** `forward(self, x: Tensor) -> Dict[str, Tensor]`: the maps under `featureNames`, finest first. */
  readonly module: ModuleSpec;
  /** Default: none, all of it trains. */
  readonly trainableGroups?: readonly (readonly string[])[];
  /** Prefixes of the parameters that are frozen in the module (`nn.frozen`). Default none. */
  readonly frozen?: readonly string[];
  readonly pretrained?: PretrainedHint;
}

/**
 * A backbone whose module gives the feature maps by itself. Names, channels and strides are declared; `Detector.create` tries the
 * module on a small image and says where it gives others.
 *
 * @throws TorchdetError ERR_BACKBONE_MISMATCH where the lists differ in length or strides do not ascend; ERR_OPTION_VALUE,
 * ERR_OPTION_UNKNOWN
 */
export function ownBackbone(parts: OwnBackboneParts): Backbone {
  const where = 'ownBackbone';
  checkOptions(where, parts);
  rejectUnknownOptions(where, parts, [
    ...['name', 'module', 'featureNames', 'channels', 'strides', 'trainableGroups', 'frozen'],
    'pretrained',
  ]);
  const name = checkString(where, 'name', parts.name);
  const { module, featureNames, channels, strides, pretrained } = parts;
  checkDeclared(where, name, { featureNames, channels, strides });
  const options: OwnBackboneOptions = { levels: { featureNames, channels, strides } };
  return {
    name,
    module,
    featureNames,
    channels,
    strides,
    trainableGroups: parts.trainableGroups ?? [],
    frozen: parts.frozen ?? [],
    ...(pretrained && { pretrained }),
    description: { builder: OWN_BUILDER, name, options: { ...options } },
  };
}

/** A network whose children run one after the other, Tensor to Tensor, and the places where its maps are taken. */
export interface BackboneBody {
  readonly name: string;
  /** [name, module] pairs: the names show in the state dict, as `body.<name>.weight`. What comes after the last level is dropped. */
  readonly children: Children;
  /** The children whose maps the pyramid is built on, finest first: name, channels and stride of what comes out of each. */
  readonly levels: readonly BodyLevel[];
  /** Names of children from head to stem: what `trainableLayers` counts. Default: each child with parameters by itself. */
  readonly trainableGroups?: readonly (readonly string[])[];
  /** A classifier of torchvision's whose weights fit: its name, and what its names have in front of the children's. */
  readonly pretrained?: { readonly weights: string; readonly from: string };
}

export interface FeaturePyramidOptions {
  /** How many of the body's groups train, counted from the head. Default all. */
  readonly trainableLayers?: number;
  /** Channels of every map that comes out. Default 256. */
  readonly outChannels?: number;
  /** Levels on top. Default `maxPool`: one more, named `pool`. */
  readonly extraBlocks?: ExtraBlocks;
  /** Norm after the pyramid's convolutions. Default null: none. */
  readonly fpnNorm?: 'batch' | 'group' | null;
  /** ReLU after each of them. Default false. */
  readonly fpnRelu?: boolean;
}

const PYRAMID_OPTIONS = ['trainableLayers', 'outChannels', 'extraBlocks', 'fpnNorm', 'fpnRelu'];

/**
 * A body of one's own with a feature pyramid: torchvision's `BackboneWithFPN` around an `nn.Sequential`, with its keys
 * (`body.<child>.…`, `fpn.inner_blocks.0.0.weight`). Maps "0", "1", … in the order of `levels`, then the extra ones.
 *
 * @throws TorchdetError ERR_BACKBONE_MISMATCH where a level is no child or strides do not ascend; ERR_OPTION_VALUE,
 * ERR_OPTION_UNKNOWN
 */
export function withFeaturePyramid(
  body: BackboneBody,
  options: FeaturePyramidOptions = {},
): Backbone {
  const where = 'withFeaturePyramid';
  checkOptions(where, body);
  rejectUnknownOptions(where, body, [
    'name',
    'children',
    'levels',
    'trainableGroups',
    'pretrained',
  ]);
  checkOptions(where, options);
  rejectUnknownOptions(where, options, PYRAMID_OPTIONS);
  const { name, levels, pretrained } = body;
  checkString(where, 'name', name);
  checkBodyLevels(where, body);
  const { extraBlocks = 'maxPool', fpnNorm = null } = options;
  const outChannels = checkInteger(where, 'outChannels', options.outChannels ?? 256, 1);
  const norm = checkChoice(where, 'fpnNorm', fpnNorm, ['batch', 'group', null]);
  if (norm === 'group' && outChannels % NORM_GROUPS !== 0) {
    const expected = `a multiple of ${NORM_GROUPS}, the groups of fpnNorm "group"`;
    throw optionError(where, 'outChannels', outChannels, expected);
  }
  const groups =
    body.trainableGroups ??
    body.children
      .filter(([, child]) => [...stateOf(child)].some(({ kind }) => kind === 'parameter'))
      .map(([child]) => [child])
      .reverse();
  const most = groups.length;
  const count = checkInteger(where, 'trainableLayers', options.trainableLayers ?? most, 0, most);
  const { children, frozenNames } = freezeGroups(body.children, groups, count);
  const pyramid = bodyWithPyramid(children, levels, {
    outChannels,
    extraBlocks: checkChoice(where, 'extraBlocks', extraBlocks, EXTRA_BLOCKS),
    norm,
    relu: checkBoolean(where, 'fpnRelu', options.fpnRelu ?? false),
  });
  const { featureNames, channels, strides } = pyramid;
  const description: OwnBackboneOptions = {
    levels: { featureNames, channels, strides },
    bodyLevels: levels,
  };
  return {
    name,
    ...pyramid,
    trainableGroups: groups.map((group) => group.map((child) => `body.${child}.`)),
    frozen: frozenNames.map((child) => `body.${child}.`),
    ...(pretrained && { pretrained: { ...pretrained, to: 'body.' } }),
    description: { builder: OWN_BUILDER, name, options: { ...description } },
  };
}

function mismatch(message: string): TorchdetError {
  return new TorchdetError('ERR_BACKBONE_MISMATCH', message);
}

function checkDeclared(where: string, name: string, declared: DeclaredLevels): void {
  const { featureNames, channels, strides } = declared;
  if (featureNames.length === 0) {
    throw mismatch(`${where}: backbone ${name} declares no feature level.`);
  }
  if (channels.length !== featureNames.length || strides.length !== featureNames.length) {
    throw mismatch(
      `${where}: backbone ${name} declares ${featureNames.length} feature names, ${channels.length} channels and ${strides.length} strides; there must be one of each per level.`,
    );
  }
  featureNames.forEach((feature, i) => {
    checkInteger(where, `channels[${i}]`, channels[i], 1);
    const stride = checkInteger(where, `strides[${i}]`, strides[i], 1);
    const before = strides[i - 1] ?? 0;
    if (stride < before) {
      throw mismatch(
        `${where}: backbone ${name} declares stride ${before} at level "${featureNames[i - 1] ?? ''}" and ${stride} at level "${feature}" after it; levels go from fine to coarse.`,
      );
    }
  });
}

function checkBodyLevels(where: string, { name, children, levels }: BackboneBody): void {
  const names = children.map(([child]) => child);
  checkDeclared(where, name, {
    featureNames: levels.map(({ child }) => child),
    channels: levels.map(({ channels }) => channels),
    strides: levels.map(({ stride }) => stride),
  });
  let previous = -1;
  levels.forEach(({ child }, i) => {
    const index = names.indexOf(child);
    if (index < 0) {
      throw mismatch(
        `${where}: level ${i} of backbone ${name} is taken from child "${child}", but its ${names.length} children are ${names.map((known) => `"${known}"`).join(', ')}.`,
      );
    }
    if (index <= previous) {
      throw mismatch(
        `${where}: level ${i} of backbone ${name} is taken from child "${child}", which does not run after "${names[previous] ?? ''}", level ${i - 1}.`,
      );
    }
    previous = index;
  });
}
