"""Write what torchvision's backbones and detectors are made of, for test/models to compare with.

    python test/oracle/structure.py

Needs torch and torchvision; builds on the meta device, so it takes seconds and loads no weights. Each case says how torchdet
makes the same thing (`builder`, `name`, `options`), and holds the number of tensors and a digest of their list in the order of
the state dict, for some cases the list itself.
"""

import hashlib
import json
from functools import partial
from pathlib import Path
from unittest import mock

import torch
import torchvision
from torch import nn
from torchvision.models import detection
from torchvision.models.detection import backbone_utils as utils
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.rpn import AnchorGenerator
from torchvision.ops import FrozenBatchNorm2d, MultiScaleRoIAlign
from torchvision.ops.feature_pyramid_network import LastLevelP6P7

OUT = Path(__file__).parents[1] / "fixtures" / "structure"
SIDE = 256
NORMS = {"frozen": FrozenBatchNorm2d, "batch": nn.BatchNorm2d, "group": partial(nn.GroupNorm, 32)}
RESNETS = ["resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnext50_32x4d", "resnext101_32x8d",
           "resnext101_64x4d", "wide_resnet50_2", "wide_resnet101_2"]
MOBILENETS = ["mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small"]


def structure(module, listed):
    parameters = dict(module.named_parameters())
    lines = []
    for name, tensor in module.state_dict().items():
        kind = "buffer" if name not in parameters else "train" if parameters[name].requires_grad else "frozen"
        lines.append(f"{name} {'x'.join(map(str, tensor.shape))} {kind}")
    digest = hashlib.sha256("".join(line + "\n" for line in lines).encode()).hexdigest()
    return {
        "tensors": len(lines),
        "trainable": sum(line.endswith(" train") for line in lines),
        "parameters": sum(p.numel() for p in parameters.values()),
        "sha256": digest,
        **({"list": lines} if listed else {}),
    }


