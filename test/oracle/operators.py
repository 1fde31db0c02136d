"""Writes test/fixtures/ops/*.safetensors: arguments of torchvision's operators, its results and its gradients.

One file a family; its metadata lists the cases: arguments in order (a string is the name of a tensor), outputs, and, where
there are gradients, the gradient of the first output and those of every tensor argument. Usage: operators.py [--out DIR]
"""

import argparse
import json
import math
import pathlib

import torch
import torchvision
from safetensors.torch import save_file

FIXTURES = pathlib.Path(__file__).parent.parent / "fixtures" / "ops"
NAN, INF = math.nan, math.inf


class Family:
    """The cases of one file."""

    def __init__(self, name):
        self.name, self.tensors, self.cases = name, {}, []
        self.stored = {}  # arguments that several cases share are written once

    def _store(self, key, tensor):
        self.tensors[key] = tensor.detach().contiguous().clone()
        return key

    def add(self, name, operator, args, function=None, gradients=True):
        """Runs the operator; rois (argument 1 of the pooling operators) take no gradient."""
        leaves = [a.clone() if torch.is_tensor(a) else a for a in args]
        if gradients:
            for i, leaf in enumerate(leaves):
                if torch.is_tensor(leaf) and (i != 1 or "deform" in operator):
                    leaf.requires_grad_()
        function = function or getattr(torch.ops.torchvision, operator.split("::")[1])
        outputs = function(*leaves)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        names = [self._name_of(f"{name}/arg{i}", a) for i, a in enumerate(args)]
        case = {"name": name, "operator": operator, "args": names}
        case["outputs"] = [self._store(f"{name}/out{i}", o) for i, o in enumerate(outputs)]
        if gradients:
            grad = torch.randn_like(outputs[0])
            tracked = [i for i, a in enumerate(leaves) if torch.is_tensor(a) and a.requires_grad]
            found = torch.autograd.grad(outputs[0], [leaves[i] for i in tracked], grad)
            case["gradOutput"] = self._store(f"{name}/grad", grad)
            case["gradients"] = [None] * len(args)
            for i, g in zip(tracked, found):
                case["gradients"][i] = self._store(f"{name}/grad{i}", g)
        self.cases.append(case)

    def _name_of(self, key, value):
        if isinstance(value, list):
            return [self._name_of(f"{key}.{i}", v) for i, v in enumerate(value)]
        if not torch.is_tensor(value):
            return value
        if id(value) not in self.stored:
            self.stored[id(value)] = (self._store(key, value), value)
        return self.stored[id(value)][0]

    def write(self, folder):
        path = folder / f"{self.name}.safetensors"
        save_file(self.tensors, path, {"cases": json.dumps(self.cases)})
        print(f"{path.name}: {len(self.cases)} cases, {path.stat().st_size // 1024} KiB")


def make_boxes(count, kind, dtype=torch.float32):
    corner, size = torch.rand(count, 2) * 400, torch.rand(count, 2) * 150
    boxes = torch.cat([corner, corner + size], 1).to(dtype)
    if kind == "whole":  # few different values: equal boxes, and IoUs that meet the threshold exactly
        boxes = (boxes / 40).round() * 10
    if kind == "degenerate":
        boxes = torch.randn(count, 4, dtype=dtype) * 50
    if kind == "strange":
        boxes = torch.randn(count, 4, dtype=dtype) * 50
        values = torch.tensor([NAN, INF, -INF, 1e30, -1e30, 0.0], dtype=dtype)
        chosen = torch.rand(count, 4) < 0.25
        boxes[chosen] = values[torch.randint(len(values), (int(chosen.sum()),))]
    return boxes


