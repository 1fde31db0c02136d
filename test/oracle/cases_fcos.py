"""torchvision's FCOS, for dense.py."""

from torchvision.models import detection as D
from torchvision.models.detection.fcos import FCOS, FCOSHead
from torchvision.ops.feature_pyramid_network import LastLevelP6P7

from cases import ONE, Case
from dense_cases import EXTREME, SIZE, TRANSFORM, UINT8, anchors, mobile, named, resnet_p6p7, resnet_pool

# The score is the root of class times centerness: above 0.2 for some hundred points. Distances are in units of the stride.
TARGETS = {"head.*.cls_logits": 1.5, "head.*.bbox_ctrness": 1.0, "head.*.bbox_reg": 0.7}
MEANS = {"head.*.cls_logits": -3.0, "head.*.bbox_ctrness": 0.0, "head.*.bbox_reg": 1.5}


def small(backbone, classes=7, **options):
    return FCOS(backbone, classes, **{**SIZE, "detections_per_img": 60, **options})


def squares(*sides):
    return anchors([[side] for side in sides], (1.0,))


CASES = {
    "fcos_resnet50_fpn": Case(named(D.fcos_resnet50_fpn)),
    # other backbones
    "resnet18-p6p7": Case(lambda: small(resnet_p6p7())),
    "resnet18-pool": Case(lambda: small(resnet_pool(), anchor_generator=squares(4, 8, 16, 32, 64)), ONE),
    "resnet34-p6p7-on-c5": Case(lambda: small(resnet_p6p7("resnet34", extra_blocks=LastLevelP6P7(512, 256)))),
    "mobilenet_v3_large-fpn": Case(lambda: small(mobile("mobilenet_v3_large"), anchor_generator=squares(32, 32, 64))),
    "mobilenet_v2-plain": Case(lambda: small(mobile("mobilenet_v2", fpn=False), anchor_generator=squares(32))),
    # each option of FCOS away from its default
    "options-transform": Case(lambda: small(resnet_p6p7(), **TRANSFORM)),
    "options-fixed-size": Case(lambda: small(resnet_p6p7(), fixed_size=(128, 96))),
    "options-anchors": Case(
        lambda: small(resnet_p6p7(), anchor_generator=anchors([[12], [20], [50], [90], [150]], (0.6,)))
    ),
    "options-thresholds": Case(
        lambda: small(resnet_p6p7(), score_thresh=0.35, nms_thresh=0.4, detections_per_img=23, topk_candidates=40)
    ),
    "options-head-convs": Case(lambda: small(resnet_p6p7(), classes=4, head=FCOSHead(256, 1, 4, num_convs=2))),
    # counts
    "many-classes": Case(lambda: small(resnet_p6p7(), classes=200, detections_per_img=40)),
    "many-detections": Case(lambda: small(resnet_p6p7(), detections_per_img=250, score_thresh=0.1)),
    "nothing-found": Case(lambda: small(resnet_p6p7(), score_thresh=0.9999), least=0),
    # images of unusual shape or kind
    "images-extreme": Case(lambda: small(resnet_p6p7()), EXTREME),
    "images-uint8": Case(lambda: small(resnet_p6p7()), UINT8),
    "images-upscaled": Case(lambda: small(resnet_p6p7(), min_size=150, max_size=200), [(37, 53)]),
}
