import type { ModuleSpec } from '../nn/spec';

/**
 * A network that turns images into feature maps, and what others must know of it. One's own backbone is an object of this
 * shape around a module written with the layers of lib/nn.
 */
export interface Backbone {
  /** For messages and archives, for example `resnet50`. */
  readonly name: string;
  /** `forward(self, x: Tensor) -> Dict[str, Tensor]`: N x 3 x H x W to the feature maps, finest first. */
  readonly module: ModuleSpec;
  /** Names of the feature maps in that order, for example `0`, `1`, `2`, `3`, `pool`. */
  readonly featureNames: readonly string[];
  /** Channels of each map. */
  readonly channels: readonly number[];
  /** Pixels of the padded image per cell of each map. */
  readonly strides: readonly number[];
  /** Groups of name prefixes in the module, from head to stem: `trainableLayers: 2` trains the first two. */
  readonly trainableGroups: readonly (readonly string[])[];
  /** Prefixes of those frozen from the start. */
  readonly frozen: readonly string[];
  /** Where pretrained classification weights go. */
  readonly pretrained?: PretrainedHint;
  /** How the backbone was made, so that an archive can say it and it can be made again. */
  readonly description: BackboneDescription;
}

/** Weights of an image classifier that fit a backbone: keys starting with `from` go in under `to`, others are left out. */
export interface PretrainedHint {
  /** torchvision's name of the classifier, for example `resnet50`. */
  readonly weights: string;
  /** Prefix in the classifier's state dict, for example `features.`. */
  readonly from: string;
  /** Prefix in the backbone's module, for example `body.`. */
  readonly to: string;
  /**
   * Where the backbone takes the classifier apart: [prefix after `from`, prefix after `to`], for example
   * ['24.', 'extra.0.1.'] of SSD's VGG. What none of them fits is left out. Default: all keeps its name.
   */
  readonly moved?: readonly (readonly [from: string, to: string])[];
  /** Prefixes after `to` of what no classifier has, such as offsets of deformable convolutions: it keeps its first values. */
  readonly fresh?: readonly string[];
}

/** JSON-able. `builder` is the function's name, or `custom` for a backbone of one's own. */
export interface BackboneDescription {
  readonly builder: string;
  readonly name: string;
  readonly options: Readonly<Record<string, unknown>>;
}