def suppression():
    family = Family("nms")
    for dtype in (torch.float32, torch.float64):
        suffix = str(dtype).removeprefix("torch.")
        for kind in ("plain", "whole", "degenerate", "strange"):
            for count in (0, 1, 64, 222):
                boxes, scores = make_boxes(count, kind, dtype), torch.rand(count, dtype=dtype)
                if kind == "whole":
                    scores = (scores * 10).round() / 10
                if kind == "strange" and count > 1:
                    scores[:2] = NAN
                for threshold in (0.5, 1 / 3, 0.0) if count == 222 else (0.5,):
                    name = f"{kind} {count} {suffix} {threshold:.2g}"
                    family.add(name, "torchvision::nms", (boxes, scores, threshold), gradients=False)
    long = make_boxes(1500, "plain")
    scores = torch.rand(1500)
    family.add("long list", "torchvision::nms", (long, scores, 0.7), gradients=False)
    family.add("threshold above one", "torchvision::nms", (long[:99], scores[:99], 1.5), gradients=False)
    family.add("threshold below zero", "torchvision::nms", (long[:99], scores[:99], -0.5), gradients=False)
    # A threshold that is the IoU itself, as float arithmetic has it, or the double just below: one rounding elsewhere shows.
    for i in range(24):
        pair = torch.rand(1, 4) * 30 + torch.tensor([0.0, 0.0, 30.0, 30.0]) + torch.randn(2, 4)
        area = (pair[:, 2] - pair[:, 0]) * (pair[:, 3] - pair[:, 1])
        low, high = pair[:, :2].amax(0), pair[:, 2:].amin(0)
        shared = (high - low)[0] * (high - low)[1]
        threshold = (shared / (area[0] + area[1] - shared)).item()
        if i % 2:
            threshold = math.nextafter(threshold, 0)
        args = (pair, torch.tensor([0.9, 0.1]), threshold)
        family.add(f"threshold at the IoU {i}", "torchvision::nms", args, gradients=False)
    # Both sides of the coordinate trick's limit of 4000 numbers.
    for count in (0, 1000, 1001, 1300):
        boxes = make_boxes(count, "whole" if count == 1300 else "plain")
        scores = (torch.rand(count) * 100).round() / 100
        groups = torch.randint(0, 5, (count,))
        family.add(
            f"batched {count}",
            "torchdet::batched_nms",
            (boxes, scores, groups, 0.5),
            torchvision.ops.batched_nms,
            gradients=False,
        )
    return family


def make_rois(count, images, height, width, kind, dtype):
    """RoIs for a map of that size at scale 1/4."""
    spread = torch.tensor([width, height]) * 4
    corner = torch.rand(count, 2) * spread * 1.1 - 3
    boxes = torch.cat([corner, corner + torch.rand(count, 2) * spread * 0.6], 1)
    if kind == "whole":
        boxes = (boxes / 2).round() * 2
    if kind == "empty":
        boxes[:, 2:] = boxes[:, :2]
    if kind == "degenerate":
        boxes[:, 2:] = torch.randn(count, 2) * 20
    if kind == "far":
        boxes = torch.randn(count, 4) * 1000
    return torch.cat([torch.randint(0, images, (count, 1)), boxes], 1).to(dtype)


def pooling(name, variants):
    """variants: what follows the pooled size, per case."""
    family = Family(name)
    for dtype, shapes in (
        (torch.float32, [(2, 24, 5, 5), (1, 136, 3, 4), (1, 8, 1, 20)]),
        (torch.float64, [(1, 24, 5, 6)]),
    ):
        suffix = str(dtype).removeprefix("torch.")
        for shape in shapes:
            for i, kind in enumerate(("plain", "whole", "empty", "degenerate", "far")):
                if shape[1] > 100 and kind in ("empty", "far"):
                    continue
                pooled = ((4, 2), (2, 1), (1, 1), (2, 2), (2, 2))[i]
                x = torch.randn(shape, dtype=dtype)
                rois = make_rois(3, shape[0], shape[2], shape[3], kind, dtype)
                for variant in variants:
                    if variant == (0, True) and kind in ("degenerate", "far"):
                        continue  # an inverted RoI on an adaptive grid makes torchvision fail
                    title = f"{kind} {'x'.join(map(str, shape))} to {'x'.join(map(str, pooled))} {suffix} {variant}"
                    family.add(title, f"torchvision::{name}", (x, rois, 0.25, *pooled, *variant))
    x = torch.randn(1, 8, 5, 5)
    family.add("no RoIs", f"torchvision::{name}", (x, torch.zeros(0, 5), 0.25, 2, 2, *variants[0]))
    huge = torch.tensor([[0, 1e30, 1e30, 2e30, 2e30], [0, -2e9, -2e9, -1e9, -1e9]])
    if name != "roi_pool" and name != "ps_roi_pool":  # torchvision's integers overflow there
        family.add("huge", f"torchvision::{name}", (x, huge, 0.25, 2, 2, *variants[0]))
    x = x.clone()
    # Not in the corner: torchvision's CPU reads pixel 0 with weight 0 for a sample outside the map, and 0 * NaN is NaN.
    x[0, 0, 2, 2], x[0, 1, 1, 1], x[0, 2, 3, 3], x[0, 3, 1:] = NAN, INF, -INF, NAN
    rois = make_rois(4, 1, 5, 5, "plain", torch.float32)
    family.add("NaN and infinities in the map", f"torchvision::{name}", (x, rois, 0.25, 2, 2, *variants[0]))
    return family