def levels(backbone):
    maps = backbone(torch.empty(1, 3, SIDE, SIDE, device="meta"))
    maps = {"0": maps} if isinstance(maps, torch.Tensor) else maps
    return {
        "featureNames": list(maps),
        "channels": [m.shape[1] for m in maps.values()],
        "strides": [SIDE // m.shape[2] for m in maps.values()],
    }


def extra_blocks(options, c5, out_channels=256):
    kind = options.get("extraBlocks", "maxPool")
    return None if kind == "maxPool" else LastLevelP6P7(out_channels if kind == "p6p7" else c5, out_channels)


def resnet_fpn(name, options):
    body = torchvision.models.__dict__[name](norm_layer=NORMS[options.get("norm", "frozen")])
    returned = options.get("returnedLayers", [1, 2, 3, 4])
    return utils._resnet_fpn_extractor(
        body, options.get("trainableLayers", 3), returned,
        extra_blocks(options, body.inplanes // 8 * 2 ** (returned[-1] - 1)),
        nn.BatchNorm2d if options.get("fpnNorm") else None)


def mobilenet(name, options, fpn):
    body = torchvision.models.__dict__[name](norm_layer=NORMS[options.get("norm", "frozen")])
    last = len(body.features) - 1
    stages = [0, *(i for i, block in enumerate(body.features) if getattr(block, "_is_cn", False)), last]
    c5 = body.features[stages[options.get("returnedLayers", [-1])[-1]]].out_channels
    return utils._mobilenet_extractor(body, fpn, options.get("trainableLayers", 2), options.get("returnedLayers"),
                                      extra_blocks(options, c5) if fpn else None,
                                      nn.BatchNorm2d if options.get("fpnNorm") else None)


BUILDERS = {"resnetFpn": resnet_fpn, "mobileNetFpn": partial(mobilenet, fpn=True),
            "mobileNet": partial(mobilenet, fpn=False)}


def backbone_cases():
    for name in RESNETS:
        yield "resnetFpn", name, {}
    for norm, layers in (("frozen", range(6)), ("batch", (0, 3, 4, 5)), ("group", (2, 5))):
        for count in layers:
            yield "resnetFpn", "resnet50", {"norm": norm, "trainableLayers": count}
    for name in ("resnet18", "resnet50"):
        yield "resnetFpn", name, {"returnedLayers": [2, 3, 4], "extraBlocks": "p6p7"}
        yield "resnetFpn", name, {"returnedLayers": [2, 3, 4], "extraBlocks": "p6p7OnC5"}
        yield "resnetFpn", name, {"returnedLayers": [1, 2]}
        yield "resnetFpn", name, {"fpnNorm": "batch", "norm": "batch"}
    for name in MOBILENETS:
        yield "mobileNetFpn", name, {}
        yield "mobileNetFpn", name, {"returnedLayers": [1, 2, 3, 4], "norm": "batch"}
        yield "mobileNetFpn", name, {"returnedLayers": [0, 2], "extraBlocks": "p6p7OnC5", "fpnNorm": "batch"}
        yield "mobileNet", name, {}
        for count in range(7):
            yield "mobileNetFpn", name, {"trainableLayers": count}
        for count in (0, 3, 6):
            yield "mobileNet", name, {"norm": "batch", "trainableLayers": count}


WEIGHTS = {
    "fasterrcnn_resnet50_fpn": (detection.FasterRCNN_ResNet50_FPN_Weights, torchvision.models.ResNet50_Weights),
    "fasterrcnn_resnet50_fpn_v2": (detection.FasterRCNN_ResNet50_FPN_V2_Weights, torchvision.models.ResNet50_Weights),
    "fasterrcnn_mobilenet_v3_large_fpn": (detection.FasterRCNN_MobileNet_V3_Large_FPN_Weights,
                                          torchvision.models.MobileNet_V3_Large_Weights),
    "fasterrcnn_mobilenet_v3_large_320_fpn": (detection.FasterRCNN_MobileNet_V3_Large_320_FPN_Weights,
                                              torchvision.models.MobileNet_V3_Large_Weights),
}


def named_model(name, weights, backbone_weights, options, **more):
    """torchvision's model of that name without its weights being fetched: only what their presence decides."""
    pretrained = options.get("pretrained", False)
    with mock.patch.object(nn.Module, "load_state_dict"), \
            mock.patch("torchvision.models._api.WeightsEnum.get_state_dict"):
        return detection.__dict__[name](
            weights=weights.DEFAULT if pretrained == "detector" else None,
            weights_backbone=backbone_weights.DEFAULT if pretrained == "backbone" else None,
            num_classes=options.get("numClasses"),
            trainable_backbone_layers=options.get("trainableBackboneLayers"), **more)


def model(name, options):
    return named_model(name, *WEIGHTS[name], options)


def model_cases():
    for name in WEIGHTS:
        for pretrained in (False, "backbone", "detector"):
            yield name, {"pretrained": pretrained}
        yield name, {"pretrained": "backbone", "numClasses": 4, "trainableBackboneLayers": 0}
        yield name, {"pretrained": "backbone", "trainableBackboneLayers": 5}


def small():
    body = torchvision.models.mobilenet_v2(norm_layer=FrozenBatchNorm2d).features
    for block in body[:4]:
        block.requires_grad_(False)
    backbone = utils.BackboneWithFPN(body, {"4": "0", "7": "1", "18": "2"}, [32, 64, 1280], 128)
    sizes = ((16, 24), (38, 58), (88, 136), (208, 320))
    return detection.FasterRCNN(
        backbone,
        rpn_anchor_generator=AnchorGenerator(sizes, ((1.0, 2.0, 3.5),) * 4),
        box_roi_pool=MultiScaleRoIAlign(["0", "1", "2"], 7, 2),
        box_head=TwoMLPHead(128 * 7 * 7, 256),
        box_predictor=FastRCNNPredictor(256, 14),
        min_size=320, max_size=480, rpn_pre_nms_top_n_test=300, rpn_post_nms_top_n_test=150)


def config(m):
    """The options of the detection code as torchdet writes them, read from torchvision's modules."""
    t, r, h = m.transform, m.rpn, m.roi_heads
    maps = levels(m.backbone)
    names = [n for n in h.box_roi_pool.featmap_names if n in maps["featureNames"]]
    return {
        "kind": "rcnn",
        "transform": {"minSize": list(t.min_size), "maxSize": t.max_size, "imageMean": t.image_mean,
                      "imageStd": t.image_std, "sizeDivisible": t.size_divisible, "fixedSize": t.fixed_size,
                      "channelOrder": "rgb"},
        "anchors": {"sizes": [list(s) for s in r.anchor_generator.sizes],
                    "aspectRatios": [list(a) for a in r.anchor_generator.aspect_ratios]},
        "rpn": {"preNmsTopNTrain": r._pre_nms_top_n["training"], "preNmsTopNTest": r._pre_nms_top_n["testing"],
                "postNmsTopNTrain": r._post_nms_top_n["training"], "postNmsTopNTest": r._post_nms_top_n["testing"],
                "nmsThresh": r.nms_thresh, "scoreThresh": r.score_thresh,
                "fgIouThresh": r.proposal_matcher.high_threshold, "bgIouThresh": r.proposal_matcher.low_threshold,
                "batchSizePerImage": r.fg_bg_sampler.batch_size_per_image,
                "positiveFraction": r.fg_bg_sampler.positive_fraction},
        "roiHeads": {
            "boxRoiPool": {"featmapNames": names,
                           "strides": [maps["strides"][maps["featureNames"].index(n)] for n in names],
                           "outputSize": list(h.box_roi_pool.output_size),
                           "samplingRatio": h.box_roi_pool.sampling_ratio,
                           "canonicalScale": h.box_roi_pool.canonical_scale,
                           "canonicalLevel": h.box_roi_pool.canonical_level, "missingLevels": "nearest"},
            "maskRoiPool": None, "keypointRoiPool": None,
            "scoreThresh": h.score_thresh, "nmsThresh": h.nms_thresh, "detectionsPerImg": h.detections_per_img,
            "bboxRegWeights": list(h.box_coder.weights), "fgIouThresh": h.proposal_matcher.high_threshold,
            "bgIouThresh": h.proposal_matcher.low_threshold,
            "batchSizePerImage": h.fg_bg_sampler.batch_size_per_image,
            "positiveFraction": h.fg_bg_sampler.positive_fraction},
    }


def norm_eps(m):
    found = {b.eps for b in m.backbone.body.modules() if isinstance(b, (FrozenBatchNorm2d, nn.BatchNorm2d))}
    (eps,) = found
    return eps


def write(name, cases):
    head = {"torch": torch.__version__, "torchvision": torchvision.__version__}
    lines = ",\n".join("    " + json.dumps(case) for case in cases)
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / f"{name}.json").write_text(
        f'{{\n  "torch": {json.dumps(head["torch"])},\n  "torchvision": {json.dumps(head["torchvision"])},\n'
        f'  "cases": [\n{lines}\n  ]\n}}\n')


def main():
    torch.set_default_device("meta")
    backbones = []
    for builder, name, options in backbone_cases():
        m = BUILDERS[builder](name, options)
        listed = options == {} and name in ("resnet18", "mobilenet_v3_small")
        backbones.append({"builder": builder, "name": name, "options": options, **structure(m, listed), **levels(m)})
    write("backbones", backbones)

    models = []
    for name, options in model_cases():
        m = model(name, options)
        listed = options == {"pretrained": "backbone"} and name.endswith("_320_fpn")
        models.append({"name": name, "options": options, **structure(m, listed), "normEps": norm_eps(m),
                       "config": config(m)})
    m = small()
    models.append({"name": "small", "options": {"pretrained": "detector"}, **structure(m, False), "normEps": norm_eps(m),
                   "config": config(m)})
    write("models", models)


if __name__ == "__main__":
    main()
