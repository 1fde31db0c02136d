"""SSD and SSDlite, for dense.py."""

from torchvision.models import detection as D
from torchvision.models.detection._utils import retrieve_out_channels
from torchvision.models.detection.anchor_utils import DefaultBoxGenerator
from torchvision.models.detection.ssd import SSD, SSDHead
from torchvision.models.detection.ssdlite import SSDLiteHead

from cases import ONE, Case
from dense_cases import EXTREME, UINT8, mobile, resnet_pool
from ssd_structure import NORM, mobilenet, vgg

# Softmax of such logits: candidates by the thousand, and scores far apart among the best of them.
TARGETS = {
    "head.classification_head.module_list.?": 1.5,
    "head.classification_head.module_list.?.1": 1.5,
    "head.regression_head.module_list.?": 1.0,
    "head.regression_head.module_list.?.1": 1.0,
}
MEANS = dict.fromkeys(TARGETS, 0.0)
VALUES = {"backbone.scale_weight": [15 + i % 11 for i in range(512)]}

VGG_RATIOS = [[2], [2, 3], [2, 3], [2, 3], [2], [2]]
LITE = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}


def small(backbone, ratios, classes=7, size=(160, 160), lite=True, boxes=None, channels=None, **options):
    generator = DefaultBoxGenerator(ratios, **(boxes or {}))
    backbone.eval()
    if channels is None:
        channels = retrieve_out_channels(backbone, size)
    per_cell = generator.num_anchors_per_location()
    head = SSDLiteHead(channels, per_cell, classes, NORM) if lite else SSDHead(channels, per_cell, classes)
    return SSD(backbone, generator, size, classes, head=head, **{"detections_per_img": 60, **options})


def lite(name="mobilenet_v3_small", classes=7, ratios=None, backbone=None, **options):
    """The small network with a reduced tail, unless `backbone` says otherwise."""
    body = mobilenet(name, {"reducedTail": True, **(backbone or {})})
    return small(body, ratios or [[2, 3]] * 6, classes, **{**LITE, **options})


def full(ratios=None, highres=False, size=(300, 300), classes=5, **options):
    return small(vgg("vgg16", {"highres": highres}), ratios or VGG_RATIOS, classes, size, **{"lite": False, **options})


def named(builder, **options):
    return lambda: builder(weights=None, weights_backbone=None, **options)


CASES = {
    # torchvision's two, with all their defaults
    "ssd300_vgg16": Case(named(D.ssd300_vgg16)),
    "ssdlite320_mobilenet_v3_large": Case(named(D.ssdlite320_mobilenet_v3_large)),
    "ssdlite320_mobilenet_v3_large-classes": Case(
        named(D.ssdlite320_mobilenet_v3_large, num_classes=3, image_mean=[0.4, 0.5, 0.6], image_std=[0.3, 0.2, 0.25])
    ),
    # backbones, each option of theirs away from its default
    # many classes, so that scores stay apart
    "vgg16-highres": Case(lambda: full([[2]] + [[2, 3]] * 4 + [[2]] * 2, True, (512, 512), 60), ONE),
    "mobilenet_v3_large-full-tail": Case(lambda: lite("mobilenet_v3_large", backbone={"reducedTail": False})),
    "mobilenet_v3_large-width": Case(
        lambda: lite("mobilenet_v3_large", backbone={"widthMult": 0.75, "extraWidthMult": 0.35, "minDepth": 60})
    ),
    "mobilenet_v3_small-frozen": Case(lambda: lite(backbone={"norm": "frozen", "reducedTail": False})),
    "mobilenet_v3_small-ssd-head": Case(lambda: lite(lite=False)),
    "resnet18-pool": Case(lambda: small(resnet_pool(), [[2]] * 5, lite=False, channels=[256] * 5)),
    "mobilenet_v2-plain": Case(lambda: small(mobile("mobilenet_v2", fpn=False), [[2, 3, 5]], lite=False, channels=[256])),
    # each option of SSD and of its default boxes away from its default
    "options-ratios": Case(lambda: lite(ratios=[[], [2], [1.5, 2.5, 4], [2, 3], [], [2]])),
    "options-scales": Case(lambda: lite(boxes={"scales": [0.08, 0.2, 0.3, 0.45, 0.7, 0.9, 1.1]})),
    "options-scale-range": Case(lambda: lite(boxes={"min_ratio": 0.05, "max_ratio": 0.7})),
    "options-steps": Case(lambda: lite(boxes={"steps": [17, 30, 70, 100, 150.5, 320]})),
    "options-no-clip": Case(lambda: lite(boxes={"clip": False, "scales": [0.3, 0.5, 0.8, 1.0, 1.2, 1.4, 1.7]})),
    "options-size": Case(lambda: lite(size=(224, 130))),
    "options-thresholds": Case(
        lambda: lite(score_thresh=0.85, nms_thresh=0.25, detections_per_img=23, topk_candidates=9, iou_thresh=0.6,
                     positive_fraction=0.3)
    ),
    # counts
    "two-classes": Case(lambda: lite(classes=2)),
    "many-classes": Case(lambda: lite(classes=200, detections_per_img=130, nms_thresh=0.5), ONE),
    "many-detections": Case(lambda: lite(detections_per_img=250), ONE),
    "nothing-found": Case(lambda: lite(score_thresh=0.9999), least=0),
    # images of unusual shape or kind
    "images-extreme": Case(lambda: lite(), EXTREME),
    "images-uint8": Case(lambda: lite(), UINT8),
    "images-upscaled": Case(lambda: lite(size=(320, 320)), [(37, 53)]),
}
