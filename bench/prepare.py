"""Writes what the benchmarks run on into a folder: prepare.py FOLDER SUBJECT ...

For a model: its state dict (random weights, scaled so that detections come out), the image, and torchvision's ONNX export.
For the operators: their inputs. What is there already is kept.
"""

import json
import pathlib
import sys
import warnings

import torch
from safetensors.torch import save_file
from torchvision.models import detection

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "test" / "oracle"))

from fill import TARGETS, calibrate, fill, image  # noqa: E402

HEIGHT, WIDTH = 480, 640


@torch.no_grad()
def prepare_model(name, folder):
    photo = image(HEIGHT, WIDTH, 5, "rgb")
    pixels = (photo * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous()
    model = detection.__dict__[name](weights=None, weights_backbone=None).eval()
    targets = {**TARGETS, "roi_heads.box_predictor.cls_score": 1.5}
    scales, values = calibrate(model, lambda: model([photo]), targets)
    fill(model, scales, values)
    save_file(dict(model.state_dict()), str(folder / f"{name}.safetensors"))
    (folder / f"{name}.rgb").write_bytes(pixels.numpy().tobytes())
    (folder / f"{name}.json").write_text(json.dumps({"height": HEIGHT, "width": WIDTH}))
    torch.onnx.export(
        model,
        ([photo],),
        str(folder / f"{name}.onnx"),
        opset_version=17,
        input_names=["image"],
        output_names=["boxes", "labels", "scores"],
        dynamo=False,
    )


def boxes(count, height, width, largest):
    corner = torch.rand(count, 2) * torch.tensor([width, height])
    size = torch.rand(count, 2) * largest + 1
    return torch.cat([corner, corner + size], 1)


def prepare_operator(name, folder):
    torch.manual_seed(0)
    if name == "nms":
        tensors = {"boxes": boxes(10_000, 800, 1088, 120), "scores": torch.rand(10_000)}
    else:
        rois = torch.cat([torch.zeros(1000, 1), boxes(1000, 700, 950, 250)], 1)
        tensors = {"features": torch.randn(1, 256, 200, 272), "rois": rois}
    save_file(tensors, str(folder / f"{name}.safetensors"))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    target = pathlib.Path(sys.argv[1])
    for subject in sys.argv[2:]:
        last = target / f"{subject}.{'safetensors' if subject in ('nms', 'roi_align') else 'onnx'}"
        if not last.exists():
            (prepare_operator if last.suffix == ".safetensors" else prepare_model)(subject, target)
