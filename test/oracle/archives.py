"""Writes test/fixtures/archives: tiny detectors scripted by Python, and what the scripted archives themselves find.

Backbones are a few convolutions, so that a file takes some hundred kilobytes. Usage: archives.py [name ...] [--out DIR]
"""

import argparse
import pathlib
import warnings
from functools import partial

import torch
from torch import nn
from torchvision.models.detection import FCOS, FasterRCNN, KeypointRCNN, MaskRCNN, RetinaNet
from torchvision.models.detection.anchor_utils import AnchorGenerator, DefaultBoxGenerator
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.keypoint_rcnn import KeypointRCNNHeads, KeypointRCNNPredictor
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.models.detection.retinanet import RetinaNetHead
from torchvision.models.detection.ssd import SSD
from torchvision.models.detection.ssdlite import SSDLiteHead
from torchvision.models.detection.transform import GeneralizedRCNNTransform
from torchvision.ops import MultiScaleRoIAlign

from fill import CENTRED, TARGETS, calibrate, fill, image
from parity import compare
from stages import Golden

FIXTURES = pathlib.Path(__file__).parent.parent / "fixtures" / "archives"
CLASSES = 5
CHANNELS = 16
# Shapes on which scripted torchvision, which computes the resize scale in float32, agrees with eager; checked below.
IMAGES = [(96, 128), (72, 60)]


def conv(inputs, outputs, stride=1):
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )


def plain_backbone(channels=CHANNELS):
    backbone = nn.Sequential(conv(3, 8, 2), conv(8, channels, 2), conv(channels, channels, 2))
    backbone.out_channels = channels
    return backbone


def fpn_backbone(channels=CHANNELS, levels=4):
    """The last level is a pooled one."""
    body = nn.Sequential(conv(3, 8, 2), conv(8, 8, 2), conv(8, 12, 2), conv(12, 16, 2))
    maps = {"1": "0", "2": "1", "3": "2"}
    kept = dict(list(maps.items())[: levels - 1])
    return BackboneWithFPN(body, kept, [8, 12, 16][: levels - 1], channels)


def rcnn(backbone, levels, builder=FasterRCNN, **options):
    maps = [str(i) for i in range(max(1, levels - 1))]
    return builder(
        backbone,
        min_size=96,
        max_size=160,
        rpn_anchor_generator=AnchorGenerator(tuple((12 * 2**i,) for i in range(levels)), ((0.5, 1.0, 2.0),) * levels),
        rpn_post_nms_top_n_test=80,
        box_roi_pool=MultiScaleRoIAlign(maps, 4, 2),
        box_head=TwoMLPHead(CHANNELS * 16, 32),
        box_predictor=FastRCNNPredictor(32, CLASSES),
        box_detections_per_img=30,
        **options,
    )


def extra_name():
    """As fasterrcnn_mobilenet_v3_large_320_fpn: a name without a map, for which torchvision caches no scale either."""
    model = rcnn(fpn_backbone(), 4)
    model.roi_heads.box_roi_pool.featmap_names = ["0", "1", "2", "3"]
    return model


class OwnTransform(GeneralizedRCNNTransform):
    """Gives boxes as shares of the resized image: torchdet must leave the model to its own forward."""

    def postprocess(
        self,
        result: list[dict[str, torch.Tensor]],
        image_shapes: list[tuple[int, int]],
        original_image_sizes: list[tuple[int, int]],
    ) -> list[dict[str, torch.Tensor]]:
        for i, found in enumerate(result):
            height, width = image_shapes[i]
            found["boxes"] = found["boxes"] / torch.tensor([width, height, width, height], dtype=torch.float32)
        return result


def rcnn_own():
    model = rcnn(fpn_backbone(), 4)
    model.transform = OwnTransform([96], 160, model.transform.image_mean, model.transform.image_std)
    return model


def mask_rcnn():
    return rcnn(
        fpn_backbone(),
        4,
        MaskRCNN,
        mask_roi_pool=MultiScaleRoIAlign(["0", "1", "2"], 8, 2),
        mask_head=MaskRCNNHeads(CHANNELS, (CHANNELS,), 1),
        mask_predictor=MaskRCNNPredictor(CHANNELS, CHANNELS, CLASSES),
    )


