import type { RcnnConfig } from '../../../binding';
import { givenOptions } from '../../backbones/options';
import { rejectUnknownOptions } from '../../errors';
import { checkChoice, checkInteger, checkList, checkOptions } from '../../nn/check';
import type { ModuleSpec } from '../../nn/spec';
import { checkBackbone, missingLevelWarnings } from '../common/levels';
import type { DetectorSpec } from '../detector-spec';
import { checkCategories, checkIsBackbone, checkKnown, checkNumClasses } from '../common/checks';
import { fasterRcnnConfig } from './faster-rcnn-config';
import { FASTER_RCNN_SETTINGS } from './faster-rcnn-options';
import type { BoxHeadOptions, FasterRcnnOptions } from './faster-rcnn-options';
import { convFcHead, fastRcnnPredictor, rcnnModule, rpnHead, twoMlpHead } from './heads';

/**
 * Faster R-CNN (https://arxiv.org/abs/1506.01497) on a backbone of one's choice: torchvision's `FasterRCNN`.
 *
 * ```ts
 * fasterRcnn({ backbone: resnetFpn('resnet50'), numClasses: 4 })   // three kinds of object, and the background
 * ```
 * @throws TorchdetError ERR_OPTION_VALUE, ERR_OPTION_UNKNOWN; ERR_BACKBONE_MISMATCH where anchors, RoI levels and the
 * backbone's levels do not fit
 */
export function fasterRcnn(options: FasterRcnnOptions): DetectorSpec<RcnnConfig> {
  const where = 'fasterRcnn';
  checkKnown(where, options, ['backbone', 'numClasses', ...FASTER_RCNN_SETTINGS]);
  const { backbone, ...settings } = options;
  const { categories } = settings;
  checkIsBackbone(where, backbone);
  const numClasses = checkNumClasses(where, options.numClasses);
  const channels = checkBackbone(where, backbone);
  const config = fasterRcnnConfig(where, backbone, settings);

  const anchorsPerCell =
    (config.anchors.sizes[0]?.length ?? 0) * (config.anchors.aspectRatios[0]?.length ?? 0);
  const [height, width] = config.roiHeads.boxRoiPool.outputSize;
  const boxHead = makeBoxHead(where, settings.boxHead ?? { kind: 'twoMlp' }, {
    channels,
    height,
    width,
  });
  const module = rcnnModule({
    backbone: backbone.module,
    rpnHead: rpnHead(channels, anchorsPerCell, convDepth(where, settings.rpnHead ?? {})),
    boxHead: boxHead.module,
    boxPredictor: fastRcnnPredictor(boxHead.features, numClasses),
  });

  return {
    name: `fasterrcnn(${backbone.name})`,
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
    warnings: missingLevelWarnings(where, 'boxRoiPool', config.roiHeads.boxRoiPool),
    description: {
      builder: 'fasterRcnn',
      options: givenOptions(settings),
      backbone: backbone.description,
    },
  };
}

function convDepth(where: string, options: { readonly convDepth?: number }): number {
  checkKnown(`${where}: rpnHead`, options, ['convDepth']);
  return checkInteger(`${where}: rpnHead`, 'convDepth', options.convDepth ?? 1, 1);
}

function makeBoxHead(
  where: string,
  options: BoxHeadOptions,
  input: { readonly channels: number; readonly height: number; readonly width: number },
): { readonly module: ModuleSpec; readonly features: number } {
  const place = `${where}: boxHead`;
  checkOptions(place, options);
  checkChoice(place, 'kind', options.kind, ['twoMlp', 'conv']);
  const size = (owner: string, option: string, value: unknown): number =>
    checkInteger(owner, option, value, 1);
  if (options.kind === 'twoMlp') {
    rejectUnknownOptions(place, options, ['kind', 'representationSize']);
    const features = size(place, 'representationSize', options.representationSize ?? 1024);
    return {
      module: twoMlpHead(input.channels * input.height * input.width, features),
      features,
    };
  }
  rejectUnknownOptions(place, options, ['kind', 'convs', 'fcs', 'norm']);
  const convs = checkList(place, 'convs', options.convs ?? [256, 256, 256, 256], size);
  const fcs = checkList(place, 'fcs', options.fcs ?? [1024], size);
  const norm = checkChoice(place, 'norm', options.norm === undefined ? 'batch' : options.norm, [
    'batch',
    null,
  ]);
  return { module: convFcHead(input, convs, fcs, norm), features: fcs[fcs.length - 1] ?? 0 };
}
