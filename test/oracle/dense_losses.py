"""Writes test/fixtures/training/dense-losses.safetensors: losses of the one-stage families and their gradients.

Head outputs are random numbers, so that no network stands between the formulas of torchvision (and of fcos_original.py) and
torchdet's. Each case is in the metadata; its tensors are INDEX/cls_logits and so on, the losses in torchvision's order, and the
gradients those of sum(losses * weights). Usage: dense_losses.py [--out DIR]
"""

import argparse
import json
import pathlib
from types import SimpleNamespace

import torch
from fcos_original import Points, compute_losses
from safetensors.torch import save_file
from torchvision.models.detection import _utils as det
from torchvision.models.detection.anchor_utils import AnchorGenerator, DefaultBoxGenerator
from torchvision.models.detection.fcos import FCOS, FCOSHead
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.retinanet import RetinaNet, RetinaNetHead
from torchvision.models.detection.ssd import SSD
from torchvision.ops import box_iou

FIXTURES = pathlib.Path(__file__).parent.parent / "fixtures" / "training"
HEIGHT, WIDTH = 96, 128
GRIDS = [(12, 16), (6, 8), (3, 4)]
STRIDES = [8, 16, 32]
DEFAULTS = {
    "bboxRegWeights": [1.0, 1.0, 1.0, 1.0],
    "fgIouThresh": 0.5,
    "bgIouThresh": 0.4,
    "giou": False,
    "centerSamplingRadius": 1.5,
    "positiveFraction": 0.25,
}


def grid(generator):
    images = ImageList(torch.zeros(1, 3, HEIGHT, WIDTH), [(HEIGHT, WIDTH)])
    return generator(images, [torch.zeros(1, 1, *size) for size in GRIDS])[0]


def retinanet(targets, outputs, options):
    generator = AnchorGenerator(((12, 18), (24, 40), (50, 80)), ((0.5, 1.0),) * 3)
    anchors = grid(generator)
    head = RetinaNetHead(8, 4, outputs["cls_logits"].shape[-1])
    head.regression_head._loss_type = "giou" if options["giou"] else "l1"
    head.regression_head.box_coder = det.BoxCoder(tuple(options["bboxRegWeights"]))
    matcher = det.Matcher(options["fgIouThresh"], options["bgIouThresh"], allow_low_quality_matches=True)
    model = SimpleNamespace(proposal_matcher=matcher, head=head)
    return RetinaNet.compute_loss(model, targets, outputs, [anchors] * len(targets)), anchors


def fcos(targets, outputs, options):
    anchors = grid(AnchorGenerator(((8,), (16,), (32,)), ((1.0,),) * 3))
    head = FCOSHead(32, 1, outputs["cls_logits"].shape[-1], num_convs=1)
    model = SimpleNamespace(center_sampling_radius=options["centerSamplingRadius"], head=head)
    counts = [h * w for h, w in GRIDS]
    return FCOS.compute_loss(model, targets, outputs, [anchors] * len(targets), counts), anchors


def fcos_original(targets, outputs, options):
    levels = Points(STRIDES).levels([torch.zeros(1, 1, *size) for size in GRIDS])
    losses = compute_losses(targets, outputs, levels, STRIDES, options["centerSamplingRadius"])
    strides = torch.cat([torch.full((len(points), 1), float(s)) for points, s in zip(levels, STRIDES)])
    return losses, torch.cat([torch.cat(levels), strides], 1)


def ssd(targets, outputs, options):
    boxes = grid(DefaultBoxGenerator([[2], [2, 3], [2]], scales=[0.12, 0.25, 0.45, 0.8]))
    fraction = options["positiveFraction"]
    model = SimpleNamespace(
        box_coder=det.BoxCoder(tuple(options["bboxRegWeights"])), neg_to_pos_ratio=(1.0 - fraction) / fraction
    )
    matches = [
        det.SSDMatcher(options["fgIouThresh"])(box_iou(t["boxes"], boxes))
        if len(t["boxes"])
        else torch.full((len(boxes),), -1, dtype=torch.int64)
        for t in targets
    ]
    return SSD.compute_loss(model, targets, outputs, [boxes] * len(targets), matches), boxes


HEADS = {"retinanet": (retinanet, [4, 4, 4]), "fcos": (fcos, [1, 1, 1]), "fcosOriginal": (fcos_original, [1, 1, 1]), "ssd": (ssd, [4, 6, 4])}


def random_boxes(count, smallest=6.0):
    corner = torch.rand(count, 2) * torch.tensor([WIDTH - 12.0, HEIGHT - 12.0])
    size = torch.rand(count, 2) ** 2 * 80 + smallest
    return torch.cat([corner, torch.minimum(corner + size, torch.tensor([float(WIDTH), HEIGHT]))], 1)


