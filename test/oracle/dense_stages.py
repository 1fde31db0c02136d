"""Runs a one-stage detector stage by stage, as stages.py does two-stage ones.

The model is torchvision's RetinaNet, FCOS or SSD, or any module made like them: `transform`, `backbone`, `head` (maps to a
dict of tensors) and `anchor_generator`, which its forward calls in this order.
"""

from collections import OrderedDict

import torch
from torch import nn
from torchvision.models.detection.image_list import ImageList

from stages import FEATURE_SEED, SAMPLE, normal, record


class GivenBatch(nn.Module):
    """In the place of the transform: a batch that is made already, and detections left in its pixels."""

    def __init__(self, batch):
        super().__init__()
        self.batch = batch

    def forward(self, images, targets=None):
        return self.batch, targets

    def postprocess(self, result, image_shapes, original_image_sizes):
        return result


class GivenMaps(nn.Module):
    """In the place of the backbone."""

    def __init__(self, maps):
        super().__init__()
        self.maps = maps

    def forward(self, batch):
        return self.maps


def head_stage(model, features, batch):
    """Anchors of one image, the head's outputs, and the detections of each image in pixels of the batch."""

    def run(keep):
        outputs, anchors = keep(model.head), keep(model.anchor_generator)
        transform, backbone = model.transform, model.backbone
        model.transform, model.backbone = GivenBatch(batch), GivenMaps(features)
        try:
            detections = model([torch.zeros(3, *size) for size in batch.image_sizes])
        finally:
            model.transform, model.backbone = transform, backbone
        return anchors[0][0], outputs[0], detections

    return record(run)


@torch.no_grad()
def run_dense_stages(model, images, golden, sample=SAMPLE):
    """Adds each stage's outputs to `golden` and returns the end-to-end detections."""
    batch, _ = model.transform(images)
    sizes, tensors = batch.image_sizes, batch.tensors
    golden.meta["imageSizes"] = [list(s) for s in sizes]
    golden.add("transform.batch", tensors, sample)

    features = model.backbone(normal(tensors.shape, FEATURE_SEED - 1).to(tensors))
    features = features if isinstance(features, dict) else {"0": features}
    golden.meta["featureShapes"] = {k: list(v.shape) for k, v in features.items()}
    for name, tensor in features.items():
        golden.add(f"backbone.{name}", tensor, sample)

    noise = {k: normal(v.shape, FEATURE_SEED + i).to(v) for i, (k, v) in enumerate(features.items())}
    anchors, outputs, detections = head_stage(model, OrderedDict(noise), ImageList(tensors, sizes))
    golden.add("head.anchors", anchors, sample)
    for name, tensor in outputs.items():
        golden.add(f"head.{name}", tensor, sample)
    add_detections(golden, "head", detections)

    results = model(images)
    add_detections(golden, "detections", results)
    return results


def add_detections(golden, prefix, detections):
    for i, found in enumerate(detections):
        for key in ("boxes", "labels", "scores"):
            golden.add(f"{prefix}.{key}.{i}", found[key], 10**6)
