/**
 * The surface of the native addon, as C++ exports it. lib/ builds the public API on top; nothing here is re-exported.
 *
 * Rules that hold for all of it:
 * - a Promise is settled from the device's own thread; calls for one device run in the order they were made;
 * - tensors handed in are referenced until the promise settles: do not write to or transfer their memory before;
 * - errors are TorchdetError, with the codes of lib/errors.ts;
 * - after dispose() every call rejects (or throws, where synchronous) with ERR_DISPOSED.
 */
import type { ModuleSpec } from './lib/nn/spec';

export type DType =
  | 'float32'
  | 'float64'
  | 'float16'
  | 'bfloat16'
  | 'int8'
  | 'uint8'
  | 'int16'
  | 'int32'
  | 'int64'
  | 'bool';

export type TypedArray =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | BigInt64Array;

export interface NativeTensor {
  readonly shape: number[];
  readonly dtype: DType;
  readonly device: string;
  readonly byteLength: number;
  /**
   * A view on the tensor's memory (CPU tensors; a contiguous copy is made first where it is not contiguous). float16 and
   * bfloat16 come as Uint16Array, bool as Uint8Array. The view keeps the memory alive by itself, also after dispose().
   */
  toTypedArray(
    /** Of the first dimension: that part alone. */
    index?: number,
  ): TypedArray;
  dispose(): void;
}

export interface NativeTensorStatic {
  /** Wraps memory without a copy; `data` stays referenced as long as any tensor uses it. */
  fromMemory(data: NodeJS.ArrayBufferView, dtype: DType, shape: readonly number[]): NativeTensor;
  /** torch.randn / torch.rand after torch.manual_seed(seed), on the CPU: the same numbers as torch's. */
  random(kind: 'normal' | 'uniform', shape: readonly number[], seed: number): NativeTensor;
}

export type ScriptValue =
  | NativeTensor
  | number
  | boolean
  | string
  | null
  | readonly ScriptValue[]
  | { readonly [key: string]: ScriptValue };

/** Cancels queued work at once and running work at its next stage. */
export interface CancelToken {
  cancel(): void;
}

/** One entry of a module's state dict. */
export interface StateEntry {
  readonly name: string;
  readonly kind: 'parameter' | 'buffer';
  readonly shape: number[];
  readonly dtype: DType;
  readonly requiresGrad: boolean;
}

/** What an archive turned out to be. */
export interface ModuleDescription {
  /** TorchScript class name of the root, for example `__torch__.torchvision.models.detection.faster_rcnn.FasterRCNN`. */
  readonly typeName: string;
  /** Files stored beside the code, `torchdet.json` among them where torchdet wrote the archive. */
  readonly extraFiles: Record<string, string>;
  /**
   * rcnn: torchvision's GeneralizedRCNN structure (box heads, and mask or keypoint heads where it has them); dense: that of its
   * RetinaNet, FCOS, SSD and SSDlite. Both run through our detection code.
   * detector: takes List[Tensor] and returns detections through its own forward.
   * other: something else; `forwardSchema` says what.
   */
  readonly kind: 'rcnn' | 'dense' | 'detector' | 'other';
  readonly forwardSchema: string;
  /** Read from the archive's attributes where kind is rcnn or dense. */
  readonly config?: RcnnConfig | DenseConfig;
}

export interface NativeModule {
  readonly device: string;
  describe(): ModuleDescription;
  save(path: string, extraFiles: Record<string, string>): Promise<void>;
  names(): Promise<StateEntry[]>;
  /** Tensors share the module's memory (CPU) or are copies (other devices). */
  stateDict(): Promise<Record<string, NativeTensor>>;
  /** Copies values in, casting dtype; every name must exist and fit (lib/checkpoints says what does not). */
  loadState(state: Record<string, NativeTensor>): Promise<void>;
  setTraining(training: boolean): Promise<void>;
  setRequiresGrad(names: readonly string[], requiresGrad: boolean): Promise<void>;
  /** Calls `path` (`forward`, `backbone.forward`, `rpn.head.forward` …) without gradients. */
  call(path: string, args: readonly ScriptValue[]): Promise<ScriptValue>;
  dispose(): void;
}

