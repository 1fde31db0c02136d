import type { DenseConfig, RcnnConfig } from '../../binding';
import type { BackboneDescription, PretrainedHint } from '../backbones/backbone';
import type { ModuleSpec } from '../nn/spec';

/** A detector as data: the module LibTorch compiles and what the detection code around it is to do. */
export interface DetectorSpec<Config extends RcnnConfig | DenseConfig = RcnnConfig | DenseConfig> {
  /** A model's name (`fasterrcnn_resnet50_fpn`) or what was built (`fasterrcnn(resnet50)`). */
  readonly name: string;
  /**
   * Named as in torchvision: `backbone`, `rpn.head`, `roi_heads.box_head`, `roi_heads.box_predictor` (and the mask or keypoint
   * ones) of a two-stage detector, `backbone` and `head` of a one-stage one.
   */
  readonly module: ModuleSpec;
  readonly config: Config;
  /** Number of classes the heads know, the background (label 0) included. */
  readonly numClasses: number;
  /** Names by label, the background at 0; as many as `numClasses`. */
  readonly categories?: readonly string[];
  /** Names of the keypoints in order, where the model was told. */
  readonly keypointNames?: readonly string[];
  readonly trainable: {
    /** Prefixes of the parameters frozen from the start. */
    readonly frozen: readonly string[];
    /** Prefixes of the backbone's groups from head to stem, for freezing more or fewer later. */
    readonly groups: readonly (readonly string[])[];
  };
  /** Where pretrained classification weights of the backbone go; keys as in the whole detector's state dict. */
  readonly pretrainedBackbone?: PretrainedHint;
  /** What the builder has to say to its user, for example about an option without effect. */
  readonly warnings: readonly string[];
  readonly description: DetectorDescription;
}

/** How a detector was made. JSON-able, so that an archive can carry it. */
export interface DetectorDescription {
  /** A builder's name (`fasterRcnn`, `retinaNet`, …), or a model's name in the registry. */
  readonly builder: string;
  /** The options given, without the backbone. */
  readonly options: Readonly<Record<string, unknown>>;
  readonly backbone: BackboneDescription;
}
