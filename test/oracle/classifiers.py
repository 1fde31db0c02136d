"""Write the state dicts of torchvision's image classifiers, names and shapes, for test/backbones/pretrained.test.ts.

    python test/oracle/classifiers.py

One line per tensor, `name 64x3x7x7`; `name norm 64` stands for the five tensors of a batch norm.
"""

import json
from pathlib import Path

import torch
import torchvision

OUT = Path(__file__).parents[1] / "fixtures" / "structure" / "classifiers.json"
NAMES = """
    resnet18 resnet34 resnet50 resnet101 resnet152 resnext50_32x4d resnext101_32x8d resnext101_64x4d wide_resnet50_2
    wide_resnet101_2 mobilenet_v2 mobilenet_v3_large mobilenet_v3_small vgg11 vgg13 vgg16 vgg19 vgg11_bn vgg13_bn vgg16_bn
    vgg19_bn convnext_tiny
""".split()
NORM = ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]


def lines(name):
    state = torchvision.models.__dict__[name](weights=None).state_dict()
    result = []
    for key, tensor in state.items():
        owner, leaf = key.rsplit(".", 1)
        if f"{owner}.running_mean" in state:
            if leaf == "weight":
                assert [k for k in state if k.startswith(owner + ".")] == [f"{owner}.{part}" for part in NORM]
                result.append(f"{owner} norm {tensor.shape[0]}")
        else:
            result.append(f"{key} {'x'.join(map(str, tensor.shape))}")
    return result


def main():
    torch.set_default_device("meta")
    entries = ",\n".join(f"  {json.dumps(name)}: {json.dumps(lines(name))}" for name in NAMES)
    OUT.write_text(f'{{\n  "torchvision": {json.dumps(torchvision.__version__)},\n{entries}\n}}\n')


if __name__ == "__main__":
    main()
