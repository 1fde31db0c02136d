"""One competitor in a process of its own: worker_torchvision.py FOLDER SUBJECT THREADS nchw|channels_last

Runs once, says {"ready": true}; then answers each line "trial" with {"ms"}, and "result" with what it found.
"""

import json
import pathlib
import sys
import time

import torch
import torchvision
from safetensors.torch import load_file

folder, subject, threads, layout = pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
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

    def run():
        (result,) = model([photo])
        return {key: result[key].flatten().tolist() for key in ("boxes", "labels", "scores")}

    return run


def operator_job():
    if subject == "nms":
        return lambda: torchvision.ops.nms(state["boxes"], state["scores"], 0.5)
    features = state["features"]
    if layout == "channels_last":
        features = features.contiguous(memory_format=torch.channels_last)
    return lambda: torchvision.ops.roi_align(features, state["rois"], 7, 0.25, 2)


def packed(result):
    if isinstance(result, dict):
        return result
    return {"values": result.flatten()[:: 1 if subject == "nms" else 1009].tolist()}


def say(message):
    print(json.dumps(message), flush=True)


with torch.no_grad():
    job = operator_job() if subject in ("nms", "roi_align") else model_job()
    result = job()
    say({"ready": True, "version": f"torchvision {torchvision.__version__}"})
    for line in sys.stdin:
        if line.strip() == "result":
            say(packed(result))
            continue
        start = time.perf_counter()
        result = job()
        say({"ms": (time.perf_counter() - start) * 1000})
