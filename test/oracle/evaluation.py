"""COCO's figures as pycocotools computes them.

  evaluation.py                    writes test/fixtures/evaluation/cases.json: made-up images of each kind and their figures
  evaluation.py evaluate IN OUT    evaluates the case in IN: figures, curves of all thresholds, and the seconds it took
  evaluation.py large OUT          writes a made-up case of 5,000 images

A case holds `kind`, `categories`, `sigmas` (keypoints) and `images`: `id`, `truth` and `detections` as CocoEvaluator.add takes them.
"""

import contextlib
import io
import json
import pathlib
import sys
import time

import numpy
from pycocotools import mask as masks
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

OUT = pathlib.Path(__file__).parents[1] / "fixtures" / "evaluation" / "cases.json"


class Evaluation(COCOeval):
    """COCOeval with what it lacks: objects that need not be found, and images that do not mark every class."""

    unmarked = frozenset()

    def _prepare(self):
        super()._prepare()
        for objects in self._gts.values():
            for gt in objects:
                gt["ignore"] = gt["ignore"] or gt["difficult"]

    def evaluateImg(self, image, category, area, limit):
        result = super().evaluateImg(image, category, area, limit)
        if result and (image, category) in self.unmarked:
            result["dtIgnore"] = numpy.logical_or(result["dtIgnore"], result["dtMatches"] == 0)
        return result


def xywh(boxes):
    return [[x1, y1, x2 - x1, y2 - y1] for x1, y1, x2, y2 in numpy.reshape(boxes, (-1, 4)).tolist()]


def annotations_of(image, objects, first, kind, truth):
    annotations = []
    for k, box in enumerate(xywh(objects["boxes"])):
        annotation = {"id": first + k, "image_id": image["id"], "category_id": objects["labels"][k], "bbox": box}
        if truth:
            annotation["area"] = objects["areas"][k]
            annotation["iscrowd"] = objects.get("crowd", [0] * (k + 1))[k]
            annotation["difficult"] = objects.get("difficult", [0] * (k + 1))[k]
        else:
            annotation["score"] = objects["scores"][k]
            annotation["area"] = box[2] * box[3]
        if kind == "segm":
            annotation["segmentation"] = objects["masks"][k]
            if not truth:
                annotation["area"] = int(masks.area(objects["masks"][k]))
        if kind == "keypoints":
            values = numpy.reshape(objects["keypoints"], (len(objects["labels"]), -1, 3))[k]
            annotation["keypoints"] = values.flatten().tolist()
            annotation["num_keypoints"] = int((values[:, 2] > 0).sum())
            if not truth:
                annotation["area"] = float(numpy.prod(values[:, :2].max(0) - values[:, :2].min(0)))
        annotations.append(annotation)
    return annotations


def dataset(case, field):
    annotations = []
    for image in case["images"]:
        annotations += annotations_of(image, image[field], len(annotations) + 1, case["kind"], field == "truth")
    coco = COCO()
    coco.dataset = {
        "images": [{"id": image["id"], "height": image["height"], "width": image["width"]} for image in case["images"]],
        "categories": [{"id": label, "name": str(label)} for label in case["categories"]],
        "annotations": annotations,
    }
    coco.createIndex()
    return coco


def evaluate(case):
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = Evaluation(dataset(case, "truth"), dataset(case, "detections"), case["kind"])
        if case["kind"] == "keypoints":
            evaluation.params.kpt_oks_sigmas = numpy.array(case["sigmas"])
        evaluation.unmarked = {
            (image["id"], label)
            for image in case["images"]
            if "labelledClasses" in image["truth"]
            for label in case["categories"]
            if label not in image["truth"]["labelledClasses"]
        }
        start = time.perf_counter()
        evaluation.evaluate()
        evaluation.accumulate()
        seconds = time.perf_counter() - start
        evaluation.summarize()
    return evaluation, seconds


BOX_FIGURES = ["ap", "ap50", "ap75", "apSmall", "apMedium", "apLarge", "ar1", "ar10", "ar100", "arSmall", "arMedium", "arLarge"]
KEYPOINT_FIGURES = ["ap", "ap50", "ap75", "apMedium", "apLarge", "ar", "ar50", "ar75", "arMedium", "arLarge"]


def class_figures(evaluation, k):
    """What summarize() gives where there is one class."""
    alone = Evaluation(iouType=evaluation.params.iouType)
    alone.params = evaluation.params
    alone.eval = {name: evaluation.eval[name][..., k : k + 1, :, :] for name in ("precision", "recall")}
    with contextlib.redirect_stdout(io.StringIO()):
        alone.summarize()
    return alone.stats


