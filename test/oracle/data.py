"""Writes test/fixtures/data/polygons.json: outlines, and the pixels that pycocotools takes.

    python test/oracle/data.py
"""

import json
import math
import pathlib
import random

from pycocotools import mask as coco

OUT = pathlib.Path(__file__).parents[1] / "fixtures" / "data" / "polygons.json"
rng = random.Random(11)


def star(cx, cy, radius, points, digits=2):
    """A jagged outline that goes around once; it may leave the image."""
    out = []
    for k in range(points):
        angle = 2 * math.pi * k / points
        r = radius * rng.uniform(0.3, 1.2)
        out += [round(cx + r * math.cos(angle), digits), round(cy + r * math.sin(angle), digits)]
    return out


def cases():
    yield "square", 20, 30, [[5, 4, 15, 4, 15, 12, 5, 12]]
    yield "square at halves", 20, 30, [[5.5, 4.5, 15.5, 4.5, 15.5, 12.5, 5.5, 12.5]]
    yield "other way round", 20, 30, [[5, 12, 15, 12, 15, 4, 5, 4]]
    yield "whole image", 9, 7, [[0, 0, 7, 0, 7, 9, 0, 9]]
    yield "beyond every edge", 16, 16, [[-5, -6, 25, -3, 22, 28, -4, 21]]
    yield "outside", 16, 16, [[20, 20, 30, 20, 30, 30]]
    yield "thin", 40, 40, [[3, 3, 36.4, 36.9, 36.6, 36.9]]
    yield "repeated points", 24, 24, [[2, 2, 2, 2, 20, 3, 20, 3, 12, 20, 2, 2]]
    yield "crossing itself", 30, 30, [[3, 3, 27, 27, 27, 3, 3, 27]]
    yield "two, overlapping", 30, 40, [[2, 2, 20, 2, 20, 20, 2, 20], [10, 10, 35, 12, 30, 28]]
    for n in range(24):
        height, width = rng.randint(8, 70), rng.randint(8, 90)
        polygons = []
        for _ in range(rng.randint(1, 3)):
            radius = rng.uniform(2, 0.7 * min(height, width))
            polygons.append(star(rng.uniform(0, width), rng.uniform(0, height), radius, rng.randint(3, 24)))
        yield f"random {n}", height, width, polygons
    for n in range(12):
        height, width = rng.randint(8, 70), rng.randint(8, 90)
        radius = 30 * 3 ** (n % 6)
        yield f"far outside {n}", height, width, [star(width / 2 + 0.7 * radius, height / 2, radius, rng.randint(3, 9))]


def main():
    rows = []
    for name, height, width, polygons in cases():
        floats = [[float(value) for value in polygon] for polygon in polygons]
        merged = coco.merge(coco.frPyObjects(floats, height, width))
        rows.append(
            {
                "name": name,
                "height": height,
                "width": width,
                "polygons": polygons,
                "counts": merged["counts"].decode(),
                "area": int(coco.area(merged)),
            }
        )
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")
    print(f"{len(rows)} outlines to {OUT}")


if __name__ == "__main__":
    main()
