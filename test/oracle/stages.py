"""Runs a torchvision detector stage by stage and packs what came out into a golden file.

Every stage gets inputs that the other side can make for itself: images and normal tensors from seeds, proposals from the
file. Large outputs are kept as strided samples together with their norm.
"""

import json

import torch
from safetensors.torch import save_file
from torchvision.models.detection.image_list import ImageList

SAMPLE = 400
FEATURE_SEED = 1000


def normal(shape, seed):
    torch.manual_seed(seed)
    return torch.randn(shape)


def is_prime(n):
    return n > 1 and all(n % d for d in range(2, int(n**0.5) + 1))


class Golden:
    def __init__(self, **meta):
        self.tensors, self.meta, self.samples = {}, meta, {}

    def add(self, name, tensor, sample=SAMPLE):
        flat = tensor.detach().contiguous().flatten()
        stride = -(-flat.numel() // sample) if flat.numel() > sample else 1
        while stride > 1 and not is_prime(stride):
            stride += 1
        if flat.is_floating_point():
            self.tensors[name] = flat[::stride].float().clone()
        else:
            self.tensors[name] = flat[::stride].to(torch.int32)
        self.samples[name] = {
            "shape": list(tensor.shape),
            "stride": stride,
            "norm": flat.double().norm().item(),
            "max": flat.double().abs().max().item() if flat.numel() else 0,
        }

    def save(self, path):
        meta = {k: json.dumps(v, separators=(",", ":")) for k, v in {**self.meta, "samples": self.samples}.items()}
        save_file(self.tensors, str(path), metadata=meta)


def record(fn):
    """Calls fn(keep) where keep(module) collects that module's outputs."""
    handles = []

    def keep(module):
        seen = []
        handles.append(module.register_forward_hook(lambda m, a, out: seen.append(out)))
        return seen

    try:
        return fn(keep)
    finally:
        for handle in handles:
            handle.remove()


def rpn_stage(model, features, image_list):
    def run(keep):
        head, anchors, rpn = keep(model.rpn.head), keep(model.rpn.anchor_generator), model.rpn
        scores = []
        filter_proposals = rpn.filter_proposals
        rpn.filter_proposals = lambda *a: scores.append(filter_proposals(*a)) or scores[-1]
        try:
            proposals, _ = rpn(image_list, features)
        finally:
            del rpn.filter_proposals
        flatten = lambda maps, c: torch.cat(
            [m.view(m.shape[0], -1, c, *m.shape[2:]).permute(0, 3, 4, 1, 2).reshape(m.shape[0], -1, c) for m in maps], 1
        )
        objectness, deltas = head[0]
        return anchors[0][0], flatten(objectness, 1), flatten(deltas, 4), proposals, scores[0][1]

    return record(run)


def roi_stage(model, features, proposals, sizes):
    def run(keep):
        pooled, predicted = keep(model.roi_heads.box_roi_pool), keep(model.roi_heads.box_predictor)
        detections, _ = model.roi_heads(features, proposals, sizes)
        return pooled[0], *predicted[0], detections

    return record(run)


@torch.no_grad()
def run_stages(model, images, golden, sample=SAMPLE):
    """Adds each stage's outputs to `golden` and returns the end-to-end detections."""
    batch, _ = model.transform(images)
    sizes, tensors = batch.image_sizes, batch.tensors
    golden.meta["imageSizes"] = [list(s) for s in sizes]
    golden.add("transform.batch", tensors, sample)

    inputs = normal(tensors.shape, FEATURE_SEED - 1).to(tensors)
    features = model.backbone(inputs)
    features = features if isinstance(features, dict) else {"0": features}
    golden.meta["featureShapes"] = {k: list(v.shape) for k, v in features.items()}
    for name, tensor in features.items():
        golden.add(f"backbone.{name}", tensor, sample)

    features = {k: normal(v.shape, FEATURE_SEED + i).to(v) for i, (k, v) in enumerate(features.items())}
    anchors, objectness, deltas, proposals, scores = rpn_stage(model, features, ImageList(tensors, sizes))
    golden.add("rpn.anchors", anchors, sample)
    golden.add("rpn.objectness", objectness, sample)
    golden.add("rpn.deltas", deltas, sample)
    for i, (p, s) in enumerate(zip(proposals, scores)):
        golden.add(f"rpn.proposals.{i}", p, 10**6)
        golden.add(f"rpn.scores.{i}", s, 10**6)

    pooled, logits, regression, detections = roi_stage(model, features, proposals, sizes)
    golden.add("roiHeads.pooled", pooled, sample)
    golden.add("roiHeads.classLogits", logits, sample)
    golden.add("roiHeads.boxRegression", regression, sample)
    for i, d in enumerate(detections):
        for key in ("boxes", "labels", "scores"):
            golden.add(f"roiHeads.{key}.{i}", d[key], 10**6)

    results = model(images)
    for i, d in enumerate(results):
        for key in ("boxes", "labels", "scores"):
            golden.add(f"detections.{key}.{i}", d[key], 10**6)
    return results