export interface NativeModuleStatic {
  /** Draws parameters in registration order after manual_seed(seed). */
  compile(spec: ModuleSpec, options: { device: string; seed: number }): Promise<NativeModule>;
  load(path: string, options: { device: string }): Promise<NativeModule>;
}

export interface TransformConfig {
  /** Shorter side; a list draws one per image in training, evaluation takes the last. */
  readonly minSize: readonly number[];
  readonly maxSize: number;
  readonly imageMean: readonly number[];
  readonly imageStd: readonly number[];
  readonly sizeDivisible: number;
  /** [width, height] that replaces minSize and maxSize (SSD). */
  readonly fixedSize: readonly [number, number] | null;
  /** Order of the channels in the batch; images always come as RGB. Mean and std are in this order. */
  readonly channelOrder: 'rgb' | 'bgr';
}

export interface AnchorConfig {
  /** One list per feature level. */
  readonly sizes: readonly (readonly number[])[];
  readonly aspectRatios: readonly (readonly number[])[];
}

export interface RpnConfig {
  readonly preNmsTopNTrain: number;
  readonly preNmsTopNTest: number;
  readonly postNmsTopNTrain: number;
  readonly postNmsTopNTest: number;
  readonly nmsThresh: number;
  readonly scoreThresh: number;
  readonly fgIouThresh: number;
  readonly bgIouThresh: number;
  readonly batchSizePerImage: number;
  readonly positiveFraction: number;
}

export interface RoiPoolConfig {
  /** Names of the feature maps RoIs are pooled from, for example ['0', '1', '2', '3']. */
  readonly featmapNames: readonly string[];
  /** Strides of those maps; empty: derived from the sizes of the maps as torchvision does. */
  readonly strides: readonly number[];
  /** [height, width] */
  readonly outputSize: readonly [number, number];
  readonly samplingRatio: number;
  readonly canonicalScale: number;
  readonly canonicalLevel: number;
  /**
   * What a RoI gets whose pyramid level has no map, as strides leave one out: `nearest` pools it from the next finer map there
   * is, `zeros` gives zeros, as torchvision does. No difference where strides are consecutive powers of two.
   */
  readonly missingLevels: 'nearest' | 'zeros';
}

export interface RoiHeadsConfig {
  readonly boxRoiPool: RoiPoolConfig;
  /** Where the module has roi_heads.mask_head and mask_predictor; else null. */
  readonly maskRoiPool: RoiPoolConfig | null;
  /** Where the module has roi_heads.keypoint_head and keypoint_predictor; else null. */
  readonly keypointRoiPool: RoiPoolConfig | null;
  readonly scoreThresh: number;
  readonly nmsThresh: number;
  readonly detectionsPerImg: number;
  readonly bboxRegWeights: readonly [number, number, number, number];
  readonly fgIouThresh: number;
  readonly bgIouThresh: number;
  readonly batchSizePerImage: number;
  readonly positiveFraction: number;
}

export interface RcnnConfig {
  readonly kind: 'rcnn';
  readonly transform: TransformConfig;
  readonly anchors: AnchorConfig;
  readonly rpn: RpnConfig;
  readonly roiHeads: RoiHeadsConfig;
}

/** SSD's default boxes: torchvision's DefaultBoxGenerator. */
export interface DefaultBoxConfig {
  /** Per feature level, beyond 1: each ratio r gives boxes of r and 1/r. */
  readonly aspectRatios: readonly (readonly number[])[];
  /** Sides as shares of the image, one more than there are levels. */
  readonly scales: readonly number[];
  /** Pixels of the padded image per cell of each level; null: derived from the sizes of the maps. */
  readonly steps: readonly number[] | null;
  /** Widths and heights are clamped to 0..1. */
  readonly clip: boolean;
}

/**
 * A one-stage detector: `backbone` and `head` of a module tree, where head.forward(List[Tensor]) -> Dict[str, Tensor] gives
 * `cls_logits` N x S x classes, `bbox_regression` N x S x 4 and, for FCOS, `bbox_ctrness` N x S x 1, flattened level by level, row
 * by row, cell by cell, as torchvision's heads do.
 */
