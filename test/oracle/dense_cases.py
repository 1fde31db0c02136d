"""What the cases of the one-stage families share; see dense.py."""

from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import mobilenet_backbone, resnet_fpn_backbone
from torchvision.ops.feature_pyramid_network import LastLevelP6P7

SIZE = {"min_size": 96, "max_size": 160}
EXTREME = [(96, 96), (1, 1), (1, 40), (300, 9), (33, 500)]
UINT8 = [(90, 121, "rgb"), (77, 64, "grey")]
TRANSFORM = {
    "min_size": (64, 80, 101),
    "max_size": 131,
    "image_mean": [0.4, 0.5, 0.6],
    "image_std": [0.3, 0.2, 0.25],
    "size_divisible": 64,
}


def resnet_p6p7(name="resnet18", **options):
    return resnet_fpn_backbone(
        backbone_name=name,
        weights=None,
        **{"returned_layers": [2, 3, 4], "extra_blocks": LastLevelP6P7(256, 256), **options},
    )


def resnet_pool(name="resnet18"):
    return resnet_fpn_backbone(backbone_name=name, weights=None)


def mobile(name, fpn=True, **options):
    return mobilenet_backbone(backbone_name=name, weights=None, fpn=fpn, **options)


def anchors(sizes, ratios):
    """`sizes`: one list a level; `ratios` for each of them."""
    return AnchorGenerator(tuple(tuple(s) for s in sizes), (tuple(ratios),) * len(sizes))


def named(builder, classes=91, **options):
    """One of torchvision's by name, with its defaults but for the size of the images."""
    return lambda: builder(weights=None, weights_backbone=None, num_classes=classes, **SIZE, **options)
