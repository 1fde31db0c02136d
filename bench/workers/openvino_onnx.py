"""OpenVINO on torchvision's ONNX export, in a process of its own: openvino_onnx.py FOLDER SUBJECT THREADS FROM

FROM: `jpeg` decodes the encoded image in every trial (Pillow), `pixels` starts from floats. Computes in float32: on a CPU with
bfloat16 it would take that unasked. Protocol: see serve.py.
"""

import io
import json
import pathlib
import sys

import numpy
import openvino
from PIL import Image
from serve import serve

folder, subject, threads, source = pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
core = openvino.Core()
model = core.compile_model(
    core.read_model(folder / f"{subject}.onnx"),
    "CPU",
    {
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",
    },
)
size = json.loads((folder / f"{subject}.json").read_text())
jpeg = (folder / f"{subject}.jpg").read_bytes()
shape = (size["height"], size["width"], 3)
pixels = numpy.frombuffer((folder / f"{subject}.rgb").read_bytes(), dtype=numpy.uint8).reshape(shape)


def floats(image):
    return numpy.ascontiguousarray(image.transpose(2, 0, 1), dtype=numpy.float32) / 255


photo = floats(pixels)


def run():
    image = floats(numpy.asarray(Image.open(io.BytesIO(jpeg)))) if source == "jpeg" else photo
    found = model(image)
    return {name: found[name] for name in ("boxes", "labels", "scores")}


def packed(result):
    return {name: values.flatten().tolist() for name, values in result.items()}


serve(run, f"openvino {openvino.__version__.split('-')[0]}", packed)
