import type { RcnnConfig } from '../../../binding';
import type { DetectorSpec } from '../detector-spec';
import { FASTER_RCNN_SETTINGS } from './faster-rcnn-options';
import type { FasterRcnnOptions } from './faster-rcnn-options';
import { describeRcnn } from './rcnn';

/**
 * Faster R-CNN (https://arxiv.org/abs/1506.01497) on a backbone of one's choice: torchvision's `FasterRCNN`.
 *
 * ```ts
 * fasterRcnn({ backbone: resnetFpn('resnet50'), numClasses: 4 })   // three kinds of object, and the background
 * ```
 * @throws TorchdetError ERR_OPTION_VALUE, ERR_OPTION_UNKNOWN; ERR_BACKBONE_MISMATCH where anchors, RoI levels and the
 * backbone's levels do not fit
 */
export function fasterRcnn(options: FasterRcnnOptions): DetectorSpec<RcnnConfig> {
  const kind = { builder: 'fasterRcnn', type: 'FasterRCNN', settings: FASTER_RCNN_SETTINGS };
  return describeRcnn(kind, options);
}