def rounded(values):
    return [round(value, 10) for value in numpy.asarray(values).tolist()]


def expected(case, thresholds=(0, 5, 9)):
    evaluation, seconds = evaluate(case)
    names = KEYPOINT_FIGURES if case["kind"] == "keypoints" else BOX_FIGURES
    curves = []
    for k, label in enumerate(case["categories"]):
        for t in thresholds:
            curves.append({
                "label": label, "iou": round(0.5 + 0.05 * t, 2),
                "precision": rounded(evaluation.eval["precision"][t, :, k, 0, -1]),
                "scores": rounded(evaluation.eval["scores"][t, :, k, 0, -1]),
            })
    return {
        "figures": dict(zip(names, rounded(evaluation.stats))),
        "classes": [dict(zip(names, rounded(class_figures(evaluation, k)))) for k in range(len(case["categories"]))],
        "curves": curves,
    }, seconds


class Maker:
    """Made-up images: objects, and detections that are near them, far off, of another class or twice the same."""

    def __init__(self, seed, kind, labels, height=300, width=400, step=1, score_digits=2, sigmas=()):
        self.random = numpy.random.default_rng(seed)
        self.kind, self.labels, self.height, self.width, self.step = kind, labels, height, width, step
        self.score_digits = score_digits
        self.sigmas = numpy.array(sigmas)

    def box(self):
        side = numpy.exp(self.random.uniform(numpy.log(12), numpy.log(0.8 * self.height), 2))
        corner = self.random.uniform(0, 1, 2) * (numpy.array([self.width, self.height]) - side)
        return self.snapped(numpy.concatenate([corner, corner + side]))

    def snapped(self, box):
        """Whole steps make equal overlaps, and overlaps of exactly a threshold, likely."""
        if self.step:
            box = numpy.round(box / self.step) * self.step
        box = numpy.clip(box, 0, [self.width, self.height] * 2)
        box[2:] = numpy.maximum(box[2:], box[:2] + 1)
        return numpy.clip(box, 0, [self.width, self.height] * 2)

    def near(self, box):
        size = numpy.tile(box[2:] - box[:2], 2)
        return self.snapped(box + self.random.normal(0, self.random.choice([0, 0.02, 0.08, 0.2]), 4) * size)

    def ellipse(self, box):
        y, x = numpy.mgrid[: self.height, : self.width] + 0.5
        centre, radius = (box[:2] + box[2:]) / 2, numpy.maximum(box[2:] - box[:2], 1) / 2
        inside = ((x - centre[0]) / radius[0]) ** 2 + ((y - centre[1]) / radius[1]) ** 2 < 1
        rle = masks.encode(numpy.asfortranarray(inside.astype(numpy.uint8)))
        return {"size": rle["size"], "counts": rle["counts"].decode()}

    def keypoints(self, box):
        points = box[:2] + self.random.uniform(0, 1, (len(self.sigmas), 2)) * (box[2:] - box[:2])
        visibility = self.random.integers(0, 3, len(self.sigmas))
        if self.random.random() < 0.15:
            visibility[:] = 0
        return numpy.round(numpy.column_stack([points, visibility]), 1)

    def near_keypoints(self, keypoints, box):
        spread = numpy.sqrt(numpy.prod(box[2:] - box[:2])) * 2 * self.sigmas[:, None]
        strength = self.random.choice([0, 0.3, 1, 3])
        points = keypoints[:, :2] + self.random.normal(0, 1, (len(self.sigmas), 2)) * spread * strength
        return numpy.round(numpy.column_stack([points, numpy.ones(len(self.sigmas))]), 1)

    def image(self, number, objects, strays, crowds=0.1, difficult=0.0, found=0.85, labels=None):
        labels = self.labels if labels is None else labels
        boxes = [self.box() for _ in range(objects)]
        truth = {
            "boxes": numpy.ravel(boxes).tolist(),
            "labels": self.random.choice(labels, objects).tolist(),
            "crowd": (self.random.random(objects) < crowds).astype(int).tolist(),
            "areas": [round(float(numpy.prod(box[2:] - box[:2]) * self.random.choice([1, 0.7])), 2) for box in boxes],
        }
        if difficult:
            truth["difficult"] = (self.random.random(objects) < difficult).astype(int).tolist()
        if self.kind == "segm":
            truth["masks"] = [self.ellipse(box) for box in boxes]
            truth["areas"] = [int(masks.area(mask)) for mask in truth["masks"]]
        keypoints = [self.keypoints(box) for box in boxes]
        detections = []
        for k, box in enumerate(boxes):
            while self.random.random() < found:
                label = truth["labels"][k] if self.random.random() < 0.85 else int(self.random.choice(self.labels))
                detections.append((self.near(box), label, self.near_keypoints(keypoints[k], box)))
                if self.random.random() < 0.7:
                    break
        for _ in range(strays):
            box = self.box()
            detections.append((box, int(self.random.choice(self.labels)), self.keypoints(box)))
        given = {
            "boxes": numpy.ravel([box for box, _, _ in detections]).tolist(),
            "labels": [label for _, label, _ in detections],
            "scores": numpy.round(self.random.uniform(0.05, 1, len(detections)), self.score_digits).tolist(),
        }
        if self.kind == "segm":
            given["masks"] = [self.ellipse(box) for box, _, _ in detections]
        if self.kind == "keypoints":
            truth["keypoints"] = numpy.ravel(keypoints).tolist()
            given["keypoints"] = numpy.ravel([points for _, _, points in detections]).tolist()
        return {"id": number, "height": self.height, "width": self.width, "truth": truth, "detections": given}

    def case(self, name, images):
        case = {"name": name, "kind": self.kind, "categories": [int(label) for label in self.labels], "images": images}
        if self.kind == "keypoints":
            case["sigmas"] = self.sigmas.tolist()
        return case


