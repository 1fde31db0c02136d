"""Weights and images by rule, so that golden files need not store them. test/parity/fill.ts states the same rules.

Every tensor of a state dict is drawn by itself after manual_seed(crc32(name)):
  weights of two or more dimensions   randn * scale / sqrt(fan in)
  `weight` of a norm, `running_var`   rand * 0.5 + 0.75
  `running_mean`, every bias          randn * 0.5
`scale` is 1 unless the golden file lists another for that name; a tensor listed under `values` is taken from there.
calibrate() finds scales and centred biases with which activations neither die nor explode and scores spread.
"""

import math
import zlib

import torch
from torch import nn

BLOCK = 8


def draw(name, shape, scale=1.0):
    torch.manual_seed(zlib.crc32(name.encode()))
    leaf = name.rsplit(".", 1)[-1]
    if len(shape) > 1:
        return torch.randn(shape) * (scale / math.sqrt(math.prod(shape[1:])))
    if leaf in ("weight", "running_var"):
        return torch.rand(shape) * 0.5 + 0.75
    return torch.randn(shape) * 0.5


@torch.no_grad()
def fill(module, scales=None, values=None, prefix=""):
    for name, tensor in module.state_dict().items():
        name = prefix + name
        if name.endswith("num_batches_tracked"):
            continue
        if values and name in values:
            tensor.copy_(torch.tensor(values[name]))
        else:
            tensor.copy_(draw(name, tuple(tensor.shape), (scales or {}).get(name, 1.0)))


def image(height, width, seed, kind="float"):
    """Uniform colours in blocks of 8 x 8 pixels. kind: float (CHW in 0..1), rgb or grey (uint8, HWC); noise: as float, each
    pixel for itself."""
    torch.manual_seed(seed)
    if kind == "noise":
        return torch.rand(3, height, width)
    channels = 1 if kind == "grey" else 3
    colours = torch.rand(channels, math.ceil(height / BLOCK), math.ceil(width / BLOCK))
    pixels = colours.repeat_interleave(BLOCK, 1).repeat_interleave(BLOCK, 2)[:, :height, :width].contiguous()
    if kind == "float":
        return pixels
    # What a decoder would hand over, and what torchvision's to_tensor makes of it; grey is repeated to three channels.
    return ((pixels * 255).to(torch.uint8).float() / 255).expand(3, -1, -1).contiguous()


def _channels_first(module, output):
    """A linear layer on channels-last maps gives such maps."""
    return output.permute(0, 3, 1, 2) if isinstance(module, nn.Linear) and output.dim() == 4 else output


# Fewer places of a map do not tell a channel's mean and spread.
FEWEST = 8


def _spread(output):
    """Standard deviation around each channel's own mean; of a map of few places around 0."""
    flat = output.transpose(0, 1).flatten(1) if output.dim() == 4 else output.t()
    if output.dim() == 4 and flat.shape[1] < FEWEST:
        return flat.pow(2).mean().sqrt().item()
    return (flat - flat.mean(1, keepdim=True)).pow(2).mean().sqrt().item()


TARGETS = {
    "rpn.head.cls_logits": 1.0,
    "rpn.head.bbox_pred": 0.3,
    "roi_heads.box_predictor.cls_score": 1.0,
    "roi_heads.box_predictor.bbox_pred": 1.0,
}
CENTRED = ("rpn.head.cls_logits", "roi_heads.box_predictor.cls_score")


def round3(value):
    return float(f"{value:.3g}")


@torch.no_grad()
def calibrate(model, run, targets=TARGETS, means=CENTRED, values=None):
    """Runs the model once, rescaling each convolution and linear layer as its first call comes by.

    targets: standard deviation wanted of a layer's output, 1 elsewhere. means: layers whose biases bring each channel's mean
    to a value, or to the values of a list; of names alone, to 0. values: tensors that are given.
    """
    values = dict(values or {})
    means = means if isinstance(means, dict) else dict.fromkeys(means, 0.0)
    fill(model, values=values)
    scales, handles = {}, []

    def hook_for(name):
        def hook(module, args, output):
            if f"{name}.weight" in scales:
                return output
            plain = _channels_first(module, output)
            if module.bias is not None:
                plain = plain - module.bias.view(-1, *[1] * (plain.dim() - 2))
            scale = round3(targets.get(name, 1.0) / max(_spread(plain), 1e-6))
            scales[f"{name}.weight"] = scale
            module.weight.copy_(draw(f"{name}.weight", tuple(module.weight.shape), scale))
            places = plain.numel() // plain.shape[1] if plain.dim() == 4 else FEWEST
            if name in means and places >= FEWEST:
                module.bias.zero_()
                output = module.forward(*args)
                found = output.transpose(0, 1).flatten(1).mean(1) if output.dim() == 4 else output.mean(0)
                bias = torch.as_tensor(means[name]) - found
                values[f"{name}.bias"] = [round(b, 4) for b in bias.tolist()]
                module.bias.copy_(torch.tensor(values[f"{name}.bias"]))
            return module.forward(*args)

        return hook

    for name, module in model.named_modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            handles.append(module.register_forward_hook(hook_for(name)))
    run()
    for handle in handles:
        handle.remove()
    return scales, values
