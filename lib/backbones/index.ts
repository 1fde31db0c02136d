/** Backbones by torchvision's names, and the shape of one's own. */
export type { Backbone, BackboneDescription, PretrainedHint } from './backbone';
export type { BodyLevel, ExtraBlocks } from './feature-pyramid';
export { mobileNet, mobileNetFpn, MOBILENET_NAMES } from './mobilenet-fpn';
export type { MobileNetFpnOptions, MobileNetOptions } from './mobilenet-fpn';
export type { MobileNetName, MobileNetV3Name } from './mobilenet';
export { resnetFpn, RESNET_NAMES } from './resnet-fpn';
export type { DeformableOptions, ResnetFpnOptions } from './resnet-fpn';
export type { ResnetName } from './resnet';
export { ssdLiteMobileNet } from './ssd-mobilenet';
export type { SsdLiteMobileNetOptions, SsdLiteNormOptions } from './ssd-mobilenet';
export { ssdVgg16 } from './ssd-vgg';
export type { SsdVgg16Options } from './ssd-vgg';
export { vggFeatures } from './vgg';
export type { VggFeaturesOptions, VggLayer, VggName } from './vgg';
export { vggFpn, VGG_NAMES } from './vgg-fpn';
export type { VggFpnOptions } from './vgg-fpn';
export { ownBackbone, withFeaturePyramid } from './own-backbone';
export type {
  BackboneBody,
  DeclaredLevels,
  FeaturePyramidOptions,
  OwnBackboneParts,
} from './own-backbone';
export type { Children } from './trainable';
