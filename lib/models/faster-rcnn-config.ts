/** Options of Faster R-CNN, checked and completed with torchvision's defaults, as the detection code wants them. */
import type { RcnnConfig, RoiHeadsConfig, RpnConfig, TransformConfig } from '../../binding';
import type { Backbone } from '../backbones/backbone';
import { optionError, rejectUnknownOptions, TorchdetError } from '../errors';
import {
  checkInteger,
  checkList,
  checkNumber,
  checkOptions,
  checkPositive,
  checkString,
} from '../nn/check';
import { anchorConfig, roiPoolConfig } from './backbone-levels';
import type { FasterRcnnSettings } from './faster-rcnn-options';

/**
 * @throws TorchdetError ERR_OPTION_VALUE, ERR_BACKBONE_MISMATCH
 */
export function fasterRcnnConfig(
  where: string,
  backbone: Backbone,
  options: FasterRcnnSettings,
): RcnnConfig {
  return {
    kind: 'rcnn',
    transform: transformConfig(where, options),
    anchors: anchorConfig(where, backbone, options.rpnAnchorGenerator),
    rpn: rpnConfig(where, options),
    roiHeads: roiHeadsConfig(where, backbone, options),
  };
}

/**
 * @throws TorchdetError ERR_OPTION_VALUE saying that the background counts
 */
export function checkNumClasses(where: string, value: unknown): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 2) return value;
  const expected =
    'an integer of at least 2: it counts the background (label 0), so K kinds of object make K + 1';
  throw optionError(where, 'numClasses', value, expected);
}

/**
 * @throws TorchdetError ERR_OPTION_VALUE where there are more or fewer names than classes
 */
export function checkCategories(
  where: string,
  value: readonly string[],
  numClasses: number,
): readonly string[] {
  const names = checkList(where, 'categories', value, checkString);
  if (names.length === numClasses) return names;
  throw new TorchdetError(
    'ERR_OPTION_VALUE',
    `${where}: "categories" has ${names.length} names for ${numClasses} classes; it needs one for each label, the background at 0 included.`,
  );
}

const fraction = (where: string, option: string, value: unknown): number =>
  checkNumber(where, option, value, 0, 1);

const positiveInteger = (where: string, option: string, value: unknown): number =>
  checkInteger(where, option, value, 1);

function transformConfig(where: string, options: FasterRcnnSettings): TransformConfig {
  const { minSize = 800, imageMean = [0.485, 0.456, 0.406], fixedSize = null } = options;
  const { imageStd = [0.229, 0.224, 0.225] } = options;
  return {
    minSize:
      typeof minSize === 'number'
        ? [positiveInteger(where, 'minSize', minSize)]
        : checkList(where, 'minSize', minSize, positiveInteger),
    maxSize: positiveInteger(where, 'maxSize', options.maxSize ?? 1333),
    imageMean: checkList(where, 'imageMean', imageMean, checkNumber, 3),
    imageStd: checkList(where, 'imageStd', imageStd, checkPositive, 3),
    sizeDivisible: positiveInteger(where, 'sizeDivisible', options.sizeDivisible ?? 32),
    fixedSize:
      fixedSize === null
        ? null
        : (checkList(where, 'fixedSize', fixedSize, positiveInteger, 2) as [number, number]),
  };
}

function rpnConfig(where: string, options: FasterRcnnSettings): RpnConfig {
  const count = (name: keyof FasterRcnnSettings, fallback: number): number =>
    positiveInteger(where, name, options[name] ?? fallback);
  const share = (name: keyof FasterRcnnSettings, fallback: number): number =>
    fraction(where, name, options[name] ?? fallback);
  const config: RpnConfig = {
    preNmsTopNTrain: count('rpnPreNmsTopNTrain', 2000),
    preNmsTopNTest: count('rpnPreNmsTopNTest', 1000),
    postNmsTopNTrain: count('rpnPostNmsTopNTrain', 2000),
    postNmsTopNTest: count('rpnPostNmsTopNTest', 1000),
    nmsThresh: share('rpnNmsThresh', 0.7),
    scoreThresh: share('rpnScoreThresh', 0),
    fgIouThresh: share('rpnFgIouThresh', 0.7),
    bgIouThresh: share('rpnBgIouThresh', 0.3),
    batchSizePerImage: count('rpnBatchSizePerImage', 256),
    positiveFraction: share('rpnPositiveFraction', 0.5),
  };
  checkIouOrder(where, 'rpn', config);
  return config;
}

function roiHeadsConfig(
  where: string,
  backbone: Backbone,
  options: FasterRcnnSettings,
): RoiHeadsConfig {
  const count = (name: keyof FasterRcnnSettings, fallback: number): number =>
    positiveInteger(where, name, options[name] ?? fallback);
  const share = (name: keyof FasterRcnnSettings, fallback: number): number =>
    fraction(where, name, options[name] ?? fallback);
  const weights = options.bboxRegWeights ?? [10, 10, 5, 5];
  const config: RoiHeadsConfig = {
    boxRoiPool: roiPoolConfig(where, backbone, options.boxRoiPool ?? {}),
    scoreThresh: share('boxScoreThresh', 0.05),
    nmsThresh: share('boxNmsThresh', 0.5),
    detectionsPerImg: count('boxDetectionsPerImg', 100),
    bboxRegWeights: checkList(where, 'bboxRegWeights', weights, checkPositive, 4) as [
      number,
      number,
      number,
      number,
    ],
    fgIouThresh: share('boxFgIouThresh', 0.5),
    bgIouThresh: share('boxBgIouThresh', 0.5),
    batchSizePerImage: count('boxBatchSizePerImage', 512),
    positiveFraction: share('boxPositiveFraction', 0.25),
  };
  checkIouOrder(where, 'box', config);
  return config;
}

function checkIouOrder(
  where: string,
  prefix: 'rpn' | 'box',
  config: { readonly fgIouThresh: number; readonly bgIouThresh: number },
): void {
  if (config.bgIouThresh <= config.fgIouThresh) return;
  const expected = `at most ${prefix}FgIouThresh, which is ${config.fgIouThresh}`;
  throw optionError(where, `${prefix}BgIouThresh`, config.bgIouThresh, expected);
}

/**
 * Rejects what is no options object or has names besides `known`.
 *
 * @throws TorchdetError ERR_INVALID_ARGUMENT, ERR_OPTION_UNKNOWN
 */
export function checkKnown(where: string, options: unknown, known: readonly string[]): void {
  checkOptions(where, options);
  rejectUnknownOptions(where, options, known);
}