class Cases:
    def __init__(self):
        self.tensors, self.cases = {}, []

    def add(self, name, head, boxes, classes=5, spread=2.0, boxes_per_image=None, **changed):
        """boxes: one N x 4 for each image. `spread`: of the logits; FCOS regresses positive distances."""
        function, per_cell = HEADS[head]
        options = {**DEFAULTS, **changed}
        places = [h * w * n for (h, w), n in zip(GRIDS, per_cell)]
        shape = (len(boxes), sum(places))
        outputs = {"cls_logits": torch.randn(*shape, classes) * spread - 1, "bbox_regression": torch.randn(*shape, 4) * 0.5}
        if head.startswith("fcos"):
            outputs["bbox_regression"] = (outputs["bbox_regression"] * 3 + 2).relu()
            outputs["bbox_ctrness"] = torch.randn(*shape, 1) * spread
        first, end = {"ssd": (1, classes), "fcosOriginal": (1, classes + 1)}.get(head, (0, classes))
        targets = [{"boxes": b, "labels": torch.randint(first, end, (len(b),))} for b in boxes]
        for tensor in outputs.values():
            tensor.requires_grad_()
        losses, references = function(targets, outputs, options)
        weights = torch.tensor([1.0, 0.7, 1.3][: len(losses)])
        total = (torch.stack(list(losses.values())) * weights).sum()
        gradients = torch.autograd.grad(total, list(outputs.values()))
        index = len(self.cases)
        keep = lambda key, tensor: self.tensors.__setitem__(f"{index}/{key}", tensor.detach().contiguous().clone())
        for (key, tensor), gradient in zip(outputs.items(), gradients):
            keep(key, tensor)
            keep(f"gradient/{key}", gradient)
        for i, target in enumerate(targets):
            keep(f"boxes/{i}", target["boxes"])
            keep(f"labels/{i}", target["labels"])
        keep("references", references)
        keep("weights", weights)
        keep("losses", torch.stack(list(losses.values())))
        self.cases.append({"name": name, "head": head, "images": len(boxes), "levelPlaces": places, "names": list(losses), **options})
        print(f"{head} {name}: {({k: round(v.item(), 4) for k, v in losses.items()})}")


def common(cases, head, **options):
    none = random_boxes(0)
    cases.add("two images", head, [random_boxes(3), random_boxes(7)], **options)
    cases.add("an image without boxes", head, [random_boxes(4), none], **options)
    cases.add("no boxes at all", head, [none, none], **options)
    cases.add("many boxes", head, [random_boxes(90)], **options)
    twice = random_boxes(2)
    cases.add("boxes that are equal", head, [torch.cat([twice, twice])], **options)
    cases.add("whole image and specks", head, [torch.tensor([[0.0, 0, WIDTH, HEIGHT], [50, 50, 50.5, 51], [3, 3, 5, 4]])], **options)


def all_cases():
    cases = Cases()
    for giou in (False, True):
        common(cases, "retinanet", giou=giou)
    cases.add("thresholds and weights", "retinanet", [random_boxes(6)], fgIouThresh=0.35, bgIouThresh=0.35, bboxRegWeights=[10.0, 10.0, 5.0, 5.0])
    cases.add("one class, sure of itself", "retinanet", [random_boxes(6)], classes=1, spread=40.0)
    cases.add("many classes", "retinanet", [random_boxes(6)], classes=33, spread=6.0)
    for head in ("fcos", "fcosOriginal"):
        common(cases, head)
        cases.add("small radius", head, [random_boxes(9)], centerSamplingRadius=0.6)
    cases.add("no radius", "fcosOriginal", [random_boxes(9)], centerSamplingRadius=0.0)
    weights = {"bboxRegWeights": [10.0, 10.0, 5.0, 5.0]}
    common(cases, "ssd", **weights)
    cases.add("half of them negatives", "ssd", [random_boxes(5), random_boxes(2)], positiveFraction=0.5, fgIouThresh=0.3, **weights)
    cases.add("more negatives wanted than there are", "ssd", [random_boxes(80)], positiveFraction=0.02, **weights)
    return cases


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, default=FIXTURES)
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(2026)
    written = all_cases()
    path = out / "dense-losses.safetensors"
    save_file(written.tensors, path, {"cases": json.dumps(written.cases)})
    path.chmod(0o644)
    print(f"{path.name}: {len(written.cases)} cases, {path.stat().st_size // 1024} KiB")
