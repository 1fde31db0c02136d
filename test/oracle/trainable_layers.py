"""Write how many tensors of each torchvision detector train at each number of layers, and what its check of that number says.

    python test/oracle/trainable_layers.py

Builds on the meta device: seconds, and no weights.
"""

import json
import warnings
from pathlib import Path
from unittest import mock

import torch
import torchvision
from torch import nn
from torchvision.models import detection as D
from torchvision.models import get_weight
from torchvision.models.detection.backbone_utils import _validate_trainable_layers

OUT = Path(__file__).parents[1] / "fixtures" / "structure" / "trainable.json"

# name: weights of the detector, of the backbone, number of layers
MODELS = {
    "fasterrcnn_resnet50_fpn": ("FasterRCNN_ResNet50_FPN_Weights.COCO_V1", "ResNet50_Weights.IMAGENET1K_V1", 5),
    "fasterrcnn_resnet50_fpn_v2": ("FasterRCNN_ResNet50_FPN_V2_Weights.COCO_V1", "ResNet50_Weights.IMAGENET1K_V1", 5),
    "fasterrcnn_mobilenet_v3_large_fpn": (
        "FasterRCNN_MobileNet_V3_Large_FPN_Weights.COCO_V1", "MobileNet_V3_Large_Weights.IMAGENET1K_V1", 6),
    "fasterrcnn_mobilenet_v3_large_320_fpn": (
        "FasterRCNN_MobileNet_V3_Large_320_FPN_Weights.COCO_V1", "MobileNet_V3_Large_Weights.IMAGENET1K_V1", 6),
    "maskrcnn_resnet50_fpn": ("MaskRCNN_ResNet50_FPN_Weights.COCO_V1", "ResNet50_Weights.IMAGENET1K_V1", 5),
    "maskrcnn_resnet50_fpn_v2": ("MaskRCNN_ResNet50_FPN_V2_Weights.COCO_V1", "ResNet50_Weights.IMAGENET1K_V1", 5),
    "keypointrcnn_resnet50_fpn": ("KeypointRCNN_ResNet50_FPN_Weights.COCO_V1", "ResNet50_Weights.IMAGENET1K_V1", 5),
    "retinanet_resnet50_fpn": ("RetinaNet_ResNet50_FPN_Weights.COCO_V1", "ResNet50_Weights.IMAGENET1K_V1", 5),
    "retinanet_resnet50_fpn_v2": ("RetinaNet_ResNet50_FPN_V2_Weights.COCO_V1", "ResNet50_Weights.IMAGENET1K_V1", 5),
    "fcos_resnet50_fpn": ("FCOS_ResNet50_FPN_Weights.COCO_V1", "ResNet50_Weights.IMAGENET1K_V1", 5),
    "ssd300_vgg16": ("SSD300_VGG16_Weights.COCO_V1", "VGG16_Weights.IMAGENET1K_FEATURES", 5),
    "ssdlite320_mobilenet_v3_large": (
        "SSDLite320_MobileNet_V3_Large_Weights.COCO_V1", "MobileNet_V3_Large_Weights.IMAGENET1K_V1", 6),
}


def trainable(name, pretrained, layers):
    whole, backbone, _ = MODELS[name]
    with mock.patch.object(nn.Module, "load_state_dict"), \
            mock.patch("torchvision.models._api.WeightsEnum.get_state_dict"), \
            warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = D.__dict__[name](
            weights=get_weight(whole) if pretrained == "detector" else None,
            weights_backbone=get_weight(backbone) if pretrained == "backbone" else None,
            trainable_backbone_layers=layers)
    warned = any("trainable_backbone_layers" in str(w.message) for w in caught)
    return sum(p.requires_grad for p in model.parameters()), warned


def model_case(name):
    counts = {}
    for pretrained in ("detector", "backbone", False):
        rows = [trainable(name, pretrained, layers) for layers in (None, *range(MODELS[name][2] + 1))]
        counts[str(pretrained).lower()] = {"default": rows[0][0], "counts": [count for count, _ in rows[1:]],
                                           "warned": [warned for _, warned in rows]}
    return {"name": name, "layers": MODELS[name][2], **counts}


def check_cases():
    for trained in (True, False):
        for most, default in ((5, 3), (6, 3), (5, 4), (6, 6)):
            for given in (None, *range(-1, most + 2)):
                case = {"trained": trained, "given": given, "max": most, "default": default}
                with warnings.catch_warnings(record=True) as caught:
                    warnings.simplefilter("always")
                    try:
                        case["layers"] = _validate_trainable_layers(trained, given, most, default)
                    except ValueError as error:
                        case["error"] = str(error)
                yield {**case, "warned": len(caught) > 0}


def main():
    torch.set_default_device("meta")
    sections = {"models": [model_case(name) for name in MODELS], "checks": list(check_cases())}
    body = ",\n".join(
        f'  "{name}": [\n' + ",\n".join("    " + json.dumps(entry) for entry in entries) + "\n  ]"
        for name, entries in sections.items())
    OUT.write_text(f'{{\n  "torchvision": {json.dumps(torchvision.__version__)},\n{body}\n}}\n')


if __name__ == "__main__":
    main()
