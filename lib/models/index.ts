/** Detectors: builders with typed options, and torchvision's models by name. */
export type { DetectorDescription, DetectorSpec } from './detector-spec';
export { detectorFromDescription } from './from-description';
export { fcos } from './fcos/fcos';
export type { FcosOptions, FcosSettings } from './fcos/fcos';
export * from './fcos/fcos-models';
export { fcosOriginal } from './fcos/fcos-original';
export type { FcosOriginalOptions, FcosOriginalSettings } from './fcos/fcos-original';
export * from './fcos/fcos-original-models';
export { fasterRcnn } from './rcnn/faster-rcnn';
export * from './rcnn/faster-rcnn-models';
export { keypointRcnn } from './rcnn/keypoint-rcnn';
export type { KeypointRcnnOptions, KeypointRcnnSettings } from './rcnn/keypoint-rcnn';
export * from './rcnn/keypoint-rcnn-models';
export { maskRcnn } from './rcnn/mask-rcnn';
export type { MaskHeadOptions, MaskRcnnOptions, MaskRcnnSettings } from './rcnn/mask-rcnn';
export * from './rcnn/mask-rcnn-models';
export { retinaNet } from './retinanet/retinanet';
export type { RetinaNetOptions, RetinaNetSettings } from './retinanet/retinanet';
export * from './retinanet/retinanet-models';
export { ssd } from './ssd/ssd';
export type { SsdHeadOptions, SsdOptions, SsdSettings } from './ssd/ssd-options';
export type { DefaultBoxOptions } from './ssd/default-boxes';
export * from './ssd/ssd-models';
export type { DenseHeadOptions } from './common/dense-head';
export type { DenseSettings } from './common/dense';
export type { AnchorOptions, RoiPoolOptions } from './common/levels';
export type { TransformSettings } from './common/transform';
export type {
  BoxHeadOptions,
  FasterRcnnOptions,
  FasterRcnnSettings,
} from './rcnn/faster-rcnn-options';
export { validateTrainableLayers } from './named-model';
export type { NamedModelOptions, Pretrained, TrainableLayersRules } from './named-model';
export { smallDetector } from './small';
export { buildModel, isModelName, listModels, MODEL_NAMES } from './registry';
export type { AnyName, ModelInfo, ModelName, ModelOptions, NamedOptions } from './registry';
