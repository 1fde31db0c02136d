"""Trains in torchvision what `torchdet train` trained, by the recipe in its config.json: same model, data, optimizer, schedule,
augmentation and number of epochs, draws of its own. For comparing what comes out.

    python torchvision_peer.py run/config.json --weights mobilenet_v2_imagenet.pth [--out peer.json]

Needs torchvision and pycocotools. Reads Faster R-CNN on MobileNetV2 with a pyramid, Pascal VOC files with splits, SGD, a cosine.
"""

import argparse
import contextlib
import io
import json
import math
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import torch
import torchvision
from PIL import Image
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.ops import FrozenBatchNorm2d


def build(description, weights):
    options = description["backbone"]["options"]
    network = torchvision.models.mobilenet_v2(norm_layer=FrozenBatchNorm2d)
    state = torch.load(weights, weights_only=True)
    network.load_state_dict({k: v for k, v in state.items() if not k.endswith("num_batches_tracked")})
    features = network.features
    stages = [0] + [i for i, b in enumerate(features) if getattr(b, "_is_cn", False)] + [len(features) - 1]
    for block in features[: stages[len(stages) - options["trainableLayers"]]]:
        block.requires_grad_(False)
    chosen = [stages[k] for k in options["returnedLayers"]]
    backbone = BackboneWithFPN(
        features,
        {str(index): str(position) for position, index in enumerate(chosen)},
        [features[index].out_channels for index in chosen],
        options["outChannels"],
    )
    model = description["options"]
    anchors = model["rpnAnchorGenerator"]
    return FasterRCNN(
        backbone,
        num_classes=model["numClasses"],
        min_size=model["minSize"],
        max_size=model["maxSize"],
        rpn_anchor_generator=AnchorGenerator(
            tuple(map(tuple, anchors["sizes"])), (tuple(anchors["aspectRatios"]),) * len(anchors["sizes"])
        ),
    )


class Cells(torch.utils.data.Dataset):
    def __init__(self, root, split, names, flip):
        self.root, self.names, self.flip = Path(root), names, flip
        self.ids = (self.root / "ImageSets" / "Main" / f"{split}.txt").read_text().split()

    def __len__(self):
        return len(self.ids)

    def __getitem__(self, index):
        name = self.ids[index]
        image = Image.open(next((self.root / "JPEGImages").glob(f"{name}.*"))).convert("RGB")
        pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255
        boxes, labels = [], []
        for item in ElementTree.parse(self.root / "Annotations" / f"{name}.xml").iter("object"):
            x1, y1, x2, y2 = (float(item.find("bndbox").find(side).text) for side in ("xmin", "ymin", "xmax", "ymax"))
            box = [max(0, x1), max(0, y1), min(image.width, x2), min(image.height, y2)]
            if box[2] > box[0] and box[3] > box[1]:
                boxes.append(box)
                labels.append(self.names.index(item.find("name").text))
        boxes = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
        if self.flip and torch.rand(()) < 0.5:
            pixels = pixels.flip(-1)
            boxes = boxes[:, [2, 1, 0, 3]] * torch.tensor([-1, 1, -1, 1]) + torch.tensor([image.width, 0, image.width, 0])
        return pixels, {"boxes": boxes, "labels": torch.tensor(labels, dtype=torch.int64)}


def evaluate(model, data):
    model.eval()
    images, annotations, results = [], [], []
    for index in range(len(data)):
        pixels, target = data[index]
        images.append({"id": index + 1, "width": pixels.shape[2], "height": pixels.shape[1]})
        for box, label in zip(target["boxes"].tolist(), target["labels"].tolist()):
            width, height = box[2] - box[0], box[3] - box[1]
            annotations.append({"id": len(annotations) + 1, "image_id": index + 1, "category_id": label, "iscrowd": 0,
                                "bbox": [box[0], box[1], width, height], "area": width * height})
        with torch.no_grad():
            found = model([pixels])[0]
        for box, label, score in zip(found["boxes"].tolist(), found["labels"].tolist(), found["scores"].tolist()):
            results.append({"image_id": index + 1, "category_id": label, "score": score,
                            "bbox": [box[0], box[1], box[2] - box[0], box[3] - box[1]]})
    if not results:  # which loadRes() does not take
        return {"ap": 0.0, "ap50": 0.0, "ap50ByClass": {}}
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {"images": images, "annotations": annotations,
                         "categories": [{"id": k, "name": name} for k, name in enumerate(data.names) if k > 0]}
        truth.createIndex()
        run = COCOeval(truth, truth.loadRes(results), "bbox")
        run.evaluate()
        run.accumulate()
        run.summarize()
    per_class = {}
    for k, name in enumerate(data.names[1:]):
        precision = run.eval["precision"][0, :, k, 0, 2]
        per_class[name] = float(precision[precision > -1].mean())
    return {"ap": float(run.stats[0]), "ap50": float(run.stats[1]), "ap50ByClass": per_class}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config")
    parser.add_argument("--weights", required=True)
    parser.add_argument("--out")
    given = parser.parse_args()
    config = json.loads(Path(given.config).read_text())
    recipe, names = config["training"], config["model"]["categories"]
    torch.manual_seed(recipe["seed"])
    # The faster layout; it changes no result but by rounding.
    model = build(config["model"]["description"], given.weights).to(memory_format=torch.channels_last)
    train = Cells(recipe["data"]["path"], recipe["data"]["split"], names, recipe["augmentation"] == "hflip")
    val = Cells(recipe["val"]["path"], recipe["val"]["split"], names, False)
    loader = torch.utils.data.DataLoader(train, recipe["batchSize"], shuffle=True, collate_fn=lambda items: tuple(zip(*items)))
    assert recipe["optimizer"]["kind"] == "sgd" and recipe["schedule"]["kind"] == "cosine", "another recipe than this script reads"
    optimizer = torch.optim.SGD(
        [p for p in model.parameters() if p.requires_grad],
        lr=recipe["optimizer"]["lr"],
        momentum=recipe["optimizer"]["momentum"],
        weight_decay=recipe["optimizer"]["weightDecay"],
    )
    steps, warm_up = recipe["epochs"] * len(loader), recipe["schedule"]["warmupSteps"]

    def factor(step):
        rise = 1e-3 + (1 - 1e-3) * min(step, warm_up) / warm_up if warm_up else 1
        return rise * (1 + math.cos(math.pi * step / steps)) / 2

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    start, epochs = time.time(), []
    for epoch in range(recipe["epochs"]):
        model.train()
        total = 0.0
        for images, targets in loader:
            loss = sum(model(list(images), list(targets)).values())
            optimizer.zero_grad()
            loss.backward()
            if recipe.get("clipNorm") is not None:
                torch.nn.utils.clip_grad_norm_(model.parameters(), recipe["clipNorm"])
            optimizer.step()
            schedule.step()
            total += loss.item()
        epochs.append({"loss": total / len(loader), **evaluate(model, val), "seconds": time.time() - start})
        print(epoch + 1, json.dumps(epochs[-1]), flush=True)
    best = max(epochs, key=lambda figures: figures["ap"])
    print("best", json.dumps(best))
    if given.out:
        Path(given.out).write_text(json.dumps({"best": best, "epochs": epochs}, indent=2))


if __name__ == "__main__":
    main()
