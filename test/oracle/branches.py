"""Writes test/fixtures/parity-branches/*.safetensors: Mask R-CNN and Keypoint R-CNN, as parity.py does Faster R-CNN.

    branches.py [case ...] [--out DIR]

test/parity/branch-cases.ts builds the same detectors with torchdet. Beside what parity.py keeps: the masks of 28 x 28 and as
pasted, the keypoints in the batch and in the image, and `margins`, by how much a heat map's largest pixel exceeds the next:
where that is nothing, either pixel is right.
"""

import argparse
import pathlib

import torch
from torch import nn
from torch.nn import functional as F
from torchvision.models import detection as D
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor
from torchvision.models.detection.keypoint_rcnn import KeypointRCNN, KeypointRCNNHeads, KeypointRCNNPredictor
from torchvision.models.detection.mask_rcnn import MaskRCNN, MaskRCNNHeads, MaskRCNNPredictor
from torchvision.ops import MultiScaleRoIAlign

from cases import ONE_LEVEL, SMALL, Case, mobile, named, resnet
from fill import CENTRED
from parity import Suite, fix_scales, make, rcnn_calibration
from stages import run_stages

FIXTURES = pathlib.Path(__file__).parent.parent / "fixtures" / "parity-branches"
MASK_SAMPLE = 1500
FEW = {**SMALL, "box_detections_per_img": 8}
LITTLE = {"min_size": 96, "max_size": 160, "rpn_post_nms_top_n_test": 40, "box_detections_per_img": 12}
UPSCALED = [(40, 57), (150, 131, "rgb")]

CASES = {
    "maskrcnn_resnet50_fpn": Case(named(D.maskrcnn_resnet50_fpn, **{**FEW, "rpn_post_nms_top_n_test": 25})),
    "maskrcnn_resnet50_fpn_v2": Case(named(D.maskrcnn_resnet50_fpn_v2, **{**FEW, "rpn_post_nms_top_n_test": 25})),
    "keypointrcnn_resnet50_fpn": Case(named(D.keypointrcnn_resnet50_fpn, 2, **FEW)),
    "options-masks": Case(
        lambda: MaskRCNN(
            resnet("resnet18"),
            box_predictor=FastRCNNPredictor(1024, 5),
            mask_roi_pool=MultiScaleRoIAlign(["0", "1", "2"], 10, 3, canonical_scale=112, canonical_level=3),
            mask_head=MaskRCNNHeads(256, (64, 96), 2, norm_layer=nn.BatchNorm2d),
            mask_predictor=MaskRCNNPredictor(96, 48, 5),
            **LITTLE,
        ),
        UPSCALED,
    ),
    "options-keypoints": Case(
        lambda: KeypointRCNN(
            resnet("resnet18"),
            box_predictor=FastRCNNPredictor(1024, 3),
            keypoint_roi_pool=MultiScaleRoIAlign(["0", "1"], (12, 9), -1),
            keypoint_head=KeypointRCNNHeads(256, (64, 32, 48)),
            keypoint_predictor=KeypointRCNNPredictor(48, 7),
            **LITTLE,
        ),
        UPSCALED,
    ),
    "masks-of-one-level": Case(
        lambda: MaskRCNN(
            mobile("mobilenet_v2", False),
            box_predictor=FastRCNNPredictor(1024, 6),
            mask_head=MaskRCNNHeads(256, (32,), 1),
            mask_predictor=MaskRCNNPredictor(32, 32, 6),
            **ONE_LEVEL,
            **LITTLE,
        )
    ),
}


def margins(heatmaps, boxes):
    """Per detection and keypoint: the largest pixel of the resized heat map less the second largest."""
    sides = (boxes[:, 2:] - boxes[:, :2]).clamp(min=1).ceil().int().tolist()
    found = []
    for heatmap, (width, height) in zip(heatmaps, sides):
        resized = F.interpolate(heatmap[:, None], (height, width), mode="bicubic", align_corners=False)
        best = resized.flatten(1).topk(min(2, width * height), dim=1).values
        found.append(best[:, 0] - best[:, -1])
    return torch.stack(found) if found else heatmaps.new_zeros((0, heatmaps.shape[1]))


@torch.no_grad()
def run_branch_stages(model, images, golden, sample):
    heads = model.roi_heads
    rois, heatmaps = [], []
    hooks = [heads.register_forward_hook(lambda m, a, out: rois.append(out[0]))]
    if heads.keypoint_predictor is not None:
        hooks.append(heads.keypoint_predictor.register_forward_hook(lambda m, a, out: heatmaps.append(out)))
    results = run_stages(model, images, golden, sample)
    for hook in hooks:
        hook.remove()
    # The RoI heads ran twice: on noise, then end to end.
    for prefix, call, detections in (("roiHeads", 0, rois[0]), ("detections", 1, results)):
        for i, found in enumerate(detections):
            for key in ("masks", "keypoints", "keypoints_scores"):
                if key in found:
                    golden.add(f"{prefix}.{key}.{i}", found[key], MASK_SAMPLE if key == "masks" else 10**6)
        if heatmaps:
            boxes = [found["boxes"] for found in rois[call]]
            parts = heatmaps[call].split([len(b) for b in boxes])
            for i, (part, own) in enumerate(zip(parts, boxes)):
                golden.add(f"{prefix}.margins.{i}", margins(part, own), 10**6)
    return results


def calibration(model):
    known = rcnn_calibration(model)
    if model.roi_heads.mask_predictor is None:
        return known
    logits = "roi_heads.mask_predictor.mask_fcn_logits"
    return {"targets": {**known["targets"], logits: 2.0}, "means": [*CENTRED, logits]}


SUITE = Suite(run_branch_stages, calibration, fix_scales, ("rpn.proposals", "roiHeads.boxes"))

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*")
    parser.add_argument("--out", default=FIXTURES, type=pathlib.Path)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for case_name in arguments.cases or CASES:
        make(case_name, CASES[case_name], arguments.out, suite=SUITE)
