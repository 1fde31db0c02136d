"""Writes test/fixtures/rle/masks.json: masks and what pycocotools makes of them. Bits are packed row by row, eight a byte.

    python test/oracle/rle.py
"""

import base64
import json
import pathlib

import numpy
from pycocotools import mask as coco

OUT = pathlib.Path(__file__).parents[1] / "fixtures" / "rle" / "masks.json"
random = numpy.random.default_rng(7)


def noise(height, width, share):
    return random.random((height, width)) < share


def blob(height, width):
    y, x = numpy.mgrid[:height, :width]
    return ((x - 0.4 * width) / (0.3 * width)) ** 2 + ((y - 0.55 * height) / (0.4 * height)) ** 2 < 1


def rectangle(height, width, top, left, bottom, right):
    mask = numpy.zeros((height, width), bool)
    mask[top:bottom, left:right] = True
    return mask


MASKS = {
    "empty": numpy.zeros((5, 7), bool),
    "full": numpy.ones((5, 7), bool),
    "one pixel": numpy.ones((1, 1), bool),
    "no pixel of one": numpy.zeros((1, 1), bool),
    "first corner": rectangle(4, 6, 0, 0, 1, 1),
    "last corner": rectangle(4, 6, 3, 5, 4, 6),
    "one row": noise(1, 41, 0.5),
    "one column": noise(37, 1, 0.5),
    "whole columns": rectangle(9, 11, 0, 3, 9, 6),
    "whole rows": rectangle(9, 11, 4, 0, 7, 11),
    "sparse": noise(33, 47, 0.02),
    "half": noise(31, 29, 0.5),
    "dense": noise(50, 21, 0.97),
    "blob": blob(61, 83),
    "large blob": blob(900, 700),
    "long runs": rectangle(1500, 40, 0, 1, 1500, 39),
    "two objects": rectangle(40, 60, 3, 2, 20, 9) | rectangle(40, 60, 25, 30, 40, 60),
}


def main():
    cases = []
    for name, mask in MASKS.items():
        rle = coco.encode(numpy.asfortranarray(mask.astype(numpy.uint8)))
        bits = base64.b64encode(numpy.packbits(mask)).decode() if mask.size < 20000 else None
        counts = rle["counts"].decode()
        cases.append({"name": name, "height": mask.shape[0], "width": mask.shape[1], "bits": bits, "counts": counts,
                      "area": int(coco.area(rle)), "bbox": [int(v) for v in coco.toBbox(rle)]})
        # pycocotools reads runs as numbers too; here they are as they are in an annotation file.
        flat = mask.flatten(order="F")
        edges = numpy.flatnonzero(numpy.diff(flat)) + 1
        runs = numpy.diff([0, *edges, flat.size]).tolist()
        cases[-1]["runs"] = [0, *runs] if flat[0] else runs
        assert coco.frPyObjects({"size": list(mask.shape), "counts": cases[-1]["runs"]}, *mask.shape)["counts"] == rle["counts"]
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n")


if __name__ == "__main__":
    main()
