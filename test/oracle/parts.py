"""Writes test/fixtures/ops-parts/*.safetensors: what torchvision answers where torchdet's `ops` functions are asked.

One file a topic; its metadata lists the cases: the function of `ops`, its arguments in order ("@name" is a tensor of the
file, anything else itself) and the name of the result. Usage: parts.py [--out DIR]
"""

import argparse
import json
import math
import pathlib

import torch
import torchvision.ops as tv
from operators import Family, make_boxes, make_rois
from safetensors.torch import save_file
from torchvision.models.detection import _utils as det
from torchvision.models.detection.anchor_utils import AnchorGenerator, DefaultBoxGenerator
from torchvision.models.detection.image_list import ImageList
from torchvision.ops.poolers import LevelMapper

FIXTURES = pathlib.Path(__file__).parent.parent / "fixtures"
NAN, INF = math.nan, math.inf
KINDS = ("plain", "whole", "degenerate", "strange", "huge")


class Topic:
    """The cases of one file."""

    def __init__(self, name):
        self.name, self.tensors, self.cases = name, {}, []
        self.known = {}  # tensors that several cases share are written once

    def add(self, name, function, args, result):
        case = {"name": name, "function": function}
        case["args"] = [self._stored(f"{len(self.cases)}/{i}", a) for i, a in enumerate(args)]
        case["result"] = self._stored(f"{len(self.cases)}/result", result)
        self.cases.append(case)

    def _stored(self, key, value):
        if torch.is_tensor(value):
            if id(value) not in self.known:
                self.tensors[key] = value.detach().contiguous().clone()
                self.known[id(value)] = (key, value)
            return f"@{self.known[id(value)][0]}"
        if isinstance(value, (list, tuple)):
            return [self._stored(f"{key}.{i}", v) for i, v in enumerate(value)]
        if isinstance(value, dict):
            return {k: self._stored(f"{key}.{k}", v) for k, v in value.items()}
        return value

    def write(self, folder):
        path = folder / f"{self.name}.safetensors"
        save_file(self.tensors, path, {"cases": json.dumps(self.cases)})
        path.chmod(0o644)
        print(f"{path.name}: {len(self.cases)} cases, {path.stat().st_size // 1024} KiB")


def some_boxes(count, kind):
    return torch.randn(count, 4) * 1e30 if kind == "huge" else make_boxes(count, kind)


def boxes():
    topic = Topic("boxes")
    for kind in KINDS:
        for count in (0, 1, 40):
            a, b = some_boxes(count, kind), some_boxes(17, kind)
            name = f"{kind} {count}"
            topic.add(name, "boxArea", [a], tv.box_area(a))
            topic.add(name, "boxIou", [a, b], tv.box_iou(a, b))
            topic.add(name, "generalizedBoxIou", [a, b], tv.generalized_box_iou(a, b))
            topic.add(name, "clipBoxes", [a, [120, 90]], tv.clip_boxes_to_image(a, (120, 90)))
            topic.add(name, "removeSmallBoxes", [a, 10], tv.remove_small_boxes(a, 10))
            for source in ("xyxy", "xywh", "cxcywh"):
                for target in ("xyxy", "xywh", "cxcywh"):
                    topic.add(name, "boxConvert", [a, source, target], tv.box_convert(a, source, target))
    touching = torch.tensor([[0.0, 0, 10, 10], [10, 0, 20, 10], [0, 0, 0, 0], [5, 5, 5, 9]])
    topic.add("touching and empty", "boxIou", [touching, touching], tv.box_iou(touching, touching))
    topic.add("touching and empty", "generalizedBoxIou", [touching, touching], tv.generalized_box_iou(touching, touching))
    return topic


def suppression():
    topic = Topic("nms")
    for kind in KINDS:
        for count in (0, 1, 90):
            b, scores = some_boxes(count, kind), torch.rand(count)
            if kind in ("whole", "strange"):
                scores = (scores * 8).round() / 8
            if kind == "strange" and count > 1:
                scores[3] = NAN
            labels = torch.randint(0, 3, (count,), dtype=torch.int32)
            for threshold in (0.0, 1 / 3, 0.7):
                topic.add(f"{kind} {count} {threshold:.1f}", "nms", [b, scores, threshold], tv.nms(b, scores, threshold))
            topic.add(f"{kind} {count}", "batchedNms", [b, scores, labels, 0.5], tv.batched_nms(b, scores, labels.long(), 0.5))
    b, scores = make_boxes(1100, "plain"), torch.rand(1100)
    labels = torch.randint(0, 4, (1100,))
    topic.add("beyond the coordinate trick", "batchedNms", [b, scores, labels, 0.5], tv.batched_nms(b, scores, labels, 0.5))
    return topic


