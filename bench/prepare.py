"""Writes what the benchmarks run on into a folder: prepare.py FOLDER SUBJECT ...

For a model: its state dict, the image as a JPEG file and as pixels, and torchvision's ONNX export. For the operators: their inputs.
What is there already is kept.

Weights are random, scaled so that activations keep their size (test/oracle/fill.py), and class logits have a spread and a mean that
leave some hundreds or thousands of candidates above the model's threshold: plain random weights would leave most of all, and selecting
and suppressing boxes would cost what it does not in use.
"""

import json
import pathlib
import sys
import warnings
from fnmatch import fnmatchcase

import torch
from PIL import Image
from safetensors.torch import save_file
from torchvision.models import detection

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "test" / "oracle"))

from fill import TARGETS, calibrate, fill, image  # noqa: E402

HEIGHT, WIDTH = 480, 640
CLASSES = 91


def against_background(logit, per_place):
    """Means of class logits: the background's, and 0 for all others."""
    return ([float(logit)] + [0.0] * (CLASSES - 1)) * per_place


# By the beginning of the model's name: standard deviation and mean of layers' outputs, by patterns of their names.
RCNN = (
    {**TARGETS, "roi_heads.box_predictor.cls_score": 1.5},
    {"rpn.head.cls_logits": 0.0, "roi_heads.box_predictor.cls_score": against_background(7, 1)},
)
# One-stage heads are shared by all levels: what comes in must be alike in all, so that one bias fits them.
EVEN_LEVELS = {"backbone.fpn.layer_blocks.?.0": 0.0, "backbone.fpn.extra_blocks.p?": 0.0}
LOGITS = {
    "fasterrcnn": RCNN,
    "maskrcnn": ({**RCNN[0], "roi_heads.mask_predictor.mask_fcn_logits": 2.0}, RCNN[1]),
    "retinanet": (
        {"head.*.cls_logits": 1.5, "head.*.bbox_reg": 0.3},
        {**EVEN_LEVELS, "head.*.cls_logits": -8.5, "head.*.bbox_reg": 0.0},
    ),
    "fcos": (
        {"head.*.cls_logits": 1.5, "head.*.bbox_ctrness": 1.0, "head.*.bbox_reg": 0.7},
        {**EVEN_LEVELS, "head.*.cls_logits": -7.5, "head.*.bbox_ctrness": 0.0, "head.*.bbox_reg": 1.5},
    ),
}
# The last convolution of each level of SSD's heads, and SSDlite's, which have one before it. The background's logit.
SSD = {"ssd300": ("module_list.?", 10), "ssdlite": ("module_list.?.1", 10)}
SSD_VALUES = {"backbone.scale_weight": [20.0] * 512}


def matching(model, patterns):
    names = [name for name, _ in model.named_modules()]
    return {name: value for pattern, value in patterns.items() for name in names if fnmatchcase(name, pattern)}


def calibration(name, model):
    family = name.split("_")[0].removesuffix("320")
    if family not in SSD:
        targets, means = LOGITS[family]
        return {"targets": matching(model, targets), "means": matching(model, means)}
    last, background = SSD[family]
    classify = matching(model, {f"head.classification_head.{last}": None})
    regress = matching(model, {f"head.regression_head.{last}": None})
    boxes = model.anchor_generator.num_anchors_per_location()
    logits = {layer: against_background(background, count) for layer, count in zip(classify, boxes)}
    return {
        "targets": {**dict.fromkeys(classify, 1.5), **dict.fromkeys(regress, 1.0)},
        "means": {**logits, **dict.fromkeys(regress, 0.0)},
        # Maps of a few places only have no mean to be moved: their biases are given.
        "values": {**{f"{layer}.bias": bias for layer, bias in logits.items()}, **(SSD_VALUES if family == "ssd300" else {})},
    }


@torch.no_grad()
def prepare_model(name, folder):
    photo = image(HEIGHT, WIDTH, 5, "rgb")
    pixels = (photo * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous()
    model = detection.__dict__[name](weights=None, weights_backbone=None).eval()
    scales, values = calibrate(model, lambda: model([photo]), **calibration(name, model))
    fill(model, scales, values)
    save_file(dict(model.state_dict()), str(folder / f"{name}.safetensors"))
    (folder / f"{name}.rgb").write_bytes(pixels.numpy().tobytes())
    Image.fromarray(pixels.numpy()).save(folder / f"{name}.jpg", quality=90)
    (folder / f"{name}.json").write_text(json.dumps({"height": HEIGHT, "width": WIDTH}))
    outputs = list(model([photo])[0])
    torch.onnx.export(
        model,
        ([photo],),
        str(folder / f"{name}.onnx"),
        opset_version=17,
        input_names=["image"],
        output_names=outputs,
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
