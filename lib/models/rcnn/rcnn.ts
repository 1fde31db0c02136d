/** What Faster, Mask and Keypoint R-CNN share: everything but the branches beside the boxes. */
import type { RcnnConfig, RoiPoolConfig } from '../../../binding';
import type { Backbone } from '../../backbones/backbone';
import { givenOptions } from '../../backbones/options';
import { checkInteger } from '../../nn/check';
import type { ModuleSpec } from '../../nn/spec';
import { checkCategories, checkIsBackbone, checkKnown, checkNumClasses } from '../common/checks';
import { checkBackbone, missingLevelWarnings } from '../common/levels';
import type { TransformSettings } from '../common/transform';
import type { DetectorSpec } from '../detector-spec';
import { makeBoxHead } from './box-head';
import { fastRcnnPredictor, rcnnModule, rpnHead } from './heads';
import { rcnnConfig } from './rcnn-config';
import type { FasterRcnnOptions } from './faster-rcnn-options';

/** A head and a predictor for each detection, beside those of its box. */
export interface RoiBranch {
  readonly kind: 'mask' | 'keypoint';
  readonly roiPool: RoiPoolConfig;
  /** Pooled features to features. */
  readonly head: ModuleSpec;
  /** Features to mask logits (R x classes x M x M) or heat maps (R x keypoints x M x M). */
  readonly predictor: ModuleSpec;
}

/** What a branch is fitted to. */
export interface BranchInput {
  readonly backbone: Backbone;
  /** Of every feature map. */
  readonly channels: number;
  readonly numClasses: number;
}

/** One of the family: its names, the options it has of its own, and its branch. */
export interface RcnnKind {
  /** The builder's name, for messages and descriptions. */
  readonly builder: string;
  /** torchvision's class. */
  readonly type: string;
  /** Names of all settings. */
  readonly settings: readonly string[];
  readonly transformDefaults?: TransformSettings;
  readonly branch?: (input: BranchInput) => RoiBranch;
}

/**
 * @throws TorchdetError ERR_OPTION_VALUE, ERR_OPTION_UNKNOWN, ERR_BACKBONE_MISMATCH
 */
export function describeRcnn(kind: RcnnKind, options: FasterRcnnOptions): DetectorSpec<RcnnConfig> {
  const where = kind.builder;
  checkKnown(where, options, ['backbone', 'numClasses', ...kind.settings]);
  const { backbone, ...settings } = options;
  const { categories } = settings;
  checkIsBackbone(where, backbone);
  const numClasses = checkNumClasses(where, options.numClasses);
  const channels = checkBackbone(where, backbone);
  const branch = kind.branch?.({ backbone, channels, numClasses });
  const config = rcnnConfig(where, backbone, settings, kind.transformDefaults ?? {}, branch);

  const anchorsPerCell =
    (config.anchors.sizes[0]?.length ?? 0) * (config.anchors.aspectRatios[0]?.length ?? 0);
  const [height, width] = config.roiHeads.boxRoiPool.outputSize;
  const boxHead = makeBoxHead(where, settings.boxHead ?? { kind: 'twoMlp' }, {
    channels,
    height,
    width,
  });
  const module = rcnnModule({
    type: kind.type,
    backbone: backbone.module,
    rpnHead: rpnHead(channels, anchorsPerCell, convDepth(where, settings.rpnHead ?? {})),
    boxHead: boxHead.module,
    boxPredictor: fastRcnnPredictor(boxHead.features, numClasses),
    ...(branch && { branch }),
  });

  return {
    name: `${kind.type.toLowerCase()}(${backbone.name})`,
    module,
    config,
    numClasses,
    ...(categories && { categories: checkCategories(where, categories, numClasses) }),
    trainable: {
      frozen: backbone.frozen.map((prefix) => `backbone.${prefix}`),
      groups: backbone.trainableGroups.map((group) => group.map((prefix) => `backbone.${prefix}`)),
    },
    ...(backbone.pretrained && {
      pretrainedBackbone: { ...backbone.pretrained, to: `backbone.${backbone.pretrained.to}` },
    }),
    warnings: [
      ...missingLevelWarnings(where, 'boxRoiPool', config.roiHeads.boxRoiPool),
      ...(branch ? missingLevelWarnings(where, `${branch.kind}RoiPool`, branch.roiPool) : []),
    ],
    description: {
      builder: kind.builder,
      options: givenOptions(settings),
      backbone: backbone.description,
    },
  };
}

function convDepth(where: string, options: { readonly convDepth?: number }): number {
  checkKnown(`${where}: rpnHead`, options, ['convDepth']);
  return checkInteger(`${where}: rpnHead`, 'convDepth', options.convDepth ?? 1, 1);
}
