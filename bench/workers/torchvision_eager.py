"""torchvision in a process of its own: torchvision_eager.py FOLDER SUBJECT THREADS FROM nchw|channels_last

FROM: `jpeg` decodes the encoded image in every trial, `pixels` starts from floats. Protocol: see serve.py.
"""

import json
import pathlib
import sys

import torch
import torchvision
from safetensors.torch import load_file
from serve import serve

folder, subject, threads, source, layout = pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), *sys.argv[4:6]
torch.set_num_threads(threads)
state = load_file(str(folder / f"{subject}.safetensors"))


def model_job():
    model = torchvision.models.detection.__dict__[subject](weights=None, weights_backbone=None).eval()
    model.load_state_dict(state, strict=False)
    if layout == "channels_last":
        model = model.to(memory_format=torch.channels_last)
    size = json.loads((folder / f"{subject}.json").read_text())
    pixels = torch.frombuffer(bytearray((folder / f"{subject}.rgb").read_bytes()), dtype=torch.uint8)
    photo = pixels.view(size["height"], size["width"], 3).permute(2, 0, 1).float() / 255
    jpeg = torch.frombuffer(bytearray((folder / f"{subject}.jpg").read_bytes()), dtype=torch.uint8)

    def run():
        image = torchvision.io.decode_jpeg(jpeg).float() / 255 if source == "jpeg" else photo
        (result,) = model([image])
        return result

    return run


def operator_job():
    if subject == "nms":
        return lambda: torchvision.ops.nms(state["boxes"], state["scores"], 0.5)
    features = state["features"]
    if layout == "channels_last":
        features = features.contiguous(memory_format=torch.channels_last)
    return lambda: torchvision.ops.roi_align(features, state["rois"], 7, 0.25, 2)


def packed(result):
    if not isinstance(result, dict):
        return {"values": result.flatten()[:: 1 if subject == "nms" else 1009].tolist()}
    found = {key: result[key].flatten().tolist() for key in ("boxes", "labels", "scores")}
    if "masks" in result:
        found["areas"] = (result["masks"] > 0.5).flatten(1).sum(1).tolist()
    return found


with torch.no_grad():
    job = operator_job() if subject in ("nms", "roi_align") else model_job()
    serve(job, f"torchvision {torchvision.__version__}", packed)