def keypoint_rcnn():
    return rcnn(
        fpn_backbone(),
        4,
        KeypointRCNN,
        keypoint_roi_pool=MultiScaleRoIAlign(["0", "1", "2"], 8, 2),
        keypoint_head=KeypointRCNNHeads(CHANNELS, (CHANNELS,)),
        keypoint_predictor=KeypointRCNNPredictor(CHANNELS, 6),
    )


SMALL = {"min_size": 96, "max_size": 160, "detections_per_img": 40}


def retinanet():
    generator = AnchorGenerator(((12, 20), (24, 40), (48, 80), (96, 160)), ((0.5, 1.0, 2.0),) * 4)
    return RetinaNet(fpn_backbone(), CLASSES, anchor_generator=generator, **SMALL)


def retinanet_v2():
    """As retinanet_resnet50_fpn_v2: GroupNorm in the head, GIoU as its loss."""
    generator = AnchorGenerator(((12, 20), (24, 40), (48, 80), (96, 160)), ((0.5, 1.0, 2.0),) * 4)
    head = RetinaNetHead(32, 6, CLASSES, partial(nn.GroupNorm, 32))
    head.regression_head._loss_type = "giou"
    return RetinaNet(fpn_backbone(32), CLASSES, anchor_generator=generator, head=head, **SMALL)


class OwnFCOS(FCOS):
    """A class of somebody's own, which may do anything after the head: torchdet must leave it to its own forward."""


def fcos_own():
    generator = AnchorGenerator(((8,), (16,)), ((1.0,),) * 2)
    return OwnFCOS(fpn_backbone(32, 2), CLASSES, anchor_generator=generator, **SMALL)


def fcos():
    generator = AnchorGenerator(((8,), (16,), (32,), (64,)), ((1.0,),) * 4)
    return FCOS(fpn_backbone(32), CLASSES, anchor_generator=generator, **SMALL)


class Pyramid(nn.Module):
    """Three maps for the SSDs."""

    def __init__(self):
        super().__init__()
        self.out_channels = [16, 16, 16]
        self.stem = nn.Sequential(conv(3, 8, 2), conv(8, 16, 2), conv(16, 16, 2))
        self.middle = conv(16, 16, 2)
        self.top = conv(16, 16, 2)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        stem = self.stem(x)
        middle = self.middle(stem)
        return {"0": stem, "1": middle, "2": self.top(middle)}


def ssd():
    return SSD(
        Pyramid(), DefaultBoxGenerator([[2], [2, 3], [2]]), (96, 96), CLASSES, detections_per_img=40
    )


def ssd_steps():
    """Everything of the default boxes given, as ssd300_vgg16 does, for an image wider than high."""
    generator = DefaultBoxGenerator([[2], [2, 3], [2]], scales=[0.1, 0.3, 0.6, 1.2], steps=[8, 15, 31], clip=False)
    return SSD(Pyramid(), generator, (128, 96), CLASSES, positive_fraction=0.2, iou_thresh=0.6, detections_per_img=40)


def ssdlite():
    generator = DefaultBoxGenerator([[2, 3]] * 3, min_ratio=0.2, max_ratio=0.95)
    head = SSDLiteHead([16, 16, 16], generator.num_anchors_per_location(), CLASSES, nn.BatchNorm2d)
    return SSD(
        Pyramid(),
        generator,
        (96, 96),
        CLASSES,
        head=head,
        image_mean=[0.5] * 3,
        image_std=[0.5] * 3,
        score_thresh=0.001,
        nms_thresh=0.55,
        detections_per_img=40,
        topk_candidates=300,
    )


class Quantized(nn.Module):
    """A backbone whose convolutions run in int8."""

    def __init__(self):
        super().__init__()
        self.quant = torch.ao.quantization.QuantStub()
        self.body = nn.Sequential(conv(3, 16, 2), conv(16, 16, 2), conv(16, CHANNELS, 2))
        self.dequant = torch.ao.quantization.DeQuantStub()
        self.out_channels = CHANNELS

    def forward(self, x):
        return self.dequant(self.body(self.quant(x)))


def quantize(model, images):
    """Static int8 quantisation of the filled float model, with the ranges seen on the images themselves."""
    torch.backends.quantized.engine = "fbgemm"
    backbone = model.backbone
    layers = [[f"{i}.{j}" for j in range(3)] for i in range(len(backbone.body))]
    torch.ao.quantization.fuse_modules(backbone.body, layers, inplace=True)
    backbone.qconfig = torch.ao.quantization.get_default_qconfig("fbgemm")
    torch.ao.quantization.prepare(backbone, inplace=True)
    model(images)
    torch.ao.quantization.convert(backbone, inplace=True)
    return model


