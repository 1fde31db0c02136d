import type { Binding, NativeDetector, NativeTensor } from '../../binding';
import { type ImageInput, prepareImage } from '../images/input';
import { Tensor } from '../tensor';

/** [height, width] in pixels. */
export type Size = readonly [height: number, width: number];

const wrap = (tensors: readonly NativeTensor[]) => tensors.map((tensor) => new Tensor(tensor));
const wrapAll = (tensors: Record<string, NativeTensor>) =>
  Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name, new Tensor(tensor)]));
const unwrap = (tensors: readonly Tensor[]) => tensors.map((tensor) => tensor.native);

/**
 * The stages of a two-stage detector one by one, on inputs of one's own: to follow the algorithm, or to compare with
 * torchvision's `transform`, `backbone`, `rpn` and `roi_heads`. They run the network exactly as described, unfused.
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
      detections: output.detections.map(({ boxes, labels, scores }) => ({
        boxes: new Tensor(boxes),
        labels: new Tensor(labels),
        scores: new Tensor(scores),
      })),
    };
  }
}
