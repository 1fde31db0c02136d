"""Write what torchvision's RetinaNets and FCOS are made of, for test/models/dense-structure.test.ts to compare with.

    python test/oracle/dense_structure.py

As structure.py, on the meta device; the first values of untrained models are drawn on the CPU, some seconds.
"""

import json

import torch
import torchvision
from torchvision.models import ResNet50_Weights, detection

from structure import OUT, named_model, norm_eps, structure

WEIGHTS = {
    "retinanet_resnet50_fpn": detection.RetinaNet_ResNet50_FPN_Weights,
    "retinanet_resnet50_fpn_v2": detection.RetinaNet_ResNet50_FPN_V2_Weights,
    "fcos_resnet50_fpn": detection.FCOS_ResNet50_FPN_Weights,
}


def model(name, options):
    return named_model(name, WEIGHTS[name], ResNet50_Weights, options)


def model_cases():
    for name in WEIGHTS:
        for pretrained in (False, "backbone", "detector"):
            yield name, {"pretrained": pretrained}
        for count in range(6):
            yield name, {"pretrained": "backbone", "trainableBackboneLayers": count}
        yield name, {"pretrained": "backbone", "numClasses": 4}


def config(m):
    """The options of the detection code as torchdet writes them, read from torchvision's modules."""
    t, g = m.transform, m.anchor_generator
    is_fcos = isinstance(m, detection.FCOS)
    matcher = None if is_fcos else m.proposal_matcher
    return {
        "kind": "dense", "head": "fcos" if is_fcos else "retinanet",
        "transform": {"minSize": list(t.min_size), "maxSize": t.max_size, "imageMean": t.image_mean,
                      "imageStd": t.image_std, "sizeDivisible": t.size_divisible, "fixedSize": t.fixed_size,
                      "channelOrder": "rgb"},
        "anchors": {"sizes": [list(s) for s in g.sizes], "aspectRatios": [list(a) for a in g.aspect_ratios]},
        "pointStrides": None, "defaultBoxes": None,
        "bboxRegWeights": [1, 1, 1, 1] if is_fcos else list(m.box_coder.weights),
        "scoreThresh": m.score_thresh, "nmsThresh": m.nms_thresh, "detectionsPerImg": m.detections_per_img,
        "topkCandidates": m.topk_candidates,
        "training": {"fgIouThresh": matcher.high_threshold if matcher else 0.5,
                     "bgIouThresh": matcher.low_threshold if matcher else 0.4,
                     "boxLoss": "l1" if is_fcos else m.head.regression_head._loss_type,
                     "centerSamplingRadius": m.center_sampling_radius if is_fcos else 1.5,
                     "positiveFraction": 0.25},
    }


def initial(name):
    """Mean and standard deviation of what is drawn for the pyramid and the head."""
    with torch.device("cpu"):
        torch.manual_seed(0)
        tensors = dict(model(name, {}).named_parameters())
    return {"name": name, "values": [
        [n, float(f"{t.mean():.5g}"), float(f"{t.std(unbiased=False):.5g}")]
        for n, t in tensors.items() if n.startswith(("head.", "backbone.fpn."))]}


def main():
    torch.set_default_device("meta")
    lists = {
        "models": [
            {"name": name, "options": options, **structure(m, options == {"pretrained": "backbone"}),
             "normEps": norm_eps(m), "config": config(m)}
            for name, options in model_cases() for m in [model(name, options)]
        ],
        "initial": [initial(name) for name in WEIGHTS],
    }
    parts = [f'  "{v}": {json.dumps(m.__version__)}' for v, m in (("torch", torch), ("torchvision", torchvision))]
    for key, cases in lists.items():
        lines = ",\n".join("    " + json.dumps(case) for case in cases)
        parts.append(f'  "{key}": [\n{lines}\n  ]')
    (OUT / "dense.json").write_text("{\n" + ",\n".join(parts) + "\n}\n")


if __name__ == "__main__":
    main()