COCO_SIGMAS = [0.026, 0.025, 0.025, 0.035, 0.035, 0.079, 0.079, 0.072, 0.072, 0.062, 0.062, 0.107, 0.107, 0.087, 0.087, 0.089, 0.089]


def cases():
    # Label 9 is marked nowhere, images without objects or without detections among the others, ids out of order.
    maker = Maker(1, "bbox", [1, 2, 5, 9])
    numbers = maker.random.permutation(60)[:36]
    images = [maker.image(int(n), int(n) % 7, int(n) % 4, labels=[1, 2, 5]) for n in numbers]
    yield maker.case("boxes", images)

    maker = Maker(2, "bbox", [1, 2], step=16, score_digits=1)
    yield maker.case("boxes with equal overlaps and scores", [maker.image(n, 6, 3) for n in range(24)])

    maker = Maker(3, "bbox", [1], step=0, score_digits=4)
    images = [maker.image(n, 25, strays, crowds=0) for n, strays in enumerate((130, 105, 0, 12))]
    yield maker.case("more detections than count", images)

    maker = Maker(4, "bbox", [1, 2, 3])
    images = [maker.image(n, 5, 4, difficult=0.2) for n in range(24)]
    for n, image in enumerate(images):
        if n % 3:
            image["truth"]["labelledClasses"] = [[], [1, 2]][n % 3 - 1]
    yield maker.case("difficult objects and classes not marked", images)

    maker = Maker(5, "bbox", [1, 2])
    images = [maker.image(n, 3, 0, found=0) for n in range(4)]
    yield maker.case("nothing detected", images)

    maker = Maker(6, "segm", [1, 2], height=150, width=200)
    yield maker.case("masks", [maker.image(n, n % 6, n % 3, crowds=0.15) for n in range(20)])

    maker = Maker(7, "keypoints", [1], sigmas=COCO_SIGMAS)
    yield maker.case("keypoints", [maker.image(n, n % 5, n % 3) for n in range(20)])

    maker = Maker(8, "keypoints", [1, 2], sigmas=[0.05, 0.1, 0.08], score_digits=1)
    yield maker.case("three keypoints", [maker.image(n, n % 6, 22 if n == 3 else 1) for n in range(20)])


def large(path):
    """5,000 images, 80 classes, about 36,000 objects and 180,000 detections."""
    maker = Maker(9, "bbox", list(range(1, 81)), height=480, width=640, step=0, score_digits=6)
    images = [maker.image(n, int(maker.random.poisson(7)), 30) for n in range(5000)]
    pathlib.Path(path).write_text(json.dumps(maker.case("large", images)))


def compact(value):
    """Whole numbers without the point."""
    if isinstance(value, dict):
        return {name: compact(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [compact(entry) for entry in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def main(arguments):
    if not arguments:
        lines = [json.dumps(compact({**case, "expected": expected(case)[0]}), separators=(",", ":")) for case in cases()]
        OUT.parent.mkdir(parents=True, exist_ok=True)
        OUT.write_text("[\n" + ",\n".join(lines) + "\n]\n")
    elif arguments[0] == "large":
        large(arguments[1])
    else:
        figures, seconds = expected(json.loads(pathlib.Path(arguments[1]).read_text()), range(10))
        pathlib.Path(arguments[2]).write_text(json.dumps({**figures, "seconds": seconds}))


if __name__ == "__main__":
    main(sys.argv[1:])
