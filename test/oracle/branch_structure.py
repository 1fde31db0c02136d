"""Write what torchvision's Mask R-CNN and Keypoint R-CNN are made of, for test/models/branches.test.ts to compare with.

    python test/oracle/branch_structure.py

As structure.py, whose parts it uses; on the meta device.
"""

import torch
import torchvision
from torch import nn
from torchvision.models import detection
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.models.detection.keypoint_rcnn import KeypointRCNN, KeypointRCNNHeads, KeypointRCNNPredictor
from torchvision.models.detection.mask_rcnn import MaskRCNN, MaskRCNNHeads, MaskRCNNPredictor
from torchvision.ops import MultiScaleRoIAlign

from structure import config, levels, named_model, norm_eps, structure, write

WEIGHTS = {
    "maskrcnn_resnet50_fpn": detection.MaskRCNN_ResNet50_FPN_Weights,
    "maskrcnn_resnet50_fpn_v2": detection.MaskRCNN_ResNet50_FPN_V2_Weights,
    "keypointrcnn_resnet50_fpn": detection.KeypointRCNN_ResNet50_FPN_Weights,
}


def model(name, options):
    keypoints = {"num_keypoints": options["numKeypoints"]} if "numKeypoints" in options else {}
    return named_model(name, WEIGHTS[name], torchvision.models.ResNet50_Weights, options, **keypoints)


def model_cases():
    for name in WEIGHTS:
        for pretrained in (False, "backbone", "detector"):
            yield name, {"pretrained": pretrained}
        yield name, {"pretrained": "backbone", "numClasses": 4, "trainableBackboneLayers": 0}
        yield name, {"pretrained": "backbone", "trainableBackboneLayers": 5}
    yield "keypointrcnn_resnet50_fpn", {"pretrained": "backbone", "numClasses": 3, "numKeypoints": 5}


def resnet18():
    return resnet_fpn_backbone(backbone_name="resnet18", weights=None)


def built_cases():
    """Builders with each option of a branch away from its default; test/models/branches.test.ts has the same."""
    yield "masks", "maskrcnn(resnet18)", MaskRCNN(
        resnet18(), box_predictor=detection.faster_rcnn.FastRCNNPredictor(1024, 5),
        mask_roi_pool=MultiScaleRoIAlign(["0", "1", "2"], 10, 3, canonical_scale=112, canonical_level=3),
        mask_head=MaskRCNNHeads(256, (64, 96), 2, norm_layer=nn.BatchNorm2d),
        mask_predictor=MaskRCNNPredictor(96, 48, 5))
    yield "keypoints", "keypointrcnn(resnet18)", KeypointRCNN(
        resnet18(), box_predictor=detection.faster_rcnn.FastRCNNPredictor(1024, 3),
        min_size=(320, 352), max_size=640,
        keypoint_roi_pool=MultiScaleRoIAlign(["0", "1"], 12, -1),
        keypoint_head=KeypointRCNNHeads(256, (64, 32, 48)),
        keypoint_predictor=KeypointRCNNPredictor(48, 7))


def branch_pool(pool, maps):
    if pool is None:
        return None
    names = [n for n in pool.featmap_names if n in maps["featureNames"]]
    return {"featmapNames": names, "strides": [maps["strides"][maps["featureNames"].index(n)] for n in names],
            "outputSize": list(pool.output_size), "samplingRatio": pool.sampling_ratio,
            "canonicalScale": pool.canonical_scale, "canonicalLevel": pool.canonical_level, "missingLevels": "nearest"}


def case(name, options, m, listed):
    whole, maps = config(m), levels(m.backbone)
    whole["roiHeads"]["maskRoiPool"] = branch_pool(m.roi_heads.mask_roi_pool, maps)
    whole["roiHeads"]["keypointRoiPool"] = branch_pool(m.roi_heads.keypoint_roi_pool, maps)
    return {"name": name, "options": options, **structure(m, listed), "normEps": norm_eps(m), "config": whole}


def main():
    torch.set_default_device("meta")
    cases = [case(name, options, model(name, options), False) for name, options in model_cases()]
    cases += [{**case(name, {}, m, True), "builder": builder} for builder, name, m in built_cases()]
    write("branches", cases)


if __name__ == "__main__":
    main()
