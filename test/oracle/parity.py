"""Writes test/fixtures/parity/*.safetensors from eager torchvision on the CPU. Usage: parity.py [case ...] [--out DIR]

A case whose result hangs on rounding proves nothing about an implementation that rounds elsewhere, so each is also run in
float64 and in channels last, and gets other images until all three find the same things.
"""

import argparse
import copy
import pathlib
import sys

import torch
import torchvision

from cases import CASES
from fill import TARGETS, calibrate, fill, image
from stages import SAMPLE, Golden, run_stages

FIXTURES = pathlib.Path(__file__).parent.parent / "fixtures" / "parity"


def make_images(specs, seed):
    return [image(h, w, seed + i, *kind) for i, (h, w, *kind) in enumerate(specs)]


def fix_scales(model):
    """torchvision infers RoI scales from the first image it ever sees: let that be one whose maps divide evenly."""
    with torch.no_grad():
        model([torch.zeros(3, 128, 128)])


def compare(reference, other):
    """Largest difference of boxes and scores, or None where the two found different things."""
    boxes = scores = 0.0
    for a, b in zip(reference, other):
        if not torch.equal(a["labels"], b["labels"]):
            return None
        if len(a["labels"]):
            boxes = max(boxes, (a["boxes"].double() - b["boxes"].double()).abs().max().item())
            scores = max(scores, (a["scores"].double() - b["scores"].double()).abs().max().item())
    return {"boxes": boxes, "scores": scores}


def displacement(boxes, others, places=3):
    """Largest distance of a box to the nearest one at most three places away: equal scores may swap places."""
    boxes, others = boxes.view(-1, 4), others.view(-1, 4)
    distances = torch.cdist(boxes, others, p=float("inf"))
    index = torch.arange(len(boxes))
    distances[(index[:, None] - index).abs() > places] = torch.inf
    return distances.min(1).values.max().item() if len(boxes) else 0.0


def rounding_noise(model, images, golden, results):
    """How far torchvision's result moves in float64 and in channels last; None where it hangs on rounding."""
    noise = {"boxes": 0.0, "scores": 0.0}
    for variant in ("float64", "channels_last"):
        if variant == "float64":
            twin, inputs = copy.deepcopy(model).double(), [i.double() for i in images]
        else:
            twin, inputs = copy.deepcopy(model).to(memory_format=torch.channels_last), images
        other = Golden()
        moved = compare(results, run_stages(twin, inputs, other))
        if moved is None or moved["boxes"] > 0.05:
            return None
        noise = {key: max(noise[key], moved[key]) for key in noise}
        for name, tensor in golden.tensors.items():
            if other.tensors[name].shape != tensor.shape:
                return None
            if name.startswith(("rpn.proposals", "roiHeads.boxes")) and displacement(tensor, other.tensors[name]) > 2e-3:
                return None
    return noise


def attempt(case, name, seed, sample):
    images = make_images(case.images, seed)
    torch.manual_seed(0)
    model = case.build().eval()
    fix_scales(model)
    classes = model.roi_heads.box_predictor.cls_score.out_features
    targets = {**TARGETS, "roi_heads.box_predictor.cls_score": 1.0 if classes < 20 else 1.5}
    scales, values = calibrate(model, lambda: model(images), targets)
    fill(model, scales, values)
    golden = Golden(
        case=name,
        images=[
            {"height": s[0], "width": s[1], "seed": seed + i, "kind": s[2] if len(s) > 2 else "float"}
            for i, s in enumerate(case.images)
        ],
        scales=scales,
        values=values,
        torchvision=torchvision.__version__,
    )
    results = run_stages(model, images, golden, sample)
    golden.meta["noise"] = rounding_noise(model, images, golden, results)
    return golden, results


def make(name, case, out, sample=SAMPLE):
    """Tries images until the result is stable, then the quietest of what it saw."""
    best = None
    for seed in range(100, 1300, 100):
        golden, results = attempt(case, name, seed, sample)
        noise = golden.meta["noise"]
        if noise is None or max(len(r["scores"]) for r in results) < 5:
            continue
        if best is None or noise["scores"] < best[0].meta["noise"]["scores"]:
            best = golden, results, seed
        if noise["scores"] < 6e-6 and noise["boxes"] < 5e-4:
            break
    if best is None:
        sys.exit(f"{name}: no images whose detections are stable")
    golden, results, seed = best
    path = pathlib.Path(out) / f"{name}.safetensors"
    golden.save(path)
    scores = torch.cat([r["scores"] for r in results])
    labels = torch.cat([r["labels"] for r in results]).unique().numel()
    noise = golden.meta["noise"]
    print(
        f"{name:38} seed {seed} detections {[len(r['scores']) for r in results]} of {labels} labels, scores "
        f"{scores.min():.3f}..{scores.median():.3f}..{scores.max():.3f}, torchvision's own noise "
        f"{noise['boxes']:.1e} px {noise['scores']:.1e}, {path.stat().st_size // 1024} KB",
        flush=True,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*")
    parser.add_argument("--out", default=FIXTURES)
    arguments = parser.parse_args()
    pathlib.Path(arguments.out).mkdir(parents=True, exist_ok=True)
    for case_name in arguments.cases or CASES:
        make(case_name, CASES[case_name], arguments.out)
