import type { Backbone } from '../../backbones/backbone';
import type { AnchorOptions, RoiPoolOptions } from '../common/levels';
import { TRANSFORM_SETTINGS } from '../common/transform';
import type { TransformSettings } from '../common/transform';

/** `twoMlp`: two fully connected layers. `conv`: 3x3 convolutions, then fully connected layers (v2 models). */
export type BoxHeadOptions =
  | {
      readonly kind: 'twoMlp';
      /** Default 1024. */
      readonly representationSize?: number;
    }
  | {
      readonly kind: 'conv';
      /** Channels of each convolution. Default [256, 256, 256, 256]. */
      readonly convs?: readonly number[];
      /** Features of each fully connected layer. Default [1024]. */
      readonly fcs?: readonly number[];
      /** Norm after each convolution. Default `batch`. */
      readonly norm?: 'batch' | null;
    };

/**
 * torchvision's options of `FasterRCNN` in camelCase, apart from the backbone and the number of classes; defaults are
 * torchvision's.
 */
export interface FasterRcnnSettings extends TransformSettings {
  /** Names by label, the background first: as many as `numClasses`. */
  readonly categories?: readonly string[];

  /**
   * Default, derived from the backbone: one size per level, 8 times its stride (32 to 512 for strides 4 to 64, as in
   * torchvision), or all of 32, 64, 128, 256, 512 where there is one level; aspect ratios 0.5, 1, 2.
   */
  readonly rpnAnchorGenerator?: AnchorOptions;
  /** `convDepth`: 3x3 convolutions before the outputs, default 1. */
  readonly rpnHead?: { readonly convDepth?: number };
  /** Proposals kept per level before NMS, in training. Default 2000. */
  readonly rpnPreNmsTopNTrain?: number;
  /** The same in evaluation. Default 1000. */
  readonly rpnPreNmsTopNTest?: number;
  /** Proposals kept per image after NMS, in training. Default 2000. */
  readonly rpnPostNmsTopNTrain?: number;
  /** The same in evaluation. Default 1000. */
  readonly rpnPostNmsTopNTest?: number;
  /** IoU above which the lower proposal goes. Default 0.7. */
  readonly rpnNmsThresh?: number;
  /** IoU from which an anchor is an object in training. Default 0.7. */
  readonly rpnFgIouThresh?: number;
  /** IoU below which it is background. Default 0.3. */
  readonly rpnBgIouThresh?: number;
  /** Anchors sampled per image for the loss. Default 256. */
  readonly rpnBatchSizePerImage?: number;
  /** Share of objects among them. Default 0.5. */
  readonly rpnPositiveFraction?: number;
  /** Proposals scoring below are dropped. Default 0. */
  readonly rpnScoreThresh?: number;

  readonly boxRoiPool?: RoiPoolOptions;
  /** Default `{ kind: 'twoMlp' }`. */
  readonly boxHead?: BoxHeadOptions;
  /** Detections must score above. Default 0.05. */
  readonly boxScoreThresh?: number;
  /** IoU above which the lower detection of a class goes. Default 0.5. */
  readonly boxNmsThresh?: number;
  /** Most detections per image. Default 100. */
  readonly boxDetectionsPerImg?: number;
  /** IoU from which a proposal is an object in training. Default 0.5. */
  readonly boxFgIouThresh?: number;
  /** IoU below which it is background. Default 0.5. */
  readonly boxBgIouThresh?: number;
  /** Proposals sampled per image for the loss. Default 512. */
  readonly boxBatchSizePerImage?: number;
  /** Share of objects among them. Default 0.25. */
  readonly boxPositiveFraction?: number;
  /** Weights of dx, dy, dw, dh in the box coder. Default [10, 10, 5, 5]. */
  readonly bboxRegWeights?: readonly [number, number, number, number];
}

/** Options of `fasterRcnn`. */
export interface FasterRcnnOptions extends FasterRcnnSettings {
  readonly backbone: Backbone;
  /** Classes **with the background**, which is label 0: kinds of object + 1. */
  readonly numClasses: number;
}

const SETTINGS: Readonly<Record<Exclude<keyof FasterRcnnSettings, keyof TransformSettings>, true>> =
  {
    categories: true,
    rpnAnchorGenerator: true,
    rpnHead: true,
    rpnPreNmsTopNTrain: true,
    rpnPreNmsTopNTest: true,
    rpnPostNmsTopNTrain: true,
    rpnPostNmsTopNTest: true,
    rpnNmsThresh: true,
    rpnFgIouThresh: true,
    rpnBgIouThresh: true,
    rpnBatchSizePerImage: true,
    rpnPositiveFraction: true,
    rpnScoreThresh: true,
    boxRoiPool: true,
    boxHead: true,
    boxScoreThresh: true,
    boxNmsThresh: true,
    boxDetectionsPerImg: true,
    boxFgIouThresh: true,
    boxBgIouThresh: true,
    boxBatchSizePerImage: true,
    boxPositiveFraction: true,
    bboxRegWeights: true,
  };

/** Names of all settings, for telling a misspelt one. */
export const FASTER_RCNN_SETTINGS: readonly string[] = [
  ...TRANSFORM_SETTINGS,
  ...Object.keys(SETTINGS),
];
