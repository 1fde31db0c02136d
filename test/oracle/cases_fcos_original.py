"""The original FCOS, for dense.py. The reference, fcos_original.py, is a program of our own."""

from cases import ONE, Case
from dense_cases import EXTREME, SIZE, UINT8
from fcos_original import Backbone, FCOSOriginal, fcos_imprv_r50_fpn_1x

# Points must pass 0.05 by their class alone. Distances: 2 strides, or exp(2) pixels, and about half as much more or less.
TARGETS = {"head.*.cls_logits": 1.5, "head.*.bbox_ctrness": 1.0, "head.*.bbox_reg": 0.6}
MEANS = {"head.*.cls_logits": -4.0, "head.*.bbox_ctrness": 0.0, "head.*.bbox_reg": 1.8}
VALUES = {f"head.regression_head.scales.{i}.scale": [s] for i, s in enumerate((1.1, 0.9, 1.2, 0.85, 1.05))}


def small(classes=7, backbone=None, **options):
    return FCOSOriginal(Backbone(**(backbone or {})), classes, **{**SIZE, "detections": 60, **options})


def with_body(**options):
    return Case(lambda: small(backbone=options))


def plain(**options):
    return {"modulated": False, "deformable_groups": 1, **options}


def modulated(**options):
    return plain(modulated=True, **options)


CASES = {
    "fcos_imprv_r50_fpn_1x": Case(lambda: fcos_imprv_r50_fpn_1x(**SIZE)),
    # the body and the pyramid
    "stride-in-3x3": with_body(stride_in_1x1=False),
    "group-norm-body": with_body(norm="group"),
    "fpn-group-norm": with_body(fpn_group_norm=True),
    "fpn-relu": with_body(fpn_relu=True),
    "fpn-group-norm-relu": with_body(fpn_group_norm=True, fpn_relu=True, out=128),
    "p6p7-on-c5": with_body(from_c5=True),
    "returned-1-2-4": with_body(returned=(1, 2, 4)),
    # deformable convolutions
    "deformable-2-3-4": with_body(dcn_layers=(2, 3, 4), dcn=plain()),
    "deformable-1": with_body(dcn_layers=(1,), dcn=plain(), stride_in_1x1=False),
    "modulated-3-4": with_body(dcn_layers=(3, 4), dcn=modulated()),
    "modulated-4-groups-4": with_body(dcn_layers=(4,), dcn=modulated(deformable_groups=4), stride_in_1x1=False),
    "deformable-tower": Case(lambda: small(dcn_in_tower=True)),
    # the head
    "exp": Case(lambda: small(normalised=False)),
    "centerness-on-classes": Case(lambda: small(centerness_on_reg=False)),
    "exp-centerness-on-classes": Case(lambda: small(normalised=False, centerness_on_reg=False)),
    "head-convs": Case(lambda: small(convs=2, classes=4)),
    # each other option away from its default
    "options-thresholds": Case(lambda: small(score_thresh=0.1, nms_thresh=0.4, detections=23, topk=40)),
    "options-transform": Case(
        lambda: small(
            min_size=(64, 80, 101), max_size=131, mean=(110.0, 120.0, 130.0), std=(50.0, 60.0, 70.0), size_divisible=64
        )
    ),
    "nothing-found": Case(lambda: small(score_thresh=0.99999), least=0),
    # images of unusual shape or kind
    "images-extreme": Case(lambda: small(), EXTREME),
    "images-uint8": Case(lambda: small(), UINT8),
    "images-upscaled": Case(lambda: small(min_size=150, max_size=200), [(37, 53)]),
    "resnet101": Case(lambda: small(backbone={"name": "resnet101"}), ONE),
}