export interface DenseConfig {
  readonly kind: 'dense';
  /**
   * retinanet: anchors, sigmoid, box coder of weights 1. fcos: torchvision's, points on the anchors' centres, deltas in units of
   * the anchor's size. fcosOriginal: the original repository's, points at stride//2, deltas in units of the stride,
   * scores thresholded before centerness, labels from 1. ssd: default boxes, softmax, class by class.
   */
  readonly head: 'retinanet' | 'fcos' | 'fcosOriginal' | 'ssd';
  readonly transform: TransformConfig;
  /** retinanet and fcos; null for the others. */
  readonly anchors: AnchorConfig | null;
  /** fcosOriginal: stride of each level, in pixels; null for the others. */
  readonly pointStrides: readonly number[] | null;
  /** ssd; null for the others. */
  readonly defaultBoxes: DefaultBoxConfig | null;
  /** Weights of dx, dy, dw, dh (retinanet, ssd). */
  readonly bboxRegWeights: readonly [number, number, number, number];
  readonly scoreThresh: number;
  readonly nmsThresh: number;
  readonly detectionsPerImg: number;
  /** Best candidates kept before NMS: per level, or per class for ssd. */
  readonly topkCandidates: number;
  readonly training: DenseTrainingConfig;
}

/** What the losses need; each family reads its own fields, with torchvision's defaults in the others. */
export interface DenseTrainingConfig {
  /** retinanet: IoU from which an anchor is an object, ssd likewise (`iou_thresh`). */
  readonly fgIouThresh: number;
  /** retinanet: IoU below which it is background. */
  readonly bgIouThresh: number;
  /** retinanet. */
  readonly boxLoss: 'l1' | 'giou';
  /** fcos, fcosOriginal: radius in strides around a box's centre in which points are positive. */
  readonly centerSamplingRadius: number;
  /** ssd: share of objects among the default boxes that count in the loss. */
  readonly positiveFraction: number;
}

/** An archive that runs through its own forward needs no configuration. */
export interface ForwardConfig {
  readonly kind: 'forward';
}

export type DetectionConfig = RcnnConfig | DenseConfig | ForwardConfig;

/** Raw interleaved pixels (uint8, HWC) or a CHW float32 tensor in 0..1, never copied before the batch is made. */
export type NativeImage =
  | {
      readonly data: NodeJS.ArrayBufferView;
      readonly width: number;
      readonly height: number;
      readonly channels: number;
    }
  | NativeTensor;

export interface NativeDetections {
  readonly width: number;
  readonly height: number;
  /** N x 4, xyxy in pixels of the input image. */
  readonly boxes: Float32Array;
  readonly labels: Int32Array;
  readonly scores: Float32Array;
  /** N x 1 x H x W float32 in 0..1 (Mask R-CNN). */
  readonly masks?: NativeTensor;
  /** N x K x 3: x, y, visibility (Keypoint R-CNN), and N x K scores. */
  readonly keypoints?: Float32Array;
  readonly keypointsScores?: Float32Array;
}

/** Detections of one image in pixels of the batch. */
export interface NativeStageDetections {
  readonly boxes: NativeTensor;
  readonly labels: NativeTensor;
  readonly scores: NativeTensor;
  /** N x 1 x M x M probabilities, not yet pasted (Mask R-CNN). */
  readonly masks?: NativeTensor;
  /** N x K x 3, and N x K scores (Keypoint R-CNN). */
  readonly keypoints?: NativeTensor;
  readonly keypointsScores?: NativeTensor;
}

/** Parameters that share a learning rate and a weight decay. */
export interface NativeParameterGroup {
  readonly names: readonly string[];
  readonly lr: number;
  readonly weightDecay: number;
}

export type NativeOptimizerConfig = { readonly groups: readonly NativeParameterGroup[] } & (
  | {
      readonly kind: 'sgd';
      readonly momentum: number;
      readonly dampening: number;
      readonly nesterov: boolean;
    }
  | { readonly kind: 'adamw'; readonly betas: readonly [number, number]; readonly eps: number }
);

