/** Detectors: builders with typed options, and torchvision's models by name. */
export type { DetectorDescription, DetectorSpec } from './detector-spec';
export { detectorFromDescription } from './from-description';
export { fasterRcnn } from './rcnn/faster-rcnn';
export * from './rcnn/faster-rcnn-models';
export type { AnchorOptions, RoiPoolOptions } from './common/levels';
export type { TransformSettings } from './common/transform';
export type {
  BoxHeadOptions,
  FasterRcnnOptions,
  FasterRcnnSettings,
} from './rcnn/faster-rcnn-options';
export type { NamedModelOptions, Pretrained } from './named-model';
export { personDetector } from './person';
export { buildModel, isModelName, listModels, MODEL_NAMES } from './registry';
export type { AnyName, ModelInfo, ModelName, ModelOptions, NamedOptions } from './registry';
