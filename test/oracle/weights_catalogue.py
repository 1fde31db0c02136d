"""Writes lib/models/weights/catalogue.json from the weights an installed torchvision publishes.

    python test/oracle/weights_catalogue.py && npx prettier --write lib/models/weights/catalogue.json
"""

import json
import math
import pathlib
import re

import torchvision
from torchvision.models import get_model_weights, list_models

BACKBONES = [
    *["resnet18", "resnet34", "resnet50", "resnet101", "resnet152"],
    *["resnext50_32x4d", "resnext101_32x8d", "resnext101_64x4d", "wide_resnet50_2", "wide_resnet101_2"],
    *["mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small"],
    *["vgg11", "vgg11_bn", "vgg13", "vgg13_bn", "vgg16", "vgg16_bn", "vgg19", "vgg19_bn"],
]

# torchvision's builders call overwrite_eps(model, 0.0) for these: they were trained when FrozenBatchNorm2d had no eps.
EPS_ZERO = {
    "FasterRCNN_ResNet50_FPN_Weights.COCO_V1",
    "MaskRCNN_ResNet50_FPN_Weights.COCO_V1",
    "KeypointRCNN_ResNet50_FPN_Weights.COCO_V1",
    "RetinaNet_ResNet50_FPN_Weights.COCO_V1",
}

METRICS = {"box_map": "boxAp", "mask_map": "maskAp", "kp_map": "keypointAp", "acc@1": "top1", "acc@5": "top5"}


def describe(model, weights, is_default, lists):
    meta = weights.meta
    ((dataset, measured),) = meta["_metrics"].items()
    entry = {
        "name": str(weights),
        "model": model,
        "aliases": [weights.name] + (["DEFAULT"] if is_default else []),
        "task": "detection" if dataset.startswith("COCO") else "classification",
        "url": weights.url,
        "sha256Prefix": re.search(r"-([0-9a-f]{8,})\.pth$", weights.url).group(1),
        "fileSize": round(meta["_file_size"] * 2**20),
        "numParams": meta["num_params"],
        "gigaFlops": meta["_ops"],
        "dataset": dataset,
        "metrics": {METRICS[key]: value for key, value in measured.items() if not math.isnan(value)},
        "recipe": meta["recipe"],
    }
    if entry["task"] == "detection":
        key = f"coco{len(meta['categories'])}"
        lists[key] = meta["categories"]
        entry["categories"] = key
        if "keypoint_names" in meta:
            lists["keypoints"] = meta["keypoint_names"]
            entry["keypointNames"] = "keypoints"
    if str(weights) in EPS_ZERO:
        entry["frozenNormEps"] = 0
    elif any(f"{type(weights).__name__}.{other.name}" in EPS_ZERO for other in type(weights)):
        entry["frozenNormEps"] = 1e-5  # not what the model's other weights were trained with
    return entry


def main():
    lists, entries = {}, []
    for model in list_models(module=torchvision.models.detection) + BACKBONES:
        enum = get_model_weights(model)
        for weights in enum:
            entries.append(describe(model, weights, weights == enum.DEFAULT, lists))
    path = pathlib.Path(__file__).parents[2] / "lib/models/weights/catalogue.json"
    text = json.dumps({"torchvision": torchvision.__version__.split("+")[0], "lists": lists, "weights": entries}, indent=2)
    path.write_text(text + "\n")
    print(f"{len(entries)} weights of {len({e['model'] for e in entries})} models -> {path}")


if __name__ == "__main__":
    main()