/** Of one module's parameters; those that are frozen or have no gradient are left alone in a step. */
export interface NativeOptimizer {
  /** One per group. */
  setLearningRates(rates: readonly number[]): Promise<void>;
  /** A step with gradients from elsewhere, by parameter: for comparing with torch. Where they are not finite there is none. */
  step(
    gradients: Readonly<Record<string, NativeTensor>>,
    options: Pick<StepOptions, 'clipNorm' | 'clipValue'>,
  ): Promise<{ gradNorm: number; stepped: boolean }>;
  /** Forgets gradients accumulated so far. */
  zeroGrad(): Promise<void>;
  /**
   * `lr` (float64, one per group), `state.<parameter>.<momentum_buffer | step | exp_avg | exp_avg_sq>`, and `scaler.scale`,
   * `scaler.growth_tracker` after steps in float16. On the CPU the tensors are the optimizer's own memory.
   */
  stateDict(): Promise<Record<string, NativeTensor>>;
  /** Replaces all of the state; ERR_STATE_DICT, and nothing changed, where it does not fit. */
  loadState(state: Readonly<Record<string, NativeTensor>>): Promise<void>;
  dispose(): void;
}

export interface NativeOptimizerStatic {
  /** ERR_INVALID_ARGUMENT for names that are no parameters, or in two groups. */
  create(module: NativeModule, config: NativeOptimizerConfig): Promise<NativeOptimizer>;
}

/** Where the processes of a run find each other. */
export interface ProcessGroupPlace {
  readonly rank: number;
  readonly size: number;
  /** Rank 0's address, numeric. */
  readonly host: string;
  readonly port: number;
  /** Whether this process keeps the store the others come to. */
  readonly serves: boolean;
  readonly prefix: string;
  /** This machine's, for the others to connect to; numeric. */
  readonly localAddress: string;
  /** Milliseconds. */
  readonly connectTimeout: number;
  /** Of one collective; milliseconds. */
  readonly timeout: number;
  /** On whose thread all collectives run. */
  readonly device: string;
  /** Sum CUDA tensors by NCCL; only where there is one. */
  readonly nccl: boolean;
}

/**
 * Processes that train together. All calls but abandon and dispose are collectives: all processes make them, in the same order.
 * ERR_PEER_LOST where another process ended, failed or does not answer; the group is over then.
 */
export interface NativeProcessGroup {
  /** Parameters and buffers become rank 0's. ERR_PROCESS_GROUP where names or shapes differ. */
  synchronize(module: NativeModule, cancel: CancelToken): Promise<void>;
  /** Everybody's bytes, by rank. */
  allGather(bytes: Uint8Array, cancel: CancelToken): Promise<Uint8Array[]>;
  barrier(cancel: CancelToken): Promise<void>;
  /** Ends the group; the others hear the reason. */
  abandon(reason: string): Promise<void>;
  dispose(): void;
}

export interface NativeProcessGroupStatic {
  /** Whether libtorch_cuda is open and has NCCL. */
  hasNccl(): boolean;
  /** ERR_PROCESS_GROUP where not all came in time, or do not fit together. */
  join(place: ProcessGroupPlace, cancel: CancelToken): Promise<NativeProcessGroup>;
}

/** Averages of a module's parameters and buffers. */
export interface NativeEma {
  update(): Promise<void>;
  /** The next update copies the module's values. */
  restart(): Promise<void>;
  /** Exchanges averages and module's values; again: back. In between nothing but swap() and dispose() works. */
  swap(): Promise<void>;
  /** By the module's names, and `ema.updates`. On the CPU the tensors are the averages' own memory. */
  stateDict(): Promise<Record<string, NativeTensor>>;
  loadState(state: Readonly<Record<string, NativeTensor>>): Promise<void>;
  dispose(): void;
}

export interface NativeEmaStatic {
  create(module: NativeModule, decay: number): Promise<NativeEma>;
}

