"""Write what torch's layers compute from small inputs, for test/nn to compare with.

    python test/oracle/layers.py
"""

import json
from pathlib import Path

import torch
from torch import nn
from torchvision.models.convnext import LayerNorm2d
from torchvision.ops import Conv2dNormActivation, FrozenBatchNorm2d, Permute, SqueezeExcitation

OUT = Path(__file__).parents[1] / "fixtures" / "structure" / "layers.json"

CASES = {
    "conv2d": (nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2), groups=2), (2, 4, 7, 6)),
    "conv2d without bias": (nn.Conv2d(4, 3, 1, bias=False), (1, 4, 3, 5)),
    "linear": (nn.Linear(5, 3), (4, 5)),
    "linear without bias": (nn.Linear(5, 3, bias=False), (4, 5)),
    "batchNorm2d": (nn.BatchNorm2d(3, eps=1e-3, momentum=0.2), (2, 3, 4, 3)),
    "frozenBatchNorm2d": (FrozenBatchNorm2d(3), (2, 3, 4, 3)),
    "frozenBatchNorm2d eps 0": (FrozenBatchNorm2d(3, eps=0.0), (2, 3, 4, 3)),
    "groupNorm": (nn.GroupNorm(2, 4), (2, 4, 3, 3)),
    "layerNorm": (nn.LayerNorm(5, eps=1e-6), (2, 3, 5)),
    "layerNorm2d": (LayerNorm2d(4), (2, 4, 3, 2)),
    "relu": (nn.ReLU(), (3, 4)),
    "relu6": (nn.ReLU6(), (3, 4)),
    "hardswish": (nn.Hardswish(), (3, 4)),
    "hardsigmoid": (nn.Hardsigmoid(), (3, 4)),
    "silu": (nn.SiLU(), (3, 4)),
    "gelu": (nn.GELU(), (3, 4)),
    "sigmoid": (nn.Sigmoid(), (3, 4)),
    "identity": (nn.Identity(), (3, 4)),
    "dropout": (nn.Dropout(0.4), (3, 4)),
    "flatten": (nn.Flatten(), (2, 2, 2, 2)),
    "permute": (Permute([0, 2, 3, 1]), (2, 3, 2, 4)),
    "depthwise conv2d": (nn.Conv2d(4, 4, 7, padding=3, groups=4), (1, 4, 5, 6)),
    "maxPool2d": (nn.MaxPool2d(3, 2, 1, ceil_mode=True), (1, 2, 6, 5)),
    "maxPool2d with its own stride": (nn.MaxPool2d((2, 3)), (1, 2, 6, 6)),
    "adaptiveAvgPool2d": (nn.AdaptiveAvgPool2d((2, 3)), (1, 2, 5, 7)),
    "convNormActivation": (Conv2dNormActivation(3, 4, 3, stride=2, activation_layer=nn.Hardswish), (1, 3, 5, 5)),
    "convNormActivation plain": (Conv2dNormActivation(3, 4, 5, norm_layer=None, activation_layer=None, dilation=2),
                                 (1, 3, 9, 9)),
    "squeezeExcitation": (SqueezeExcitation(4, 2, scale_activation=nn.Hardsigmoid), (2, 4, 3, 3)),
}


def numbers(tensor):
    return {"shape": list(tensor.shape), "values": [float(f"{v:.9g}") for v in tensor.flatten().tolist()]}


def initial_values():
    """First values of parameters after manual_seed(5), each drawn on its own."""
    shape = (6, 4, 3, 3)
    yield "conv2d", dict(nn.Conv2d(4, 6, 3).named_parameters())
    yield "linear", dict(nn.Linear(20, 7).named_parameters())
    for name, draw in {
        "kaimingNormal fanOut relu": lambda w: nn.init.kaiming_normal_(w, mode="fan_out", nonlinearity="relu"),
        "kaimingNormal": nn.init.kaiming_normal_,
        "kaimingUniform a 1": lambda w: nn.init.kaiming_uniform_(w, a=1),
        "kaimingUniform linear": lambda w: nn.init.kaiming_uniform_(w, nonlinearity="linear"),
        "xavierUniform": lambda w: nn.init.xavier_uniform_(w, gain=2.0),
        "normal": lambda w: nn.init.normal_(w, 0.0, 0.01),
        "uniform": lambda w: nn.init.uniform_(w, -2.0, 3.0),
    }.items():
        yield name, {"weight": draw(torch.empty(shape))}


def main():
    torch.manual_seed(5)
    initial = []
    for name, parameters in initial_values():
        initial.append({"name": name, "state": {k: numbers(v.detach()) for k, v in parameters.items()}})
        torch.manual_seed(5)
    torch.manual_seed(20)
    cases = []
    with torch.no_grad():
        for name, (layer, shape) in CASES.items():
            for key, tensor in layer.state_dict().items():
                if tensor.is_floating_point():
                    tensor.copy_((torch.rand(tensor.shape) + (0.5 if key.endswith("var") else -0.5)).mul(1000).round() / 1000)
            x = ((torch.rand(shape) - 0.5) * 16000).round() / 1000
            state = {k: numbers(v) for k, v in layer.state_dict().items() if v.is_floating_point()}
            case = {"name": name, "state": state, "input": numbers(x), "output": numbers(layer.eval()(x))}
            if name == "batchNorm2d":
                layer.train()
                case["trained"] = {"output": numbers(layer(x)), "state": {k: numbers(v) for k, v in layer.state_dict().items()}}
            cases.append(case)
    sections = {"cases": cases, "initial": initial}
    body = ",\n".join(
        f'  "{name}": [\n' + ",\n".join("    " + json.dumps(entry) for entry in entries) + "\n  ]"
        for name, entries in sections.items())
    OUT.write_text(f'{{\n  "torch": {json.dumps(torch.__version__)},\n{body}\n}}\n')


if __name__ == "__main__":
    main()
