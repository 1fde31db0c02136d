"""Names of the trainable parameters of a saved detector that get no gradient, or one that is not finite or all zero.

    python test/oracle/gradients.py detector.pt

Runs what Python can of an archive of torchdet: its backbone and heads, in training mode, on random images.
"""

import json
import sys

import torch


def outputs(model, images):
    features = model.backbone(images)
    maps = list(features.values())
    if hasattr(model, "head"):
        yield from model.head(maps).values()
        return
    for per_level in model.rpn.head(maps):
        yield from per_level
    # Any pooled features will do: the first map, brought to 7 x 7.
    pooled = torch.stack([torch.nn.functional.adaptive_avg_pool2d(m, 7) for m in maps]).sum(0)
    yield from model.roi_heads.box_predictor(model.roi_heads.box_head(pooled))


def main():
    model = torch.jit.load(sys.argv[1]).train()
    torch.manual_seed(0)
    loss = sum((out * torch.randn_like(out)).sum() for out in outputs(model, torch.randn(2, 3, 64, 96)))
    loss.backward()
    trainable = {name: p for name, p in model.named_parameters() if p.requires_grad}
    without = [n for n, p in trainable.items() if p.grad is None or not p.grad.isfinite().all() or not p.grad.any()]
    print(json.dumps({"trainable": len(trainable), "without": without}))


if __name__ == "__main__":
    main()