/** What an image is trained towards, in pixels of the image as it is given. */
export interface NativeTarget {
  /** N x 4 float32, xyxy. */
  readonly boxes: NativeTensor;
  /** N int64. */
  readonly labels: NativeTensor;
  /** N x H x W uint8, 0 or 1 (Mask R-CNN). */
  readonly masks?: NativeTensor;
  /** N x K x 3 float32: x, y, visibility (Keypoint R-CNN). */
  readonly keypoints?: NativeTensor;
  /** Labels that are marked exhaustively in this image; absent: all. Elsewhere than in its boxes it is no negative for the others. */
  readonly labelledClasses?: readonly number[];
}

export interface LossOptions {
  /** manual_seed before the call: of CPU and devices; null: go on drawing. */
  readonly seed: number | null;
}

export interface StepOptions extends LossOptions {
  /** Largest norm of all gradients together; null: as they are. */
  readonly clipNorm: number | null;
  /** Largest absolute value of each number of the gradients; null: as they are. */
  readonly clipValue: number | null;
  /** true: adds to the gradients and makes no step. */
  readonly accumulate: boolean;
  /** The total is multiplied by this before the gradients are taken, for example 1 / steps accumulated. */
  readonly lossScale: number;
  readonly amp: 'off' | 'bfloat16' | 'float16';
  /** The step is made of the mean of all its processes' gradients; null: of its own. */
  readonly group: NativeProcessGroup | null;
}

export interface StepResult {
  /** By torchvision's names, in its order. */
  readonly losses: Record<string, number>;
  /** Their sum, not scaled. */
  readonly total: number;
  /** Norm of all gradients before clipping; null where no step was due. */
  readonly gradNorm: number | null;
  /** false where gradients were accumulated only, or mixed precision skipped a step that overflowed. */
  readonly stepped: boolean;
}

export interface NativeCalibration {
  /** Fingerprint of the weights it was measured with. */
  readonly weights: string;
  /** By part of the network: low and high of each tensor, in the order of the graph. */
  readonly parts: Readonly<Record<string, readonly number[]>>;
}

export interface NativeDetector {
  predict(
    images: readonly NativeImage[],
    options: {
      /** Detections below are dropped after the model's own thresholds. */
      scoreThreshold: number;
      /** true: the module as described, op by op, the reference; false: folded and fused. */
      exact: boolean;
      /** What messages call the images. Default `images[0]` and so on. */
      names?: readonly string[];
    },
    cancel: CancelToken,
  ): Promise<NativeDetections[]>;
  /**
   * How predict() runs from the next call on: `padded` in lists of fixed size, without waiting for the device (the default but on the
   * CPU); `replays` with the device's work recorded, where it is padded and not exact. On the CPU both are for tests alone.
   */
  setRunning(options: { padded: boolean; replays: boolean }): Promise<void>;
  /** Detects without fusing anything, and measures activations until calibration() is called. */
  observe(images: readonly NativeImage[], cancel: CancelToken): Promise<void>;
  /** `minMax` or `meanSquare`; of all images observed since the last one. ERR_CALIBRATION where there were none. */
  calibration(method: string): Promise<NativeCalibration>;
  /** Of predict() where it is not exact. ERR_CALIBRATION for int8 without a calibration, or with one of other weights. */
  setPrecision(
    precision: 'float32' | 'bfloat16' | 'float16' | 'int8',
    calibration: NativeCalibration | null,
  ): Promise<void>;
  /** Whether the weights are those it was measured with. */
  calibrationFits(calibration: NativeCalibration): Promise<boolean>;
  /** Single stages on explicit inputs (kinds rcnn and dense; not forward), for following the algorithm and for parity tests; always exact. */
  transform(
    images: readonly NativeImage[],
  ): Promise<{ batch: NativeTensor; imageSizes: [number, number][] }>;
  backbone(batch: NativeTensor): Promise<Record<string, NativeTensor>>;
  rpn(
    features: readonly NativeTensor[],
    imageSizes: readonly (readonly [number, number])[],
    batchSize: readonly [number, number],
  ): Promise<{
    anchors: NativeTensor;
    objectness: NativeTensor;
    deltas: NativeTensor;
    /** One N x 4 per image, and its scores. */
    proposals: NativeTensor[];
    scores: NativeTensor[];
  }>;
  roiHeads(
    features: Record<string, NativeTensor>,
    proposals: readonly NativeTensor[],
    imageSizes: readonly (readonly [number, number])[],
    batchSize: readonly [number, number],
  ): Promise<{
    pooled: NativeTensor;
    classLogits: NativeTensor;
    boxRegression: NativeTensor;
    detections: NativeStageDetections[];
  }>;
  /** Kind dense: the head on feature maps in the backbone's order, and the detections it leads to. */
  head(
    features: readonly NativeTensor[],
    imageSizes: readonly (readonly [number, number])[],
    batchSize: readonly [number, number],
  ): Promise<{
    /** S x 4: anchors or default boxes of one image, xyxy in pixels; fcosOriginal: its points, S x 2. */
    anchors: NativeTensor;
    /** The head's outputs by torchvision's names: `cls_logits`, `bbox_regression`, `bbox_ctrness`. */
    outputs: Record<string, NativeTensor>;
    detections: NativeStageDetections[];
  }>;
  /** Losses in training mode, without gradients and without a step. Kinds rcnn and dense. */
  losses(
    images: readonly NativeImage[],
    targets: readonly NativeTarget[],
    options: LossOptions,
    cancel: CancelToken,
  ): Promise<Record<string, number>>;
  /**
   * Forward, backward and a step of `optimizer`, which must be of the same module. ERR_TARGET names image and box,
   * ERR_LOSS_NOT_FINITE the losses; no step was made then.
   */
  trainStep(
    images: readonly NativeImage[],
    targets: readonly NativeTarget[],
    optimizer: NativeOptimizer,
    options: StepOptions,
    cancel: CancelToken,
  ): Promise<StepResult>;
  /** Drops the detector at once; settles once memory of the device's heap that nothing uses was given back. */
  dispose(): Promise<void>;
}

