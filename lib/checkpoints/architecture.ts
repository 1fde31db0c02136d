/** Names that only one family has, the special before the general. */
const families: readonly [RegExp, string][] = [
  [/^roi_heads\.mask_predictor\./, 'Mask R-CNN'],
  [/^roi_heads\.keypoint_predictor\./, 'Keypoint R-CNN'],
  [/^roi_heads\.box_predictor\./, 'Faster R-CNN'],
  [/^head\.regression_head\.scales\.|^rpn\.head\.centerness\./, 'the original FCOS'],
  [/^head\.regression_head\.bbox_ctrness\./, 'FCOS'],
  [/^head\.classification_head\.cls_logits\./, 'RetinaNet'],
  [/^head\.classification_head\.module_list\.\d+\.1\./, 'SSDlite'],
  [/^head\.classification_head\.module_list\./, 'SSD'],
  [/^layer4\..*(conv3|bn3)\./, 'a ResNet classifier with bottlenecks'],
  [/^layer4\./, 'a ResNet classifier'],
  [/^features\..*\.block\./, 'a MobileNetV3 or EfficientNet classifier'],
  [/^features\.\d+\.conv\./, 'a MobileNetV2 classifier'],
  [/^features\.\d+\.(weight|bias)$/, 'a VGG or similar classifier'],
  [/^(class_embed|query_embed|transformer)\./, 'DETR'],
  [/^rpn\.head\.(cls|bbox)_tower\./, 'RetinaNet of maskrcnn-benchmark'],
  [/^roi_heads\.box\.predictor\./, 'a detector of maskrcnn-benchmark'],
  [/^model\.\d+\./, 'YOLO'],
  [/^proposal_generator\./, 'Detectron2'],
];

const backbones: readonly [RegExp, string][] = [
  [/^backbone\.body\.layer4\..*(conv3|bn3)\./, 'ResNet with bottlenecks (50, 101, 152)'],
  [/^backbone\.body\.layer4\./, 'ResNet without bottlenecks (18, 34)'],
  [/^backbone\.body\.\d+\.block\./, 'MobileNetV3'],
  [/^backbone\.body\.\d+\.conv\./, 'MobileNetV2'],
  [/^backbone\.features\.|^backbone\.extra\./, 'VGG'],
];

/** What a set of tensor names belongs to, in words: `Mask R-CNN on ResNet …`; undefined where no name is telling. */
export function guessArchitecture(names: Iterable<string>): string | undefined {
  const all = [...names];
  const find = (table: readonly [RegExp, string][]): string | undefined =>
    table.find(([pattern]) => all.some((name) => pattern.test(name)))?.[1];
  const family = find(families);
  const backbone = find(backbones);
  return family !== undefined && backbone !== undefined ? `${family} on ${backbone}` : family;
}
