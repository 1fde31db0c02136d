"""The detectors of the parity suite: how torchvision builds each, and on which images it runs.

test/parity/cases.ts builds the same ones with torchdet. Images are (height, width[, kind]); see fill.image.
"""

from dataclasses import dataclass, field
from typing import Callable

import torch
import torchvision
from torch import nn
from torchvision.models import detection as D
from torchvision.models.convnext import CNBlockConfig, ConvNeXt
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import BackboneWithFPN, mobilenet_backbone, resnet_fpn_backbone
from torchvision.models.detection.faster_rcnn import FasterRCNN, FastRCNNConvFCHead, FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.rpn import RPNHead
from torchvision.ops import MultiScaleRoIAlign
from torchvision.ops import poolers
from torchvision.ops.feature_pyramid_network import LastLevelP6P7

PAIR = [(90, 120), (100, 77)]
ONE = [(64, 80)]


@dataclass
class Case:
    build: Callable[[], nn.Module]
    images: list = field(default_factory=lambda: PAIR)
    # Detections that the fullest image has at least; a case with none expects none.
    least: int = 5


def small(backbone, classes=7, **options):
    return FasterRCNN(backbone, classes, **{"min_size": 96, "max_size": 160, "rpn_post_nms_top_n_test": 25, **options})


def resnet(name, **options):
    return resnet_fpn_backbone(backbone_name=name, weights=None, **options)


def mobile(name, fpn, **options):
    return mobilenet_backbone(backbone_name=name, weights=None, fpn=fpn, **options)


def anchors(levels, ratios=(0.5, 1.0, 2.0), base=16):
    return AnchorGenerator(tuple((base * 2**i,) for i in range(levels)), (ratios,) * levels)


def vgg(name, returned, channels, extra_blocks=None, norm_layer=None):
    """As torchvision's own builders make theirs; its in-place ReLUs work on the returned maps."""
    features = torchvision.models.__dict__[name](weights=None).features
    maps = {str(layer): str(i) for i, layer in enumerate(returned)}
    return BackboneWithFPN(features, maps, channels, 256, extra_blocks, norm_layer)


def vgg_plain(name, last, channels):
    backbone = nn.Sequential(torchvision.models.__dict__[name](weights=None).features[: last + 1], nn.Conv2d(channels, 256, 1))
    backbone.out_channels = 256
    return backbone


def convnext():
    """What examples/own-backbone describes, in small."""
    stages = [CNBlockConfig(16, 32, 1), CNBlockConfig(32, 48, 2), CNBlockConfig(48, 64, 1)]
    features = ConvNeXt([*stages, CNBlockConfig(64, None, 1)]).features
    return BackboneWithFPN(features, {"1": "0", "3": "1", "5": "2", "7": "3"}, [16, 32, 48, 64], 64)