/** Ground truth or detections of all images, packed. */
export interface EvaluationObjects {
  /** Objects of image i: offsets[i] to offsets[i + 1]. */
  readonly offsets: Int32Array;
  /** Counted from 0. */
  readonly categories: Int32Array;
  /** Ground truth: 1 crowd, 2 difficult, 4 without mask. Detections: 1 of a class its image does not mark exhaustively. */
  readonly flags: Uint8Array;
  /** N x 4: x, y, width, height. */
  readonly boxes: Float64Array;
  /** segm: COCO's runs of all masks, and where each mask's begin (N + 1); else empty. */
  readonly runs: Uint32Array;
  readonly runOffsets: Uint32Array;
  /** keypoints: N x K x 3, else empty. */
  readonly keypoints: Float64Array;
}

export interface EvaluationData {
  readonly kind: 'bbox' | 'segm' | 'keypoints';
  /** How many there are. */
  readonly categories: number;
  /** Indices of all images, in the order in which detections of equal score count. */
  readonly order: Int32Array;
  readonly truth: EvaluationObjects & { readonly areas: Float64Array };
  readonly found: EvaluationObjects & { readonly scores: Float64Array };
  /** keypoints: one for each, else empty. */
  readonly sigmas: readonly number[];
}

/** -1 wherever there is no ground truth. Thresholds are 0.5 to 0.95 in steps of 0.05. The last index runs fastest. */
export interface NativeCocoFigures {
  /** Categories x areas x thresholds x 101, at the last of maxDetections. */
  readonly precision: Float64Array;
  /** Of the same points, first range of areas: categories x thresholds x 101. */
  readonly scores: Float64Array;
  /** Categories x areas x maxDetections x thresholds. */
  readonly recall: Float64Array;
  /** Objects to be found (all areas) and detections that count, by category. */
  readonly truthCount: Int32Array;
  readonly foundCount: Int32Array;
}