def anchors():
    topic = Topic("anchors")
    for sizes, ratios in (([32], [0.5, 1.0, 2.0]), ([15, 33, 71], [1.0, 1 / 3, 3.5]), ([5.5], [0.07, 15.0])):
        generator = AnchorGenerator((tuple(sizes),), (tuple(ratios),))
        topic.add(f"{sizes} {ratios}", "cellAnchors", [sizes, ratios], generator.cell_anchors[0])
    grids, images = [[5, 7], [3, 4], [1, 1]], ImageList(torch.zeros(1, 3, 40, 61), [(38, 60)])
    maps = [torch.zeros(1, 1, *grid) for grid in grids]
    sizes, ratios = [[8, 12], [16, 25], [40, 60]], [[0.5, 1.0, 2.0], [1.0, 3.0, 1 / 3], [1.0, 0.25, 4.0]]
    generated = AnchorGenerator(tuple(map(tuple, sizes)), tuple(map(tuple, ratios)))(images, maps)[0]
    topic.add("uneven strides", "gridAnchors", [{"sizes": sizes, "aspectRatios": ratios}, grids, [40, 61]], generated)
    generated = AnchorGenerator(tuple(map(tuple, sizes)), ((0.5, 1.0, 2.0),) * 3)(images, maps)[0]
    topic.add("ratios by default", "gridAnchors", [{"sizes": sizes}, grids, [40, 61]], generated)
    for steps, clip in ((None, True), ([8, 16, 40], True), (None, False)):
        scales, ratios = [0.1, 0.35, 0.8, 1.3], [[2], [], [2, 3]]
        generated = DefaultBoxGenerator(ratios, scales=scales, steps=steps, clip=clip)(images, maps)[0]
        options = {"aspectRatios": ratios, "scales": scales, "steps": steps, "clip": clip}
        topic.add(f"steps {steps}, clip {clip}", "defaultBoxes", [options, grids, [40, 61]], generated)
    return topic


def coder():
    topic = Topic("box-coder")
    for weights in ([1.0, 1.0, 1.0, 1.0], [10.0, 10.0, 5.0, 5.0]):
        box_coder = det.BoxCoder(tuple(weights))
        for count in (0, 1, 30):
            for kind in ("plain", "whole", "degenerate", "strange"):
                a, b = some_boxes(count, kind), some_boxes(count, kind)
                name = f"{kind} {count} {weights[0]:.0f}"
                topic.add(name, "encodeBoxes", [a, b, {"weights": weights}], box_coder.encode_single(a, b))
                deltas = torch.randn(count, 4) * 4  # some beyond the clamp
                topic.add(name, "decodeBoxes", [deltas, b, {"weights": weights}], box_coder.decode_single(deltas, b))
        deltas, b = torch.randn(6, 12), make_boxes(6, "plain")
        topic.add(f"three classes {weights[0]:.0f}", "decodeBoxes", [deltas, b, {"weights": weights}], box_coder.decode_single(deltas, b))
    return topic


def matching():
    topic = Topic("matcher")
    rules = [(0.7, 0.3, True), (0.5, 0.4, True), (0.5, 0.5, False), (0.0, 0.0, True)]
    for kind in KINDS:
        for truths, count in ((1, 1), (6, 60), (9, 2500)):
            if kind != "plain" and count > 60:
                continue
            a, b = some_boxes(truths, kind), some_boxes(count, kind)
            if truths > 5:
                a[4] = a[2]  # two ground-truth boxes that are equal
                a[5] = torch.tensor([-900.0, -900.0, -880.0, -890.0])  # and one that overlaps nothing
            name = f"{kind} {truths} x {count}"
            for high, low, restore in rules:
                options = {"highThreshold": high, "lowThreshold": low, "allowLowQualityMatches": restore}
                matches = det.Matcher(high, low, restore)(tv.box_iou(a, b))
                topic.add(f"{name} {high} {low} {restore}", "matchBoxes", [a, b, options], matches)
                if count == 60:
                    topic.add(f"{name} {high} {low} {restore}", "matchQuality", [tv.box_iou(a, b), options], matches)
            topic.add(name, "matchDefaultBoxes", [a, b, {"threshold": 0.45}], det.SSDMatcher(0.45)(tv.box_iou(a, b)))
    # Ties: anchors on a grid, of which several overlap a box equally, also with another box that they overlap more.
    grid = torch.tensor([[x, y, x + 4, y + 4] for y in range(0, 12, 2) for x in range(0, 12, 2)], dtype=torch.float32)
    truth = torch.tensor([[1.0, 1, 7, 7], [2, 2, 6, 6], [2, 2, 6, 6], [1, 1, 11, 11]])
    for high, low, restore in rules:
        options = {"highThreshold": high, "lowThreshold": low, "allowLowQualityMatches": restore}
        topic.add(f"ties {high} {low} {restore}", "matchBoxes", [truth, grid, options], det.Matcher(high, low, restore)(tv.box_iou(truth, grid)))
    topic.add("ties", "matchDefaultBoxes", [truth, grid, {}], det.SSDMatcher(0.5)(tv.box_iou(truth, grid)))
    return topic