BUILDERS = {
    "fasterrcnn": lambda: rcnn(plain_backbone(), 1),
    "fasterrcnn-fpn": lambda: rcnn(fpn_backbone(), 4),
    "fasterrcnn-names": extra_name,
    "fasterrcnn-own": rcnn_own,
    "maskrcnn": mask_rcnn,
    "keypointrcnn": keypoint_rcnn,
    "retinanet": retinanet,
    "retinanet-v2": retinanet_v2,
    "fcos": fcos,
    "fcos-own": fcos_own,
    "ssd": ssd,
    "ssd-steps": ssd_steps,
    "ssdlite": ssdlite,
    "fasterrcnn-int8": lambda: rcnn(Quantized(), 1),
}
# Last layers of the dense heads: logits centred and moderate, so that sigmoids and softmaxes do not saturate.
LOGITS = ["head.classification_head.cls_logits", "head.regression_head.bbox_ctrness"]
LOGITS += [f"head.classification_head.module_list.{i}{last}" for i in range(3) for last in ("", ".1")]
DENSE_TARGETS = {**TARGETS, **{name: 0.7 for name in LOGITS}, "head.regression_head.bbox_reg": 0.3}


def add_detections(golden, results, prefix="detections"):
    for i, result in enumerate(results):
        for key, value in result.items():
            golden.add(f"{prefix}.{key}.{i}", value, 2000 if key == "masks" else 10**6)


def differing_shape(eager, scripted):
    """An image shape on which scripted torchvision resizes to another size than eager does."""
    for height in range(60, 140):
        for width in range(60, 140):
            blank = torch.zeros(3, height, width)
            sizes = [model.transform([blank], None)[0].image_sizes for model in (eager, scripted)]
            if sizes[0] != sizes[1]:
                return height, width
    raise SystemExit("eager and scripted torchvision agree on every shape tried")


@torch.no_grad()
def make(name, out):
    torch.manual_seed(0)
    model = BUILDERS[name]().eval()
    images = [image(h, w, 7 + i) for i, (h, w) in enumerate(IMAGES)]
    scales, values = calibrate(model, lambda: model(images), DENSE_TARGETS, [*CENTRED, *LOGITS])
    fill(model, scales, values)
    if name.endswith("int8"):
        model = quantize(model, images)
    scripted = torch.jit.script(model)
    path = out / f"{name}.pt"
    scripted.save(str(path))
    scripted = torch.jit.load(str(path))

    golden = Golden(case=name, images=[{"height": h, "width": w, "seed": 7 + i} for i, (h, w) in enumerate(IMAGES)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _, results = scripted(images)
    difference = compare(model(images), results)
    assert difference is not None and difference["boxes"] < 1e-3, f"{name}: eager and scripted disagree: {difference}"
    add_detections(golden, results)
    if name == "fasterrcnn-fpn":
        height, width = differing_shape(model, scripted)
        golden.meta["eagerImage"] = {"height": height, "width": width, "seed": 20}
        add_detections(golden, model([image(height, width, 20)]), "eager")
    golden.save(out / f"{name}.safetensors")
    scores = torch.cat([r["scores"] for r in results])
    print(
        f"{name:16} {path.stat().st_size // 1024} KB, expected {(out / f'{name}.safetensors').stat().st_size // 1024} KB,"
        f" detections {[len(r['scores']) for r in results]}, scores {scores.min():.3f}..{scores.max():.3f},"
        f" eager differs by {difference}"
    )


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = plain_backbone()
        self.fc = nn.Linear(CHANNELS, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.features(x).mean([2, 3]))


def make_others(out):
    """What is no detector: a classifier, a module of another signature inside a list, and a file that was cut off."""
    torch.manual_seed(0)
    torch.jit.script(Classifier().eval()).save(str(out / "classifier.pt"))
    whole = (out / "fasterrcnn.pt").read_bytes()
    (out / "truncated.pt").write_bytes(whole[: len(whole) * 6 // 10])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--out", default=FIXTURES, type=pathlib.Path)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    warnings.simplefilter("ignore")
    for builder_name in arguments.names or BUILDERS:
        make(builder_name, arguments.out)
    make_others(arguments.out)
