/** A tensor whose size depends on the number of classes (or of keypoints). */
interface HeadKey {
  readonly pattern: RegExp;
  /** The dimension that counts the classes, times anchors or coordinates. */
  readonly dimension: number;
  readonly what: 'class' | 'keypoint';
}

const headKeys: readonly HeadKey[] = [
  // Faster R-CNN and those built on it.
  {
    pattern: /^roi_heads\.box_predictor\.(cls_score|bbox_pred)\.(weight|bias)$/,
    dimension: 0,
    what: 'class',
  },
  {
    pattern: /^roi_heads\.mask_predictor\.mask_fcn_logits\.(weight|bias)$/,
    dimension: 0,
    what: 'class',
  },
  // A transposed convolution: input channels come first in its weight.
  {
    pattern: /^roi_heads\.keypoint_predictor\.kps_score_lowres\.weight$/,
    dimension: 1,
    what: 'keypoint',
  },
  {
    pattern: /^roi_heads\.keypoint_predictor\.kps_score_lowres\.bias$/,
    dimension: 0,
    what: 'keypoint',
  },
  // RetinaNet, FCOS.
  {
    pattern: /^head\.classification_head\.cls_logits\.(weight|bias)$/,
    dimension: 0,
    what: 'class',
  },
  // SSD (a convolution a level), SSDlite (a depthwise and a pointwise one a level).
  {
    pattern: /^head\.classification_head\.module_list\.\d+\.(1\.)?(weight|bias)$/,
    dimension: 0,
    what: 'class',
  },
];

/**
 * What a tensor's size counts where the two shapes differ in nothing else: `class` or `keypoint`. undefined where they
 * differ otherwise, or where the tensor has nothing to do with classes.
 */
export function headDifference(
  name: string,
  model: readonly number[],
  checkpoint: readonly number[],
): 'class' | 'keypoint' | undefined {
  const key = headKeys.find(({ pattern }) => pattern.test(name));
  if (!key || model.length !== checkpoint.length) return undefined;
  const elsewhere = model.some((size, i) => i !== key.dimension && size !== checkpoint[i]);
  return elsewhere ? undefined : key.what;
}

/** The last layers of one-stage detectors, biases: classes times anchors, and four times anchors. */
const denseHeads: readonly (readonly [classes: string, boxes: string])[] = [
  ['classification_head.cls_logits.bias', 'regression_head.bbox_reg.bias'],
  ['classification_head.module_list.0.bias', 'regression_head.module_list.0.bias'],
  ['classification_head.module_list.0.1.bias', 'regression_head.module_list.0.1.bias'],
];

/** Classes a detector's predictor knows, label 0 included; undefined where the names are no torchvision detector's. */
export function classCount(
  shapeOf: (name: string) => readonly number[] | undefined,
): number | undefined {
  const rcnn = shapeOf('roi_heads.box_predictor.cls_score.bias')?.[0];
  if (rcnn !== undefined) return rcnn;
  for (const [classes, boxes] of denseHeads) {
    const scores = shapeOf(`head.${classes}`)?.[0];
    const deltas = shapeOf(`head.${boxes}`)?.[0];
    if (scores === undefined || deltas === undefined) continue;
    const count = scores / (deltas / 4);
    return Number.isInteger(count) ? count : undefined;
  }
  return undefined;
}