def sampling():
    topic = Topic("sampler")
    for seed, batch_size, fraction, counts in ((0, 16, 0.5, (100, 40)), (7, 512, 0.25, (3000, 10, 0)), (3, 5, 0.5, (9,)), (1, 4, 1.0, (50,)), (2, 6, 0.0, (50,))):
        labels = [torch.randint(-1, 3, (n,)) * torch.randint(0, 2, (n,)) for n in counts]
        torch.manual_seed(seed)
        masks = det.BalancedPositiveNegativeSampler(batch_size, fraction)(labels)
        result = [{"positive": torch.where(p)[0], "negative": torch.where(n)[0]} for p, n in zip(*masks)]
        options = {"batchSize": batch_size, "positiveFraction": fraction, "seed": seed}
        topic.add(f"{counts} of {batch_size}", "balancedPositiveNegative", [labels, options], result)
    none = torch.full((8,), -1)
    torch.manual_seed(0)
    options = {"batchSize": 4, "positiveFraction": 0.5}
    topic.add("all ignored", "balancedPositiveNegative", [[none], options], [{"positive": none[:0], "negative": none[:0]}])
    return topic


def pooling():
    topic = Topic("roi")
    x = torch.randn(2, 8, 12, 10)
    for kind in ("plain", "whole", "empty", "far"):
        rois = make_rois(5, 2, 12, 10, kind, torch.float32)
        rois = rois[rois[:, 0].argsort(stable=True)]
        lists = [rois[rois[:, 0] == i][:, 1:] for i in range(2)]
        size, common = [2, 2], {"outputSize": 2, "spatialScale": 0.25}
        for regions in (rois, lists):
            for aligned in (False, True):
                options = {**common, "samplingRatio": 2, "aligned": aligned}
                topic.add(f"{kind} {aligned}", "roiAlign", [x, regions, options], tv.roi_align(x, regions, size, 0.25, 2, aligned))
            topic.add(kind, "roiPool", [x, regions, common], tv.roi_pool(x, regions, size, 0.25))
            topic.add(kind, "psRoiAlign", [x, regions, common], tv.ps_roi_align(x, regions, size, 0.25, -1))
            topic.add(kind, "psRoiPool", [x, regions, common], tv.ps_roi_pool(x, regions, size, 0.25))
    maps = [torch.randn(2, 3, 24 // 2**i, 32 // 2**i) for i in range(3)]
    lists = [make_boxes(9, "plain") / 4, make_boxes(0, "plain")]
    pool = tv.MultiScaleRoIAlign(["0", "1", "2"], (3, 2), 2, canonical_scale=40, canonical_level=3)
    pooled = pool({str(i): m for i, m in enumerate(maps)}, lists, [(96, 128), (96, 128)])
    options = {"strides": [4, 8, 16], "outputSize": [3, 2], "canonicalScale": 40, "canonicalLevel": 3}
    topic.add("three levels", "multiScaleRoiAlign", [maps, lists, options], pooled)
    # Areas on the levels' borders, where one rounding decides, and without any.
    sides = torch.cat([torch.tensor([0.0, 1e-3, 1e6]), 224 * 2.0 ** torch.arange(-4, 4), 224 * 2.0 ** torch.arange(-4, 4) * 0.9999999])
    b = torch.stack([torch.zeros_like(sides), torch.zeros_like(sides), sides, sides], 1)
    topic.add("borders", "assignLevels", [b, {"strides": [4, 8, 16, 32]}], LevelMapper(2, 5)([b]))
    offset, weight = torch.randn(2, 36, 5, 4), torch.randn(6, 4, 3, 3)
    for extra in ({}, {"mask": torch.rand(2, 18, 5, 4), "bias": torch.randn(6)}):
        out = tv.deform_conv2d(x, offset, weight, stride=2, padding=(0, 1), dilation=(1, 2), **extra)
        topic.add(f"{list(extra)}", "deformConv2d", [x, offset, weight, {"stride": 2, "padding": [0, 1], "dilation": [1, 2], **extra}], out)
    return topic


def losses():
    """With gradients, for the operators themselves."""
    family = Family("box_iou")
    a, b = make_boxes(12, "plain"), make_boxes(12, "plain")
    b[:6] = a[:6] + torch.randn(6, 4) * 10
    b[6] = a[6]
    pairs = {"overlapping and apart": (a, b), "none": (a[:0], b[:0]), "double": (a.double(), b.double())}
    for name, (x, y) in pairs.items():
        for function in (tv.generalized_box_iou, tv.box_iou):
            family.add(f"{name} {function.__name__}", f"torchdet::{function.__name__}", (x, y), function)
        loss = lambda boxes1, boxes2: tv.generalized_box_iou_loss(boxes1, boxes2)
        family.add(f"{name} loss", "torchdet::generalized_box_iou_loss", (x, y), loss)
    return family


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=pathlib.Path, default=FIXTURES)
    folder = parser.parse_args().out
    for name, write in (("ops-parts", (boxes, suppression, anchors, coder, matching, sampling, pooling)), ("ops", (losses,))):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for i, topic in enumerate(write):
            torch.manual_seed(2026 + i)
            topic().write(folder / name)
