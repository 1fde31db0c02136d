/** Detectors: builders with typed options, and torchvision's models by name. */
export type { DetectorDescription, DetectorSpec } from './detector-spec';
export { detectorFromDescription } from './from-description';
export { fasterRcnn } from './faster-rcnn';
export * from './faster-rcnn-models';
export type {
  AnchorOptions,
  BoxHeadOptions,
  BoxRoiPoolOptions,
  FasterRcnnOptions,
  FasterRcnnSettings,
} from './faster-rcnn-options';
export type { NamedModelOptions, Pretrained } from './named-model';
export { personDetector } from './person';
export { buildModel, isModelName, listModels, MODEL_NAMES } from './registry';
export type { ModelInfo, ModelName } from './registry';
