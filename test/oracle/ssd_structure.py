"""Write what torchvision's SSDs are made of, for test/models/ssd-structure.test.ts to compare with.

    python test/oracle/ssd_structure.py

As structure.py, on the meta device; the first values of untrained models are drawn on the CPU, some seconds.
`pretrained` lists where each tensor of an image classifier goes in the backbone.
"""

import json
from functools import partial
from unittest import mock

import torch
import torchvision
from torch import nn
from torchvision.models import detection
from torchvision.models.detection.ssd import SSDFeatureExtractorVGG, _vgg_extractor
from torchvision.models.detection.ssdlite import SSDLiteFeatureExtractorMobileNet, _mobilenet_extractor
from torchvision.ops import FrozenBatchNorm2d

from structure import OUT, named_model, structure

NORM = partial(nn.BatchNorm2d, eps=0.001, momentum=0.03)
NORMS = {"batch": NORM, "frozen": partial(FrozenBatchNorm2d, eps=0.001)}
WEIGHTS = {
    "ssd300_vgg16": (detection.SSD300_VGG16_Weights, torchvision.models.VGG16_Weights),
    "ssdlite320_mobilenet_v3_large": (detection.SSDLite320_MobileNet_V3_Large_Weights,
                                      torchvision.models.MobileNet_V3_Large_Weights),
}


def vgg(name, options):
    return _vgg_extractor(torchvision.models.vgg16(), options.get("highres", False), options.get("trainableLayers", 4))


def mobilenet(name, options):
    norm = NORMS[options.get("norm", "batch")]
    body = torchvision.models.__dict__[name](norm_layer=norm, reduced_tail=options.get("reducedTail", False),
                                             width_mult=options.get("widthMult", 1.0))
    with mock.patch(f"{_mobilenet_extractor.__module__}.SSDLiteFeatureExtractorMobileNet",
                    partial(SSDLiteFeatureExtractorMobileNet, width_mult=options.get("extraWidthMult", 1.0),
                            min_depth=options.get("minDepth", 16))):
        return _mobilenet_extractor(body, options.get("trainableLayers", 6), norm)


BUILDERS = {"ssdVgg16": vgg, "ssdLiteMobileNet": mobilenet}


def backbone_cases():
    for count in range(6):
        yield "ssdVgg16", "vgg16", {"trainableLayers": count}
    yield "ssdVgg16", "vgg16", {}
    yield "ssdVgg16", "vgg16", {"highres": True}
    for name in ("mobilenet_v3_large", "mobilenet_v3_small"):
        for count in range(7):
            yield "ssdLiteMobileNet", name, {"trainableLayers": count}
        yield "ssdLiteMobileNet", name, {}
        yield "ssdLiteMobileNet", name, {"reducedTail": True}
        yield "ssdLiteMobileNet", name, {"widthMult": 0.75, "reducedTail": True}
        yield "ssdLiteMobileNet", name, {"widthMult": 1.4, "extraWidthMult": 0.35, "minDepth": 100}
        yield "ssdLiteMobileNet", name, {"norm": "frozen"}


def levels(backbone, side):
    maps = backbone.eval()(torch.empty(1, 3, side, side, device="meta"))
    return {"featureNames": list(maps), "channels": [m.shape[1] for m in maps.values()],
            "sizes": [m.shape[2] for m in maps.values()]}


def model(name, options):
    return named_model(name, *WEIGHTS[name], options)


def model_cases():
    for name, layers in (("ssd300_vgg16", 5), ("ssdlite320_mobilenet_v3_large", 6)):
        for pretrained in (False, "backbone", "detector"):
            yield name, {"pretrained": pretrained}
        for count in range(layers + 1):
            yield name, {"pretrained": "backbone", "trainableBackboneLayers": count}
        yield name, {"pretrained": "backbone", "numClasses": 4}


def config(m):
    """The options of the detection code as torchdet writes them, read from torchvision's modules."""
    t, g = m.transform, m.anchor_generator
    return {
        "kind": "dense", "head": "ssd",
        "transform": {"minSize": list(t.min_size), "maxSize": t.max_size, "imageMean": list(t.image_mean),
                      "imageStd": list(t.image_std), "sizeDivisible": t.size_divisible,
                      "fixedSize": list(t.fixed_size), "channelOrder": "rgb"},
        "anchors": None, "pointStrides": None,
        "defaultBoxes": {"aspectRatios": g.aspect_ratios, "scales": g.scales, "steps": g.steps, "clip": g.clip},
        "bboxRegWeights": list(m.box_coder.weights),
        "scoreThresh": m.score_thresh, "nmsThresh": m.nms_thresh, "detectionsPerImg": m.detections_per_img,
        "topkCandidates": m.topk_candidates,
        "training": {"fgIouThresh": m.proposal_matcher.high_threshold, "bgIouThresh": 0.4, "boxLoss": "l1",
                     "centerSamplingRadius": 1.5, "positiveFraction": 1 / (1 + m.neg_to_pos_ratio)},
    }


def norms(m):
    found = {(b.eps, b.momentum) for b in m.modules() if isinstance(b, nn.BatchNorm2d)}
    return [list(f) for f in sorted(found)]


def pretrained(classifier, make):
    """Pairs of names that are one tensor."""
    everything = lambda m: {id(t): n for n, t in (*m.named_parameters(), *m.named_buffers())}
    own = everything(classifier)
    return [[own[i], name] for i, name in everything(make(classifier)).items() if i in own]


def initial(name):
    with torch.device("cpu"):
        torch.manual_seed(0)
        tensors = dict(model(name, {}).named_parameters())
    return {"name": name, "values": [[n, float(f"{t.mean():.4g}"), float(f"{t.std():.4g}")] for n, t in tensors.items()]}


def main():
    torch.set_default_device("meta")
    lists = {
        "backbones": [
            {"builder": builder, "name": name, "options": options, **structure(m, False),
             **levels(m, 512 if options.get("highres") else 300 if builder == "ssdVgg16" else 320)}
            for builder, name, options in backbone_cases() for m in [BUILDERS[builder](name, options)]
        ],
        "models": [
            {"name": name, "options": options, **structure(m, options == {"pretrained": "backbone"}),
             "norms": norms(m), "config": config(m)}
            for name, options in model_cases() for m in [model(name, options)]
        ],
        "pretrained": [
            {"builder": "ssdVgg16", "name": "vgg16",
             "pairs": pretrained(torchvision.models.vgg16(), lambda m: _vgg_extractor(m, False, 4))},
            *({"builder": "ssdLiteMobileNet", "name": name,
               "pairs": pretrained(torchvision.models.__dict__[name](), lambda m: _mobilenet_extractor(m, 6, NORM))}
              for name in ("mobilenet_v3_large", "mobilenet_v3_small")),
        ],
        "initial": [initial(name) for name in WEIGHTS],
    }
    parts = [f'  "{v}": {json.dumps(m.__version__)}' for v, m in (("torch", torch), ("torchvision", torchvision))]
    for key, cases in lists.items():
        lines = ",\n".join("    " + json.dumps(case) for case in cases)
        parts.append(f'  "{key}": [\n{lines}\n  ]')
    (OUT / "ssd.json").write_text("{\n" + ",\n".join(parts) + "\n}\n")


if __name__ == "__main__":
    main()