class NearestRoIAlign(MultiScaleRoIAlign):
    """What torchdet does where strides leave a level out: the map of the next finer stride there is."""

    def forward(self, x, boxes, image_shapes):
        if self.map_levels is None:
            maps = poolers._filter_input(x, self.featmap_names)
            self.scales, mapper = poolers._setup_scales(maps, image_shapes, self.canonical_scale, self.canonical_level)
            strides = [round(1 / scale) for scale in self.scales]
            nearest = [
                max((i for i, s in enumerate(strides) if s <= strides[0] * 2**level), key=lambda i: (strides[i], -i))
                for level in range((strides[-1] // strides[0]).bit_length())
            ]
            self.map_levels = lambda boxes: torch.tensor(nearest)[mapper(boxes)]
        return super().forward(x, boxes, image_shapes)


def named(builder, classes=91, **options):
    return lambda: builder(weights=None, weights_backbone=None, num_classes=classes, **options)


SMALL = {"min_size": 96, "max_size": 160, "rpn_post_nms_top_n_test": 150}
ONE_LEVEL = {"rpn_anchor_generator": AnchorGenerator(((16, 32, 64),), ((0.5, 1.0, 2.0),))}
TINY = {"min_size": 48, "max_size": 64}
TWO_MAPS = {"box_roi_pool": MultiScaleRoIAlign(["0", "1"], 7, 2)}

CASES = {
    # torchvision's own four, with its defaults but for the size and the number of proposals
    "fasterrcnn_resnet50_fpn": Case(named(D.fasterrcnn_resnet50_fpn, **SMALL)),
    "fasterrcnn_resnet50_fpn_v2": Case(named(D.fasterrcnn_resnet50_fpn_v2, **SMALL)),
    "fasterrcnn_mobilenet_v3_large_fpn": Case(named(D.fasterrcnn_mobilenet_v3_large_fpn, **SMALL)),
    "fasterrcnn_mobilenet_v3_large_320_fpn": Case(named(D.fasterrcnn_mobilenet_v3_large_320_fpn)),
    # every ResNet, frozen batch norm
    **{
        name: Case(lambda name=name: small(resnet(name), min_size=64, max_size=96), ONE)
        for name in (
            "resnet18 resnet34 resnet50 resnet101 resnet152 resnext50_32x4d resnext101_32x8d resnext101_64x4d "
            "wide_resnet50_2 wide_resnet101_2"
        ).split()
    },
    # what a feature pyramid can be told
    "resnet18-p6p7": Case(
        lambda: small(resnet("resnet18", extra_blocks=LastLevelP6P7(256, 256)), rpn_anchor_generator=anchors(6))
    ),
    "resnet34-p6p7-returned": Case(
        lambda: small(
            resnet("resnet34", returned_layers=[2, 3, 4], extra_blocks=LastLevelP6P7(256, 256)),
            rpn_anchor_generator=anchors(5),
        )
    ),
    "resnet18-group-norm": Case(lambda: small(resnet("resnet18", norm_layer=lambda c: nn.GroupNorm(32, c)))),
    "resnet18-batch-norm": Case(lambda: small(resnet("resnet18", norm_layer=nn.BatchNorm2d, trainable_layers=5))),
    "resnet18-returned-3-4": Case(
        lambda: small(resnet("resnet18", returned_layers=[3, 4]), rpn_anchor_generator=anchors(3), **TWO_MAPS)
    ),
    "resnet34-returned-1-3": Case(
        lambda: small(
            resnet("resnet34", returned_layers=[1, 3]),
            rpn_anchor_generator=anchors(3),
            box_roi_pool=MultiScaleRoIAlign(["1"], 7, 2),
        )
    ),
    # MobileNets
    **{
        f"{name}-fpn": Case(lambda name=name: small(mobile(name, True), rpn_anchor_generator=anchors(3)))
        for name in ("mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small")
    },
    **{
        f"{name}-plain": Case(lambda name=name: small(mobile(name, False), **ONE_LEVEL))
        for name in ("mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small")
    },
    "mobilenet_v2-returned-2-4-5": Case(
        lambda: small(mobile("mobilenet_v2", True, returned_layers=[2, 4, 5]), rpn_anchor_generator=anchors(4))
    ),
    "mobilenet_v2-p6p7-batch-norm": Case(
        lambda: small(
            mobile("mobilenet_v2", True, norm_layer=nn.BatchNorm2d, extra_blocks=LastLevelP6P7(256, 256)),
            rpn_anchor_generator=anchors(4),
        )
    ),
    # VGGs; strides 1, 2, 4, 16 leave one out, and small canonical scales bring RoIs there
    **{
        f"{name}-fpn": Case(
            lambda name=name, layers=layers: small(
                vgg(name, layers, [64, 128, 256, 512]),
                **TINY,
                rpn_anchor_generator=AnchorGenerator(((8,), (16,), (32,), (128,), (256,)), ((0.5, 1.0, 2.0),) * 5),
                box_roi_pool=MultiScaleRoIAlign(["0", "1", "2", "3"], 7, 2, canonical_scale=48),
            ),
            ONE,
        )
        for name, layers in {
            "vgg11": [0, 3, 8, 18],
            "vgg13": [2, 7, 12, 22],
            "vgg16": [2, 7, 14, 28],
            "vgg19": [2, 7, 16, 34],
            "vgg16_bn": [3, 10, 20, 40],
        }.items()
    },
    "vgg16-fpn-nearest": Case(
        lambda: small(
            vgg("vgg16", [2, 7, 14, 28], [64, 128, 256, 512]),
            **TINY,
            rpn_anchor_generator=anchors(5),
            box_roi_pool=NearestRoIAlign(["0", "1", "2", "3"], 7, 2, canonical_scale=48),
        ),
        ONE,
    ),
    "vgg13-p6p7-returned": Case(
        lambda: small(
            vgg("vgg13", [10, 15, 22], [256, 512, 512], LastLevelP6P7(256, 256), nn.BatchNorm2d),
            rpn_anchor_generator=anchors(5),
            box_roi_pool=MultiScaleRoIAlign(["0", "1", "2"], 7, 2),
        )
    ),
    "vgg16-plain": Case(lambda: small(vgg_plain("vgg16", 28, 512), **ONE_LEVEL)),
    "vgg11_bn-plain": Case(lambda: small(vgg_plain("vgg11_bn", 18, 512), **ONE_LEVEL)),
    "resnet18-returned-1-4": Case(
        lambda: small(
            resnet("resnet18", returned_layers=[1, 4]),
            rpn_anchor_generator=anchors(3),
            box_roi_pool=MultiScaleRoIAlign(["0", "1"], 7, 2, canonical_scale=64),
        )
    ),
    "mobilenet_v2-nearest": Case(
        lambda: small(
            mobile("mobilenet_v2", True, returned_layers=[1, 3, 5]),
            rpn_anchor_generator=anchors(4),
            box_roi_pool=NearestRoIAlign(["0", "1", "2"], 7, 2, canonical_scale=64),
        )
    ),
    "own-backbone": Case(lambda: small(convnext())),
    # each option of FasterRCNN away from its default
    "options-transform": Case(
        lambda: small(
            resnet("resnet18"),
            min_size=(64, 80, 101),
            max_size=131,
            image_mean=[0.4, 0.5, 0.6],
            image_std=[0.3, 0.2, 0.25],
            size_divisible=64,
        )
    ),
    "options-fixed-size": Case(lambda: small(resnet("resnet18"), fixed_size=(128, 96))),
    "options-anchors": Case(
        lambda: small(
            resnet("resnet18"),
            rpn_anchor_generator=AnchorGenerator(
                ((8, 12), (20, 31), (50, 70), (90, 110), (150, 200)), ((0.4, 1.0),) * 5
            ),
        )
    ),
    "options-rpn": Case(
        lambda: small(
            resnet("resnet18"),
            rpn_pre_nms_top_n_test=150,
            rpn_post_nms_top_n_test=45,
            rpn_nms_thresh=0.5,
            rpn_score_thresh=0.4,
        )
    ),
    "options-rpn-head": Case(lambda: small(resnet("resnet18"), rpn_head=RPNHead(256, 3, conv_depth=3))),
    "options-roi": Case(
        lambda: small(
            resnet("resnet18"),
            box_score_thresh=0.15,
            box_nms_thresh=0.3,
            box_detections_per_img=12,
            bbox_reg_weights=(5.0, 6.0, 3.0, 4.0),
        )
    ),
    "options-roi-pool": Case(
        lambda: small(
            resnet("resnet18"),
            box_roi_pool=MultiScaleRoIAlign(["0", "1", "2"], 5, 3, canonical_scale=112, canonical_level=4),
        )
    ),
    "options-roi-pool-adaptive": Case(
        lambda: small(
            resnet("resnet18"),
            classes=None,
            box_roi_pool=MultiScaleRoIAlign(["0", "1", "2", "3"], 4, -1),
            box_head=TwoMLPHead(256 * 4 * 4, 96),
            box_predictor=FastRCNNPredictor(96, 5),
        )
    ),
    "options-box-head": Case(
        lambda: small(
            resnet("resnet18"),
            classes=None,
            box_head=FastRCNNConvFCHead((256, 7, 7), [64, 32], [128], norm_layer=nn.BatchNorm2d),
            box_predictor=FastRCNNPredictor(128, 3),
        )
    ),
    "many-detections": Case(
        lambda: small(resnet("resnet18"), classes=40, rpn_post_nms_top_n_test=300, box_score_thresh=0.005)
    ),
    # images of unusual shape or kind
    "images-extreme": Case(lambda: small(resnet("resnet18")), [(96, 96), (1, 1), (1, 40), (300, 9), (33, 500)]),
    "images-uint8": Case(lambda: small(resnet("resnet18")), [(90, 121, "rgb"), (77, 64, "grey")]),
    "images-upscaled": Case(lambda: small(resnet("resnet18"), min_size=150, max_size=200), [(37, 53)]),
}
