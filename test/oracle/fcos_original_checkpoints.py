"""Writes test/fixtures/checkpoints/fcos-original-*.pth: names and shapes as the original FCOS repository saves them.

The real files hold 130 MB. Here tensor i of a file, in its order, is filled with the number i, which a stride of 0 stores once.
"""

import collections
import pathlib

import torch

FOLDER = pathlib.Path(__file__).parents[1] / "fixtures/checkpoints"
WIDTHS = ((64, 3), (128, 4), (256, 6), (512, 3))


def norm(name, channels, frozen=True):
    leaves = ("weight", "bias", "running_mean", "running_var") if frozen else ("weight", "bias")
    return [(f"{name}.{leaf}", (channels,)) for leaf in leaves]


def conv(name, c_out, c_in, k, bias=True):
    return [(f"{name}.weight", (c_out, c_in, k, k))] + ([(f"{name}.bias", (c_out,))] if bias else [])


def deformable(name, channels, modulated, bias):
    offset = conv(f"{name}.offset", 27 if modulated else 18, channels, 3)
    return offset + conv(f"{name}.conv", channels, channels, 3, bias)


def body(dcn_layers, modulated):
    entries = conv("stem.conv1", 64, 3, 7, bias=False) + norm("stem.bn1", 64)
    c_in = 64
    for layer, (width, count) in enumerate(WIDTHS, 1):
        for i in range(count):
            block = f"layer{layer}.{i}"
            if i == 0:
                entries += conv(f"{block}.downsample.0", 4 * width, c_in, 1, False) + norm(f"{block}.downsample.1", 4 * width)
            entries += conv(f"{block}.conv1", width, c_in, 1, False) + norm(f"{block}.bn1", width)
            if layer in dcn_layers:
                entries += deformable(f"{block}.conv2", width, modulated, bias=False)
            else:
                entries += conv(f"{block}.conv2", width, width, 3, False)
            entries += norm(f"{block}.bn2", width)
            entries += conv(f"{block}.conv3", 4 * width, width, 1, False) + norm(f"{block}.bn3", 4 * width)
            c_in = 4 * width
    return [(f"backbone.body.{name}", shape) for name, shape in entries]


def pyramid(group_norm, relu):
    entries = []
    for layer in (2, 3, 4):
        for kind, c_in, k in (("inner", 128 << layer, 1), ("layer", 256, 3)):
            name = f"fpn_{kind}{layer}"
            entries += conv(f"{name}.0" if group_norm or relu else name, 256, c_in, k, bias=not group_norm)
            entries += norm(f"{name}.1", 256, frozen=False) if group_norm else []
    entries += conv("top_blocks.p6", 256, 256, 3) + conv("top_blocks.p7", 256, 256, 3)
    return [(f"backbone.fpn.{name}", shape) for name, shape in entries]


def head(dcn):
    entries = []
    for tower in ("cls_tower", "bbox_tower"):
        for i in (0, 3, 6, 9):
            name = f"{tower}.{i}"
            entries += deformable(name, 256, True, bias=True) if dcn and i == 9 else conv(name, 256, 256, 3)
            entries += norm(f"{tower}.{i + 1}", 256, frozen=False)
    for name, c_out in (("cls_logits", 80), ("bbox_pred", 4), ("centerness", 1)):
        entries += conv(name, c_out, 256, 3)
    entries += [(f"scales.{i}.scale", (1,)) for i in range(5)]
    return [(f"rpn.head.{name}", shape) for name, shape in entries]


def write(name, prefix="module.", dcn_layers=(), modulated=True, group_norm=False, relu=False, dcn_in_tower=False):
    entries = body(dcn_layers, modulated) + pyramid(group_norm, relu) + head(dcn_in_tower)
    numbers = torch.arange(len(entries), dtype=torch.float16)
    state = collections.OrderedDict(
        (prefix + key, numbers[i : i + 1].view((1,) * len(shape)).expand(shape)) for i, (key, shape) in enumerate(entries)
    )
    path = FOLDER / f"fcos-original-{name}.pth"
    torch.save({"model": state}, path)
    print(path.name, len(entries), "tensors,", path.stat().st_size // 1024, "KB")


if __name__ == "__main__":
    write("plain")
    write("fpn-norm", group_norm=True, relu=True)
    write("fpn-relu", prefix="", relu=True)
    write("deformable", dcn_layers=(3, 4), dcn_in_tower=True)
