import type { Binding, NativeDetector, NativeStageDetections, NativeTensor } from '../../binding';
import { type ImageInput, prepareImage } from '../images/input';
import { Tensor } from '../tensor';

/** [height, width] in pixels. */
export type Size = readonly [height: number, width: number];

/** What a stage found in one image, in pixels of the batch, best first. */
export interface StageDetections {
  /** N x 4 float32, xyxy. */
  readonly boxes: Tensor;
  /** N int64. */
  readonly labels: Tensor;
  /** N float32, 0 to 1. */
  readonly scores: Tensor;
  /** N x 1 x M x M float32 in 0 to 1, not yet pasted into the image (Mask R-CNN). */
  readonly masks?: Tensor;
  /** N x K x 3 float32: x, y and visibility (Keypoint R-CNN). */
  readonly keypoints?: Tensor;
  /** N x K float32. */
  readonly keypointsScores?: Tensor;
}

const wrap = (tensors: readonly NativeTensor[]) => tensors.map((tensor) => new Tensor(tensor));
const wrapAll = (tensors: Record<string, NativeTensor>) =>
  Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name, new Tensor(tensor)]));
const wrapDetections = (found: NativeStageDetections): StageDetections => ({
  boxes: new Tensor(found.boxes),
  labels: new Tensor(found.labels),
  scores: new Tensor(found.scores),
  ...(found.masks && { masks: new Tensor(found.masks) }),
  ...(found.keypoints && { keypoints: new Tensor(found.keypoints) }),
  ...(found.keypointsScores && { keypointsScores: new Tensor(found.keypointsScores) }),
});
const unwrap = (tensors: readonly Tensor[]) => tensors.map((tensor) => tensor.native);

/**
 * The stages of a detector one by one, on inputs of one's own: to follow the algorithm, or to compare with torchvision's
 * `transform` and `backbone`, then `rpn` and `roi_heads` of a two-stage detector, or `head` of a one-stage one. They run the
 * network exactly as described, unfused.
 */
export class Stages {
  readonly #native: NativeDetector;
  readonly #binding: Binding;

  /** @internal */
  constructor(native: NativeDetector, binding: Binding) {
    this.#native = native;
    this.#binding = binding;
  }

  /** Normalised, resized and padded: N x 3 x H x W, and each image's size in it (torchvision's GeneralizedRCNNTransform). */
  async transform(images: readonly ImageInput[]): Promise<{ batch: Tensor; imageSizes: Size[] }> {
    const prepared = await Promise.all(
      images.map((image, i) => prepareImage(image, { name: `images[${i}]` }, this.#binding)),
    );
    const { batch, imageSizes } = await this.#native.transform(prepared);
    return { batch: new Tensor(batch), imageSizes };
  }

  /** Feature maps of a batch by name, finest first. */
  async backbone(batch: Tensor): Promise<Record<string, Tensor>> {
    return wrapAll(await this.#native.backbone(batch.native));
  }

  /** Anchors, the head's outputs and the proposals of each image (torchvision's RegionProposalNetwork). */
  async rpn(features: readonly Tensor[], imageSizes: readonly Size[], batchSize: Size) {
    const output = await this.#native.rpn(unwrap(features), imageSizes, batchSize);
    return {
      /** S x 4, the same for every image. */
      anchors: new Tensor(output.anchors),
      /** N*S x 1 logits. */
      objectness: new Tensor(output.objectness),
      /** N*S x 4. */
      deltas: new Tensor(output.deltas),
      /** P x 4 for each image, best first. */
      proposals: wrap(output.proposals),
      /** P for each image. */
      scores: wrap(output.scores),
    };
  }

  /** Pooled features, the heads' outputs and each image's detections, in pixels of the batch (torchvision's RoIHeads). */
  async roiHeads(
    features: Readonly<Record<string, Tensor>>,
    proposals: readonly Tensor[],
    imageSizes: readonly Size[],
    batchSize: Size,
  ) {
    const maps = Object.fromEntries(
      Object.entries(features).map(([name, tensor]) => [name, tensor.native]),
    );
    const output = await this.#native.roiHeads(maps, unwrap(proposals), imageSizes, batchSize);
    return {
      pooled: new Tensor(output.pooled),
      classLogits: new Tensor(output.classLogits),
      boxRegression: new Tensor(output.boxRegression),
      detections: output.detections.map(wrapDetections),
    };
  }

  /**
   * The head of a one-stage detector on feature maps in the backbone's order, and the detections that it leads to (torchvision's
   * `head`, `anchor_generator` and `postprocess_detections` of RetinaNet, FCOS and SSD).
   *
   * @param imageSizes - of each image in the batch, before padding
   * @param batchSize - of the batch the features were made of
   * @throws TorchdetError ERR_ARCHIVE_UNSUPPORTED where the detector is a two-stage one
   */
  async head(features: readonly Tensor[], imageSizes: readonly Size[], batchSize: Size) {
    const output = await this.#native.head(unwrap(features), imageSizes, batchSize);
    return {
      /** S x 4 float32, the same for every image: anchors or default boxes; the original FCOS: points, S x 2. */
      anchors: new Tensor(output.anchors),
      /** `cls_logits` N x S x classes, `bbox_regression` N x S x 4 and, for FCOS, `bbox_ctrness` N x S x 1. */
      outputs: wrapAll(output.outputs),
      detections: output.detections.map(wrapDetections),
    };
  }
}
