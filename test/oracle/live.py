"""What the live tests (test/parity/live.test.ts) ask an installed torchvision for, at full size.

  live.py stages NAME OUT     one of torchvision's Faster R-CNNs with its defaults, stage by stage: OUT.safetensors
  live.py dense NAME OUT      one of its one-stage detectors likewise
  live.py archive NAME OUT    one of torchvision's detectors, scripted: OUT.pt, and what it finds: OUT.safetensors
  live.py read FILE OUT       an archive that torchdet saved, run by Python on normal noise: OUT.safetensors
"""

import pathlib
import sys
import warnings

import torch
from torchvision.models import detection as D

from archives import DENSE_TARGETS, LOGITS, add_detections
from dense import FAMILIES, dense_suite, family
from fill import CENTRED, TARGETS, calibrate, fill, image
from parity import fix_scales
from stages import FEATURE_SEED, Golden, normal, run_stages

IMAGE = {"height": 480, "width": 640, "seed": 5}
SAMPLE = 20000


def untrained(name):
    torch.manual_seed(0)
    return D.__dict__[name](weights=None, weights_backbone=None).eval()


def filled(name, images, targets, centred=CENTRED):
    model = untrained(name)
    if hasattr(model, "roi_heads"):
        fix_scales(model)
    scales, values = calibrate(model, lambda: model(images), targets, centred)
    fill(model, scales, values)
    return model, scales, values


def layout_noise(reference, other):
    """How far torchvision's own detections move in channels last, where both found them."""
    distances = torch.cdist(reference["boxes"], other["boxes"], p=float("inf"))
    distances[reference["labels"][:, None] != other["labels"]] = torch.inf
    nearest, index = distances.min(1)
    same = nearest < 0.05
    scores = (reference["scores"] - other["scores"][index])[same].abs()
    return {"boxes": nearest[same].max().item(), "scores": scores.max().item()}


@torch.no_grad()
def stages(name, out):
    images = [image(**IMAGE)]
    targets = {**TARGETS, "roi_heads.box_predictor.cls_score": 1.5}
    model, scales, values = filled(name, images, targets)
    golden = Golden(case=name, images=[IMAGE], scales=scales, values=values)
    results = run_stages(model, images, golden, SAMPLE)
    golden.meta["noise"] = layout_noise(results[0], model.to(memory_format=torch.channels_last)(images)[0])
    golden.save(f"{out}.safetensors")


@torch.no_grad()
def dense(name, out):
    images = [image(**IMAGE)]
    model = untrained(name)
    suite = dense_suite(family(next(f for f in FAMILIES if name.startswith(f))))
    calibration = suite.calibration(model)
    # Of millions of logits the largest lie twenty deviations out: at the spread of small images their sigmoids are all 1.
    for logits in [layer for layer in calibration["targets"] if layer.endswith("cls_logits")]:
        calibration["targets"][logits] *= 0.35
    scales, values = calibrate(model, lambda: model(images), **calibration)
    fill(model, scales, values)
    golden = Golden(case=name, images=[IMAGE], scales=scales, values=values)
    results = suite.run_stages(model, images, golden, SAMPLE)
    golden.meta["noise"] = layout_noise(results[0], model.to(memory_format=torch.channels_last)(images)[0])
    golden.save(f"{out}.safetensors")


@torch.no_grad()
def archive(name, out):
    images = [image(**IMAGE)]
    model, _, _ = filled(name, images, DENSE_TARGETS, [*CENTRED, *LOGITS])
    torch.jit.script(model).save(f"{out}.pt")
    golden = Golden(case=name, images=[IMAGE])
    _, results = torch.jit.load(f"{out}.pt")(images)
    add_detections(golden, results)
    golden.meta["noise"] = layout_noise(results[0], model.to(memory_format=torch.channels_last)(images)[0])
    golden.save(f"{out}.safetensors")


@torch.no_grad()
def read(path, out):
    features, objectness, deltas = torch.jit.load(path)(normal((1, 3, 96, 128), FEATURE_SEED))
    golden = Golden(case=pathlib.Path(path).name)
    for name, tensor in features.items():
        golden.add(f"backbone.{name}", tensor)
    golden.meta["levels"] = [len(objectness), len(deltas)]
    golden.save(f"{out}.safetensors")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    {"stages": stages, "dense": dense, "archive": archive, "read": read}[sys.argv[1]](*sys.argv[2:])
