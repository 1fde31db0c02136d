"""torchvision's training in a process of its own: worker_training.py FOLDER SUBJECT THREADS nchw|channels_last|prepare

Faster R-CNN with ResNet-50 and a feature pyramid, SGD with momentum on one image with eight boxes. SUBJECT says how it is built:
`pretrained` as for pretrained weights (frozen batch norm, three trainable layers), `scratch` as without (batch norm, all of
them). `prepare` writes weights, image and boxes instead, random ones scaled so that activations keep their size
(test/oracle/fill.py). Protocol: see protocol.mjs; a result is the losses of the last step.
"""

import json
import pathlib
import sys
import time

import torch
import torchvision
from safetensors.torch import load_file, save_file
from torch import nn
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.ops.misc import FrozenBatchNorm2d

HEIGHT, WIDTH, BOXES = 480, 640, 8
LEARNING_RATE = 1e-6

folder, subject, threads, layout = pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
path = folder / f"training-{subject}"
torch.set_num_threads(threads)


def build():
    norm, layers = (FrozenBatchNorm2d, 3) if subject == "pretrained" else (nn.BatchNorm2d, 5)
    backbone = resnet_fpn_backbone(backbone_name="resnet50", weights=None, norm_layer=norm, trainable_layers=layers)
    return FasterRCNN(backbone, 91)


@torch.no_grad()
def prepare():
    sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "test" / "oracle"))
    from fill import TARGETS, calibrate, fill, image

    photo = image(HEIGHT, WIDTH, 5, "rgb")
    model = build().eval()
    scales, values = calibrate(model, lambda: model([photo]), {**TARGETS, "roi_heads.box_predictor.cls_score": 1.5})
    fill(model, scales, values)
    save_file(dict(model.state_dict()), f"{path}.safetensors")
    pixels = (photo * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous()
    path.with_suffix(".rgb").write_bytes(pixels.numpy().tobytes())
    torch.manual_seed(0)
    size = torch.tensor([WIDTH, HEIGHT])
    sides = size * (0.1 + 0.5 * torch.rand(BOXES, 2))
    corners = (size - sides) * torch.rand(BOXES, 2)
    target = {"boxes": torch.cat([corners, corners + sides], 1).tolist(), "labels": list(range(1, BOXES + 1))}
    path.with_suffix(".json").write_text(
        json.dumps({"height": HEIGHT, "width": WIDTH, "learningRate": LEARNING_RATE, **target})
    )


def make_job():
    model = build()
    model.load_state_dict(load_file(f"{path}.safetensors"))
    if layout == "channels_last":
        model = model.to(memory_format=torch.channels_last)
    model.train()
    given = json.loads(path.with_suffix(".json").read_text())
    pixels = torch.frombuffer(bytearray(path.with_suffix(".rgb").read_bytes()), dtype=torch.uint8)
    photo = pixels.view(HEIGHT, WIDTH, 3).permute(2, 0, 1).float() / 255
    target = {"boxes": torch.tensor(given["boxes"]), "labels": torch.tensor(given["labels"])}
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(parameters, lr=LEARNING_RATE, momentum=0.9, weight_decay=1e-4)
    torch.manual_seed(0)

    def run():
        losses = model([photo], [target])
        optimizer.zero_grad()
        sum(losses.values()).backward()
        optimizer.step()
        return {name: loss.item() for name, loss in losses.items()}

    return run


def say(message):
    print(json.dumps(message), flush=True)


if layout == "prepare":
    prepare()
else:
    job = make_job()
    result = job()
    say({"ready": True, "version": f"torchvision {torchvision.__version__}"})
    for line in sys.stdin:
        if line.strip() == "result":
            say(result)
            continue
        start = time.perf_counter()
        result = job()
        say({"ms": (time.perf_counter() - start) * 1000})
