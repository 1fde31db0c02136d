"""Writes test/fixtures/checkpoints/old-mask-rcnn.pt: a small Mask R-CNN as files of 2019 have it.

    python test/oracle/branch_checkpoints.py

Pickled without a zip around it, convolutions of the RPN, the pyramid and the mask head under their old names, and a batch
counter beside each frozen norm. torchvision itself loads it (checked here). test/models/branches.test.ts describes the same.
"""

import pathlib
import re

import torch
from torch import nn
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.mask_rcnn import MaskRCNN, MaskRCNNHeads, MaskRCNNPredictor
from torchvision.ops import FrozenBatchNorm2d, MultiScaleRoIAlign

OUT = pathlib.Path(__file__).parents[1] / "fixtures" / "checkpoints" / "old-mask-rcnn.pt"


def stage(inputs, outputs):
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, 4, 1, bias=False), FrozenBatchNorm2d(outputs), nn.ReLU())


def model():
    backbone = BackboneWithFPN(nn.Sequential(stage(3, 8), stage(8, 12)), {"0": "0", "1": "1"}, [8, 12], 16)
    return MaskRCNN(
        backbone,
        rpn_anchor_generator=AnchorGenerator(((32,), (64,), (128,)), ((0.5, 1.0, 2.0),) * 3),
        box_roi_pool=MultiScaleRoIAlign(["0"], 2, 2),
        box_head=TwoMLPHead(16 * 4, 8),
        box_predictor=FastRCNNPredictor(8, 3),
        mask_head=MaskRCNNHeads(16, (16, 16), 1),
        mask_predictor=MaskRCNNPredictor(16, 8, 3),
    )


def old_names(state):
    rules = [
        (r"rpn\.head\.conv\.0\.0\.", "rpn.head.conv."),
        (r"(inner|layer)_blocks\.(\d+)\.0\.", r"\1_blocks.\2."),
        (r"mask_head\.(\d+)\.0\.", lambda m: f"mask_head.mask_fcn{int(m[1]) + 1}."),
    ]
    old = {}
    for name, tensor in state.items():
        for pattern, replacement in rules:
            name = re.sub(pattern, replacement, name)
        old[name] = tensor
        if name.endswith("running_var"):
            old[name.replace("running_var", "num_batches_tracked")] = torch.tensor(0)
    return old


def main():
    torch.manual_seed(11)
    state = model().state_dict()
    old = old_names(state)
    assert len(set(old) - set(state)) == 16, sorted(set(old) - set(state))
    torch.save(old, OUT, _use_new_zipfile_serialization=False)
    other = model()
    other.load_state_dict(torch.load(OUT))
    assert all(torch.equal(state[name], tensor) for name, tensor in other.state_dict().items())


if __name__ == "__main__":
    main()
