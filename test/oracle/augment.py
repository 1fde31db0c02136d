"""Writes test/fixtures/augment/presets.json: torchvision's training transforms on small images.

Every random draw is recorded, so that the transforms of lib/data can be given the same ones: they must then come to the
same boxes, masks and pixels. Run with torchvision installed:

    python test/oracle/augment.py
"""

import base64
import json
import zlib
from pathlib import Path

import torch
from torchvision import tv_tensors
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

OUT = Path(__file__).parent.parent / "fixtures" / "augment" / "presets.json"
MEAN = (123, 117, 104)


class Recorder:
    """Stands in for torch's random functions while transforms run, and keeps what they gave."""

    def __init__(self):
        self.draws = []
        self.rand, self.randint = torch.rand, torch.randint

    def uniform(self, *size, **options):
        values = self.rand(*size, **options)
        self.draws += [["next", value] for value in values.reshape(-1).tolist()]
        return values

    def whole(self, *bounds, high=None, low=0, size=()):
        # Called both as randint(high, size) and as randint(low=, high=, size=).
        if bounds:
            high, size = bounds
        value = self.randint(low, high, ())
        self.draws.append(["integer", int(value), high])
        return value.reshape(size)

    def permutation(self, count):
        order = list(range(count))
        for i in range(count - 1, 0, -1):
            other = int(self.whole(i + 1, ()))
            order[i], order[other] = order[other], order[i]
        return torch.tensor(order)

    def value(self, low, high):
        return float(low + (high - low) * self.uniform(1))

    def __enter__(self):
        self.saved = torch.rand, torch.randint, torch.randperm, v2.ColorJitter._generate_value
        torch.rand, torch.randint, torch.randperm = self.uniform, self.whole, self.permutation
        v2.ColorJitter._generate_value = staticmethod(self.value)
        return self

    def __exit__(self, *_):
        torch.rand, torch.randint, torch.randperm, v2.ColorJitter._generate_value = self.saved


class FixedSizeCrop(v2.Transform):
    """The references' transform of that name, made of v2's crop and pad."""

    def __init__(self, size):
        super().__init__()
        self.size = size

    def make_params(self, inputs):
        height, width = next(F.get_size(x) for x in inputs if isinstance(x, tv_tensors.Image))
        spare_y, spare_x = max(height - self.size, 0), max(width - self.size, 0)
        draw = torch.rand(1) if spare_x or spare_y else torch.zeros(1)
        crop = [int(spare_y * draw), int(spare_x * draw), min(height, self.size), min(width, self.size)]
        pad = [0, 0, max(self.size - width, 0), max(self.size - height, 0)]
        return dict(crop=crop, pad=pad)

    def transform(self, x, params):
        fill = 0 if isinstance(x, tv_tensors.Mask) else list(MEAN)
        return F.pad(F.crop(x, *params["crop"]), params["pad"], fill=fill)


def presets():
    """torchvision's presets, the sizes made small."""
    flip = v2.RandomHorizontalFlip(0.5)
    fill = {tv_tensors.Image: MEAN, "others": 0}
    return {
        "hflip": [flip],
        "lsj": [v2.ScaleJitter((64, 64)), FixedSizeCrop(64), flip],
        "multiscale": [v2.RandomShortestSize([24, 32, 40], max_size=60), flip],
        "ssd": [v2.RandomPhotometricDistort(), v2.RandomZoomOut(fill=fill), v2.RandomIoUCrop(), flip],
        "ssdlite": [v2.RandomIoUCrop(), flip],
    }


def sample(seed):
    generator = torch.Generator().manual_seed(seed)
    height, width = torch.randint(20, 41, (2,), generator=generator).tolist()
    # Smooth colours with some noise: resizing and blending give other numbers than on noise alone.
    coarse = torch.rand(1, 3, 4, 5, generator=generator)
    image = torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear")[0] * 255
    image = (image + torch.randn(3, height, width, generator=generator) * 6).clamp(0, 255).to(torch.uint8)
    count = 4
    corners = torch.rand(count, 2, 2, generator=generator).sort(dim=1).values
    boxes = (corners * torch.tensor([width, height])).reshape(count, 4)
    boxes[:, 2:] += 2
    masks = torch.rand(count, height, width, generator=generator) < 0.5
    return {
        "image": tv_tensors.Image(image),
        "boxes": tv_tensors.BoundingBoxes(
            torch.minimum(boxes, torch.tensor([width, height] * 2)), format="XYXY", canvas_size=(height, width)
        ),
        "masks": tv_tensors.Mask(masks.to(torch.uint8)),
        "labels": torch.arange(count),
    }


def packed(tensor):
    return base64.b64encode(zlib.compress(tensor.contiguous().numpy().tobytes(), 9)).decode()


def described(x):
    height, width = F.get_size(x["image"])
    return {
        "width": width,
        "height": height,
        "image": packed(x["image"].permute(1, 2, 0)),
        "boxes": x["boxes"].reshape(-1).tolist(),
        "kept": x["labels"].tolist(),
        "masks": packed(x["masks"]),
    }


def colours():
    """Each change of colour alone and all together, on one image."""
    image = sample(99)["image"]
    steps = {
        "brightness": lambda x: F.adjust_brightness(x, 1.1),
        "contrast": lambda x: F.adjust_contrast(x, 1.4),
        "saturation": lambda x: F.adjust_saturation(x, 0.6),
        "hue": lambda x: F.adjust_hue(x, -0.04),
        "channels": lambda x: F.permute_channels(x, [2, 0, 1]),
    }
    results = {name: packed(step(image).permute(1, 2, 0)) for name, step in steps.items()}
    height, width = F.get_size(image)
    return {"width": width, "height": height, "image": packed(image.permute(1, 2, 0)), "results": results}


def main():
    cases = []
    for preset, transforms in presets().items():
        for seed in range(6):
            given = sample(seed)
            torch.manual_seed(seed)
            with Recorder() as recorder:
                result = v2.Compose([*transforms, v2.SanitizeBoundingBoxes()])(given)
            case = {"preset": preset, "seed": seed, "draws": recorder.draws}
            cases.append(case | {"given": described(given), "result": described(result)})
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps({"cases": cases, "colours": colours()}) + "\n")
    print(f"{OUT}: {len(cases)} cases, {OUT.stat().st_size} bytes")


if __name__ == "__main__":
    main()
