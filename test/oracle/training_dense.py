"""Writes test/fixtures/training/dense/*.safetensors: steps of training one-stage detectors, as training.py does R-CNNs.

    training_dense.py [case ...] [--out DIR]

All are of eager torchvision but the original FCOS, whose reference is fcos_original.py. test/training/dense-cases.ts builds the same.
"""

import argparse
import pathlib
from functools import partial

import torch
from torch import nn
from torchvision.models.detection.retinanet import RetinaNetHead

import cases_fcos
import cases_fcos_original
import cases_retinanet
import cases_ssd
from dense import matching
from dense_cases import resnet_p6p7, resnet_pool
from training import FIXTURES, PAIR, STEPS, make

SIZES = {"min_size": (56, 64, 72), "max_size": 96}
CLASSES = 7
EMPTY = [(90, 120, 0), (100, 77, 3)]
CROWD = [(90, 120, 40), (100, 77, 3)]
# Variants show that an option arrives; the formulas are in dense_losses.py.
FEW = 2


def retinanet(**options):
    return cases_retinanet.small(resnet_p6p7(), **{**SIZES, **options})


def retinanet_v2():
    model = retinanet(head=RetinaNetHead(256, 9, 7, partial(nn.GroupNorm, 32)))
    model.head.regression_head._loss_type = "giou"
    return model


def fcos(**options):
    return cases_fcos.small(resnet_p6p7(), **{**SIZES, **options})


def fcos_original(**options):
    model = cases_fcos_original.small(**{**SIZES, **options})
    # What the repository freezes: the stem and the first stage
    for prefix in ("conv1", "layer1"):
        model.backbone.body.get_submodule(prefix).requires_grad_(False)
    return model


def ssd(**options):
    return cases_ssd.small(resnet_pool(), [[2]] * 5, lite=False, channels=[256] * 5, size=(96, 96), **options)


def ssdlite():
    """Random weights under batch norms have gradients of rounding only: those of the backbone are frozen."""
    return cases_ssd.lite(backbone={"norm": "frozen"})


# name: (family, builder, images and their counts of boxes, learning rate, steps)
CASES = {
    "retinanet": (cases_retinanet, retinanet, PAIR, 2e-5, STEPS),
    "retinanet-v2": (cases_retinanet, retinanet_v2, PAIR, 2e-5, STEPS),
    "fcos": (cases_fcos, fcos, PAIR, 2e-5, STEPS),
    "fcos-original": (cases_fcos_original, fcos_original, PAIR, 2e-5, STEPS),
    "ssd": (cases_ssd, ssd, PAIR, 2e-5, STEPS),
    "ssdlite": (cases_ssd, ssdlite, PAIR, 2e-5, STEPS),
    # Variants: every option away from its default, and an image without boxes. RetinaNet divides the loss of such an image by nothing.
    "retinanet-options": (cases_retinanet, lambda: retinanet(fg_iou_thresh=0.6, bg_iou_thresh=0.3), EMPTY, 2e-7, FEW),
    "fcos-options": (cases_fcos, lambda: fcos(center_sampling_radius=0.8), EMPTY, 2e-5, FEW),
    "fcos-original-options": (cases_fcos_original, lambda: fcos_original(center_sampling_radius=0), EMPTY, 2e-5, FEW),
    "ssd-options": (cases_ssd, lambda: ssd(iou_thresh=0.4, positive_fraction=0.4), EMPTY, 2e-5, FEW),
    "ssdlite-many-boxes": (cases_ssd, ssdlite, CROWD, 2e-5, FEW),
}


def calibration(family, model):
    return {
        "targets": matching(model, family.TARGETS),
        "means": matching(model, family.MEANS),
        "values": getattr(family, "VALUES", None),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", help=f"default: all of {', '.join(CASES)}")
    parser.add_argument("--out", type=pathlib.Path, default=FIXTURES / "dense")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name in arguments.cases or CASES:
        family, build, recipes, learning_rate, steps = CASES[name]
        torch.manual_seed(0)
        calibrated = partial(calibration, family)
        make(name, build(), recipes, CLASSES, arguments.out, calibrated, learning_rate=learning_rate, steps=steps)


if __name__ == "__main__":
    main()