def pyramid():
    family = Family("multiscale_roi_align")
    maps = [torch.randn(2, 20, 16 // 2**i, 20 // 2**i) for i in range(3)]
    rois = make_rois(20, 2, 16, 20, "plain", torch.float32)
    scales = [0.25, 0.125, 0.0625]
    levels = torch.randint(0, 3, (20,))

    def level_by_level(maps, rois, levels, scales, height, width, sampling_ratio):
        pooled = torch.zeros(len(rois), maps[0].shape[1], height, width)
        for i, (x, scale) in enumerate(zip(maps, scales)):
            pooled[levels == i] = torchvision.ops.roi_align(x, rois[levels == i], (height, width), scale, sampling_ratio)
        return pooled

    for sampling_ratio in (2, 0):
        args = (maps, rois, levels, scales, 3, 2, sampling_ratio)
        family.add(f"sampling {sampling_ratio}", "torchdet::multiscale_roi_align", args, level_by_level, gradients=False)
    args = (maps, rois[:0], levels[:0], scales, 3, 2, 2)
    family.add("no RoIs", "torchdet::multiscale_roi_align", args, level_by_level, gradients=False)
    return family


def deformable():
    family = Family("deform_conv2d")
    # batch, channels, height, width, out channels, kernel, stride, padding, dilation, groups, offset groups, mask, offsets
    cases = [
        (2, 4, 9, 11, 6, (3, 3), (1, 1), (1, 1), (1, 1), 1, 1, True, 1),
        (1, 12, 8, 8, 6, (3, 3), (2, 1), (1, 0), (1, 2), 2, 3, True, 3),
        (1, 12, 8, 8, 8, (1, 5), (1, 1), (0, 2), (1, 1), 4, 2, False, 2),
        (2, 48, 5, 4, 8, (3, 3), (1, 1), (1, 1), (1, 1), 1, 1, True, 0.5),
        (1, 40, 5, 4, 8, (3, 3), (1, 1), (1, 1), (1, 1), 2, 1, False, 0),
        (1, 6, 5, 5, 6, (3, 3), (1, 1), (2, 2), (2, 2), 3, 2, True, 100),
        (0, 4, 6, 6, 6, (3, 3), (1, 1), (1, 1), (1, 1), 1, 1, True, 1),
    ]
    for dtype in (torch.float32, torch.float64):
        for i, (n, c, h, w, out, kernel, stride, pad, dilation, groups, offset_groups, mask, spread) in enumerate(cases):
            if dtype == torch.float64 and i not in (1, 2):
                continue
            size = [(d + 2 * p - (l * (k - 1) + 1)) // s + 1 for d, p, l, k, s in zip((h, w), pad, dilation, kernel, stride)]
            planes = offset_groups * kernel[0] * kernel[1]
            offset = torch.randn(n, 2 * planes, *size, dtype=dtype) * spread
            if spread == 2:  # samples on whole pixels, and exactly one pixel outside
                offset = offset.round()
            modulation = torch.rand(n, planes, *size, dtype=dtype) if mask else torch.zeros(n, 1, dtype=dtype)
            weight = torch.randn(out, c // groups, *kernel, dtype=dtype)
            args = (torch.randn(n, c, h, w, dtype=dtype), weight, offset, modulation, torch.randn(out, dtype=dtype))
            rest = (*stride, *pad, *dilation, groups, offset_groups, mask)
            suffix = str(dtype).removeprefix("torch.")
            family.add(f"case {i} {suffix}", "torchvision::deform_conv2d", (*args, *rest))
    return family


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=pathlib.Path, default=FIXTURES)
    folder = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(20)
    aligned = [(2, False), (2, True), (0, False), (0, True)]
    for family in (
        suppression(),
        pooling("roi_align", aligned),
        pooling("roi_pool", [()]),
        pooling("ps_roi_align", [(2,), (0,)]),
        pooling("ps_roi_pool", [()]),
        pyramid(),
        deformable(),
    ):
        family.write(folder)


if __name__ == "__main__":
    main()
