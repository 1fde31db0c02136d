"""Writes test/fixtures/dense-checkpoints: a tiny RetinaNet's weights as files of 2020 had them, and what torchvision finds with them.

Names are those from before the heads and the pyramid were made of Conv2dNormActivation, the file is a legacy pickle.
"""

import pathlib
import re

import torch

from archives import DENSE_TARGETS, LOGITS, add_detections, retinanet
from fill import calibrate, fill, image
from stages import Golden

OUT = pathlib.Path(__file__).parent.parent / "fixtures" / "dense-checkpoints"
IMAGE = {"height": 96, "width": 128, "seed": 7}


def old_name(name):
    name = re.sub(r"^(head\..*\.conv)\.(\d+)\.0\.", lambda m: f"{m[1]}.{2 * int(m[2])}.", name)
    return re.sub(r"^(backbone\.fpn\.\w+_blocks\.\d+)\.0\.", r"\1.", name)


@torch.no_grad()
def main():
    OUT.mkdir(parents=True, exist_ok=True)
    images = [image(**IMAGE)]
    torch.manual_seed(0)
    model = retinanet().eval()
    fill(model, *calibrate(model, lambda: model(images), DENSE_TARGETS, LOGITS))
    state = {old_name(name): tensor.clone() for name, tensor in model.state_dict().items()}
    assert len(state) == len(model.state_dict()) and "head.regression_head.conv.6.bias" in state
    path = OUT / "retinanet-2020.pth"
    torch.save(state, path, _use_new_zipfile_serialization=False)

    # torchvision's own migration reads it.
    model = retinanet().eval()
    model.load_state_dict(torch.load(path))
    golden = Golden(case="retinanet-2020", images=[IMAGE], noise={"boxes": 0, "scores": 0})
    add_detections(golden, model(images))
    golden.save(OUT / "retinanet-2020.safetensors")
    print(len(model(images)[0]["scores"]), "detections,", path.stat().st_size // 1024, "KB")


if __name__ == "__main__":
    main()
