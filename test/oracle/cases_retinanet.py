"""RetinaNet, for dense.py."""

from functools import partial

from torch import nn
from torchvision.models import detection as D
from torchvision.models.detection.retinanet import RetinaNet, RetinaNetHead
from torchvision.ops.feature_pyramid_network import LastLevelP6P7

from cases import ONE, Case
from dense_cases import SIZE, TRANSFORM, UINT8, anchors, mobile, named, resnet_p6p7, resnet_pool

# Logits about -3: some hundred anchors score above 0.05, as they do with trained weights.
TARGETS = {"head.*.cls_logits": 1.2, "head.*.bbox_reg": 0.3}
MEANS = {"head.*.cls_logits": -3.0, "head.*.bbox_reg": 0.0}

RATIOS = (0.5, 1.0, 2.0)


def sizes(first, levels):
    """torchvision's: three scales an octave, truncated."""
    return [[int(first * 2 ** (level + third / 3)) for third in range(3)] for level in range(levels)]


def small(backbone, classes=7, **options):
    return RetinaNet(backbone, classes, **{**SIZE, "detections_per_img": 60, **options})


def with_head(backbone, classes, per_cell, norm, **options):
    return small(backbone, classes, head=RetinaNetHead(256, per_cell, classes, norm), **options)


CASES = {
    "retinanet_resnet50_fpn": Case(named(D.retinanet_resnet50_fpn, detections_per_img=200)),
    "retinanet_resnet50_fpn_v2": Case(named(D.retinanet_resnet50_fpn_v2, detections_per_img=200)),
    # other backbones
    "resnet18-p6p7": Case(lambda: small(resnet_p6p7())),
    "resnet18-pool": Case(lambda: small(resnet_pool(), anchor_generator=anchors(sizes(16, 5), RATIOS)), ONE),
    "resnet34-p6p7-on-c5": Case(lambda: small(resnet_p6p7("resnet34", extra_blocks=LastLevelP6P7(512, 256)))),
    "mobilenet_v3_large-fpn": Case(
        lambda: small(mobile("mobilenet_v3_large"), anchor_generator=anchors([[128, 161, 203]] * 2 + [[256, 322, 406]], RATIOS))
    ),
    "mobilenet_v2-plain": Case(
        lambda: small(mobile("mobilenet_v2", fpn=False), anchor_generator=anchors([[32, 64, 128]], RATIOS))
    ),
    # each option of RetinaNet away from its default
    "options-transform": Case(lambda: small(resnet_p6p7(), **TRANSFORM)),
    "options-fixed-size": Case(lambda: small(resnet_p6p7(), fixed_size=(128, 96))),
    "options-anchors": Case(
        lambda: small(
            resnet_p6p7(),
            anchor_generator=anchors([[8, 12], [20, 31], [50, 70], [90, 110], [150, 200]], (0.4, 1.0)),
        )
    ),
    "options-thresholds": Case(
        lambda: small(resnet_p6p7(), score_thresh=0.12, nms_thresh=0.3, detections_per_img=23, topk_candidates=150)
    ),
    "options-head-group": Case(lambda: with_head(resnet_p6p7(), 4, 9, partial(nn.GroupNorm, 32))),
    "options-head-batch": Case(lambda: with_head(resnet_p6p7(), 4, 9, nn.BatchNorm2d)),
    # counts
    "many-classes": Case(lambda: small(resnet_p6p7(), classes=200, detections_per_img=40)),
    "many-detections": Case(lambda: small(resnet_p6p7(), detections_per_img=250, score_thresh=0.01)),
    "nothing-found": Case(lambda: small(resnet_p6p7(), score_thresh=0.9999), least=0),
    # images of unusual shape or kind
    # a picture of one colour has anchors that score alike: FCOS has that one
    "images-extreme": Case(lambda: small(resnet_p6p7()), [(96, 96), (300, 9), (33, 500)]),
    "images-uint8": Case(lambda: small(resnet_p6p7()), UINT8),
    "images-upscaled": Case(lambda: small(resnet_p6p7(), min_size=150, max_size=200), [(37, 53)]),
}
