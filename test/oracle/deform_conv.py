"""Writes test/fixtures/structure/deform-conv.json: what torchvision's deformable convolutions make of small inputs.

`finding` cases find their offsets with a convolution of their own; the module stands in fcos_original.py.
"""

import json
from pathlib import Path

import torch
from torchvision.ops import DeformConv2d

from fcos_original import Deformable

OUT = Path(__file__).parents[1] / "fixtures" / "structure" / "deform-conv.json"

GIVEN = {
    "plain": (DeformConv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2), groups=2), False, 1),
    "plain without bias": (DeformConv2d(4, 3, 3, padding=1, bias=False), False, 2),
    "modulated": (DeformConv2d(4, 6, 3, padding=1), True, 2),
}
FINDING = {
    "finding offsets": Deformable(4, 6, stride=2, modulated=False),
    "finding offsets and masks": Deformable(4, 4, groups=2, deformable_groups=2, bias=True),
}


def numbers(tensor):
    return {"shape": list(tensor.shape), "values": [float(f"{v:.9g}") for v in tensor.flatten().tolist()]}


def rounded(shape, scale):
    return (torch.randn(shape) * scale * 1000).round() / 1000


def fill(layer):
    for tensor in layer.state_dict().values():
        tensor.copy_(rounded(tensor.shape, 0.5))


@torch.no_grad()
def main():
    torch.manual_seed(30)
    cases = []
    for name, (layer, modulated, groups) in GIVEN.items():
        fill(layer)
        x = rounded((1, 4, 5, 4), 2)
        kernel = layer.weight.shape[2] * layer.weight.shape[3]
        out = torch.nn.functional.conv2d(x, layer.weight, None, layer.stride, layer.padding, layer.dilation, layer.groups)
        inputs = [x, rounded((1, 2 * groups * kernel, *out.shape[2:]), 1.5)]
        inputs += [(torch.rand(1, groups * kernel, *out.shape[2:]) * 1000).round() / 1000] if modulated else []
        cases.append((name, layer, inputs))
    for name, layer in FINDING.items():
        fill(layer)
        cases.append((name, layer, [rounded((1, 4, 5, 4), 2)]))
    records = [
        {
            "name": name,
            "state": {k: numbers(v) for k, v in layer.state_dict().items()},
            "inputs": [numbers(x) for x in inputs],
            "output": numbers(layer(*inputs)),
        }
        for name, layer, inputs in cases
    ]
    OUT.write_text("[\n" + ",\n".join(json.dumps(record) for record in records) + "\n]\n")


if __name__ == "__main__":
    main()
