import type { DenseConfig } from '../../../binding';
import { SSD_LITE_NORM_OPTIONS, ssdLiteNorm } from '../../backbones/ssd-mobilenet';
import { optionError, rejectUnknownOptions } from '../../errors';
import { checkChoice, checkInteger, checkList, checkOptions } from '../../nn/check';
import { checkIsBackbone, checkKnown, checkNumClasses, fraction } from '../common/checks';
import { DENSE_TRAINING, denseDetector, denseThresholds } from '../common/dense';
import { checkLevelLists } from '../common/levels';
import { transformConfig } from '../common/transform';
import type { DetectorSpec } from '../detector-spec';
import { boxesPerCell, defaultBoxConfig } from './default-boxes';
import { ssdHead, ssdLitePrediction, ssdPrediction } from './heads';
import type { PredictionBlock } from './heads';
import { SSD_SETTINGS } from './ssd-options';
import type { SsdHeadOptions, SsdOptions } from './ssd-options';

const BOX_CODER_WEIGHTS = [10, 10, 5, 5] as const;

/**
 * SSD (https://arxiv.org/abs/1512.02325) on a backbone of one's choice: torchvision's `SSD`. Its levels may differ in channels,
 * as each has a head of its own.
 *
 * ```ts
 * ssd({ backbone: ssdVgg16(), numClasses: 4 })   // three kinds of object, and the background
 * ```
 * @throws TorchdetError ERR_OPTION_VALUE, ERR_OPTION_UNKNOWN; ERR_BACKBONE_MISMATCH where default boxes and the backbone's
 * levels do not fit
 */
export function ssd(options: SsdOptions): DetectorSpec<DenseConfig> {
  const where = 'ssd';
  checkKnown(where, options, ['backbone', 'numClasses', 'size', 'head', ...SSD_SETTINGS]);
  const { backbone, ...settings } = options;
  checkIsBackbone(where, backbone);
  checkLevelLists(where, backbone);
  const numClasses = checkNumClasses(where, options.numClasses);
  const config = ssdConfig(where, options);
  const boxes = config.defaultBoxes ? boxesPerCell(config.defaultBoxes) : [];
  const block = predictionBlock(where, settings.head ?? { kind: 'ssd' });
  return denseDetector({
    builder: where,
    type: 'SSD',
    backbone,
    head: ssdHead(backbone.channels, boxes, numClasses, block),
    config,
    numClasses,
    settings,
  });
}

function ssdConfig(where: string, options: SsdOptions): DenseConfig {
  const size = options.size ?? 300;
  const side = (place: string, name: string, value: unknown): number =>
    checkInteger(place, name, value, 1);
  const [width = 0, height = 0] = Array.isArray(size)
    ? checkList(where, 'size', size, side, 2)
    : [side(where, 'size', size), side(where, 'size', size)];
  const positiveFraction = fraction(where, 'positiveFraction', options.positiveFraction ?? 0.25);
  if (positiveFraction === 0) {
    throw optionError(where, 'positiveFraction', 0, 'above 0: there must be objects to learn from');
  }
  return {
    kind: 'dense',
    head: 'ssd',
    // Everything is resized to one size, so there is nothing to pad.
    transform: transformConfig(where, options, {
      minSize: Math.min(width, height),
      maxSize: Math.max(width, height),
      sizeDivisible: 1,
      fixedSize: [width, height],
    }),
    anchors: null,
    pointStrides: null,
    defaultBoxes: defaultBoxConfig(
      where,
      'anchorGenerator',
      options.backbone,
      options.anchorGenerator,
    ),
    bboxRegWeights: BOX_CODER_WEIGHTS,
    ...denseThresholds(where, options, {
      scoreThresh: 0.01,
      nmsThresh: 0.45,
      detectionsPerImg: 200,
      topkCandidates: 400,
    }),
    training: {
      ...DENSE_TRAINING,
      fgIouThresh: fraction(where, 'iouThresh', options.iouThresh ?? 0.5),
      positiveFraction,
    },
  };
}

function predictionBlock(where: string, options: SsdHeadOptions): PredictionBlock {
  const place = `${where}: head`;
  checkOptions(place, options);
  checkChoice(place, 'kind', options.kind, ['ssd', 'ssdLite']);
  if (options.kind === 'ssd') {
    rejectUnknownOptions(place, options, ['kind']);
    return ssdPrediction;
  }
  rejectUnknownOptions(place, options, ['kind', ...SSD_LITE_NORM_OPTIONS]);
  return ssdLitePrediction(ssdLiteNorm(place, options));
}