export interface NativeConfusion {
  /** (categories + 1) squared: rows are what is there, columns what was detected; the last of each is nothing. */
  readonly matrix: Int32Array;
  /** By detection: the object it belongs to, -1 a false one, -2 not counted. */
  readonly foundMatches: Int32Array;
  /** By object: the detection it belongs to, -1 missed, -2 not counted. */
  readonly truthMatches: Int32Array;
}

/** What becomes of an image's pixels, and of its masks, which have no colours and get 0 where pixels get `fill`. */
export type AugmentStep =
  /** The pixels whose upper left corner lies at (left, top), which may be outside the image; then mirrored. */
  | {
      readonly type: 'window';
      readonly left: number;
      readonly top: number;
      readonly width: number;
      readonly height: number;
      readonly fill: readonly [number, number, number];
      readonly flip: boolean;
    }
  /** Bilinear with antialiasing; masks nearest. */
  | { readonly type: 'resize'; readonly width: number; readonly height: number }
  /** Factors as torchvision's RandomPhotometricDistort; null: left out. Channel c becomes what `channels[c]` was. */
  | {
      readonly type: 'colour';
      readonly brightness: number | null;
      readonly contrast: number | null;
      readonly saturation: number | null;
      readonly hue: number | null;
      readonly contrastFirst: boolean;
      readonly channels: readonly [number, number, number];
    };

export interface Binding {
  /** Called once per thread of JavaScript, before anything else: the class native errors are made of. */
  /** @param largestArray bytes that this version of Node makes a typed array of */
  initialize(errorClass: new (code: never, message: string) => Error, largestArray: number): void;
  /** To be called when the process begins to exit: process.exit() runs no cleanup hooks, and work may be under way. */
  prepareExit(): void;
  readonly torchVersion: string;
  cudaDeviceCount(): number;
  setThreads(threads: number): void;
  Tensor: NativeTensorStatic;
  Module: NativeModuleStatic;
  /** The module stays usable beside the detector and must be disposed by itself. */
  Detector: {
    new (module: NativeModule, config: DetectionConfig): NativeDetector;
    /** Whether this CPU has what oneDNN wants for them. */
    cpuSupport(): { bfloat16: boolean; int8: boolean };
  };
  CancelToken: new () => CancelToken;
  Optimizer: NativeOptimizerStatic;
  Ema: NativeEmaStatic;
  ProcessGroup: NativeProcessGroupStatic;
  /**
   * Writes what the steps make of the image (8-bit RGB) to `out.image`, and of the masks `kept` to `out.masks`, on a thread of
   * its own: one for each `lane`. All memory is used until the promise settles.
   */
  augment(
    image: { readonly data: Uint8Array; readonly width: number; readonly height: number },
    masks: Uint8Array | null,
    kept: readonly number[],
    steps: readonly AugmentStep[],
    out: { readonly image: Uint8Array; readonly masks?: Uint8Array },
    lane: number,
  ): Promise<void>;
  /** Calls an operator by its schema name, for example `torchvision::nms`, on `device`'s thread. */
  callOperator(name: string, args: readonly ScriptValue[], device: string): Promise<ScriptValue>;
  /**
   * COCO's figures over all images at once. `progress` is written while it works: groups done, groups in all. The data's
   * memory is read until the promise settles.
   */
  evaluateDetections(
    data: EvaluationData,
    options: {
      /** [lowest, highest] each; the first one holds all. */
      areas: readonly (readonly [number, number])[];
      /** Ascending. */
      maxDetections: readonly number[];
    },
    progress: Int32Array,
    cancel: CancelToken,
  ): Promise<NativeCocoFigures>;
  /** Which class is taken for which; see native/evaluation/confusion.h. `progress`: images done, images in all. */
  confuseDetections(
    data: EvaluationData,
    options: { scoreThreshold: number; overlapThreshold: number },
    progress: Int32Array,
    cancel: CancelToken,
  ): Promise<NativeConfusion>;
  /** Gradients of sum(output * gradOutput) with respect to the float tensors among args, null for the others. */
  operatorGradients(
    name: string,
    args: readonly ScriptValue[],
    gradOutput: NativeTensor,
    device: string,
  ): Promise<(NativeTensor | null)[]>;
}
