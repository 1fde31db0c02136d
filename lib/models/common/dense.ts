/** What one-stage families share: thresholds, the root module, and the detector made of both. */
import type { DenseConfig, DenseTrainingConfig } from '../../../binding';
import type { Backbone } from '../../backbones/backbone';
import { givenOptions } from '../../backbones/options';
import { optionError } from '../../errors';
import { module } from '../../nn/module';
import { defineMethod } from '../../nn/source';
import type { ModuleSpec } from '../../nn/spec';
import type { DetectorSpec } from '../detector-spec';
import { checkCategories, fraction, positiveInteger } from './checks';
import { TRANSFORM_SETTINGS } from './transform';
import type { TransformSettings } from './transform';

/** Settings that every one-stage family has, torchvision's in camelCase; the defaults are each family's own. */
export interface DenseSettings extends TransformSettings {
  /** Names by label, label 0 included: as many as `numClasses`. */
  readonly categories?: readonly string[];
  /** Detections must score above, 0 to 1. Default RetinaNet 0.05, FCOS 0.2, SSD 0.01, SSDlite 0.001. */
  readonly scoreThresh?: number;
  /** IoU above which the lower detection of a class goes. Default RetinaNet 0.5, FCOS 0.6, SSD 0.45, SSDlite 0.55. */
  readonly nmsThresh?: number;
  /** Most detections per image. Default RetinaNet 300, FCOS 100, SSD 200, SSDlite 300. */
  readonly detectionsPerImg?: number;
  /** Best candidates kept before NMS, per level; SSD: per class. Default RetinaNet, FCOS 1000, SSD 400, SSDlite 300. */
  readonly topkCandidates?: number;
}

const SETTINGS: Readonly<Record<Exclude<keyof DenseSettings, keyof TransformSettings>, true>> = {
  categories: true,
  scoreThresh: true,
  nmsThresh: true,
  detectionsPerImg: true,
  topkCandidates: true,
};

/** Names of the settings above, for telling a misspelt one. */
export const DENSE_SETTINGS: readonly string[] = [...TRANSFORM_SETTINGS, ...Object.keys(SETTINGS)];

export type DenseThresholds = Pick<
  DenseConfig,
  'scoreThresh' | 'nmsThresh' | 'detectionsPerImg' | 'topkCandidates'
>;

/**
 * The thresholds checked and completed.
 *
 * @throws TorchdetError ERR_OPTION_VALUE
 */
export function denseThresholds(
  where: string,
  options: DenseSettings,
  defaults: DenseThresholds,
): DenseThresholds {
  const { scoreThresh, nmsThresh, detectionsPerImg, topkCandidates } = {
    ...defaults,
    ...givenOptions(options),
  };
  return {
    scoreThresh: fraction(where, 'scoreThresh', scoreThresh),
    nmsThresh: fraction(where, 'nmsThresh', nmsThresh),
    detectionsPerImg: positiveInteger(where, 'detectionsPerImg', detectionsPerImg),
    topkCandidates: positiveInteger(where, 'topkCandidates', topkCandidates),
  };
}

/** What the losses of other families need: a family states its own fields and leaves these. */
export const DENSE_TRAINING: DenseTrainingConfig = {
  fgIouThresh: 0.5,
  bgIouThresh: 0.4,
  boxLoss: 'l1',
  centerSamplingRadius: 1.5,
  positiveFraction: 0.25,
};

/**
 * Classes of a family that scores each by a sigmoid and has no background class.
 *
 * @throws TorchdetError ERR_OPTION_VALUE saying that label 0 counts all the same
 */
export function checkSigmoidClasses(where: string, value: unknown): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 2) return value;
  const expected =
    'an integer of at least 2: it counts label 0, although nothing is background here, so K kinds of object labelled from 1 make K + 1';
  throw optionError(where, 'numClasses', value, expected);
}

/** `backbone` and `head` under one root. The head takes the maps in the backbone's order and gives its outputs by name. */
export function denseModule(type: string, backbone: ModuleSpec, head: ModuleSpec): ModuleSpec {
  return module(type, {
    children: [
      ['backbone', backbone],
      ['head', head],
    ],
    source: defineMethod(
      'forward',
      'images: Tensor',
      'Tuple[Dict[str, Tensor], Dict[str, Tensor]]',
      [
        'features = self.backbone.forward(images)',
        'return features, self.head.forward(list(features.values()))',
      ],
    ),
  });
}

export interface DenseParts {
  /** The builder's name, for messages and the description. */
  readonly builder: string;
  /** Class of the root module, for example `RetinaNet`. */
  readonly type: string;
  readonly backbone: Backbone;
  readonly head: ModuleSpec;
  readonly config: DenseConfig;
  readonly numClasses: number;
  /** The options given, without the backbone. */
  readonly settings: DenseSettings;
}

/**
 * A one-stage detector of its checked parts.
 *
 * @throws TorchdetError ERR_OPTION_VALUE where there are more or fewer categories than classes
 */
export function denseDetector(parts: DenseParts): DetectorSpec<DenseConfig> {
  const { backbone, builder, config, numClasses, settings } = parts;
  const { categories } = settings;
  return {
    name: `${builder.toLowerCase()}(${backbone.name})`,
    module: denseModule(parts.type, backbone.module, parts.head),
    config,
    numClasses,
    ...(categories && { categories: checkCategories(builder, categories, numClasses) }),
    trainable: {
      frozen: backbone.frozen.map((prefix) => `backbone.${prefix}`),
      groups: backbone.trainableGroups.map((group) => group.map((prefix) => `backbone.${prefix}`)),
    },
    ...(backbone.pretrained && {
      pretrainedBackbone: { ...backbone.pretrained, to: `backbone.${backbone.pretrained.to}` },
    }),
    warnings: [],
    description: {
      builder,
      options: givenOptions(settings),
      backbone: backbone.description,
    },
  };
}
