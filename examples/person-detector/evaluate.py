"""Person AP on the images that training left out, and (optionally) the detections on one picture.

    python evaluate.py --data DATA --weights person-mobilenetv2-fpn.safetensors
    python evaluate.py --weights person-mobilenetv2-fpn.safetensors --image ../astronaut.jpg --json detections.json

--weights takes the exported safetensors file (half precision) or a training checkpoint.pt (single precision).
"""

import argparse
import contextlib
import io
import json
import time

import torch
from PIL import Image
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from safetensors import safe_open
from torchvision.transforms.functional import pil_to_tensor

from train import ARCHITECTURE, PERSON, build_model, held_out_records


def load(path):
    if path.endswith(".pt"):
        arch, state = ARCHITECTURE, torch.load(path, map_location="cpu", weights_only=True)["ema"]
    else:
        with safe_open(path, "pt") as f:
            arch = json.loads(f.metadata()["architecture"])
            state = {k: f.get_tensor(k).float() for k in f.keys()}
    model = build_model(arch)
    model.load_state_dict(state)
    return model.eval()


def detect(model, path):
    image = pil_to_tensor(Image.open(path).convert("RGB")).float().div(255)
    with torch.inference_mode():
        return model([image])[0]


def average_precision(records, detections):
    """(AP at IoU .50:.95, AP at IoU .50) over these images."""
    images, truth, found = [], [], []
    for i, (record, d) in enumerate(zip(records, detections), start=1):
        images.append({"id": i})
        for (x0, y0, x1, y1), crowd in zip(record["boxes"], record["crowd"]):
            truth.append({"id": len(truth) + 1, "image_id": i, "category_id": PERSON, "iscrowd": int(crowd),
                          "bbox": [x0, y0, x1 - x0, y1 - y0], "area": (x1 - x0) * (y1 - y0)})
        for (x0, y0, x1, y1), score in zip(d["boxes"].tolist(), d["scores"].tolist()):
            found.append({"image_id": i, "category_id": PERSON, "bbox": [x0, y0, x1 - x0, y1 - y0], "score": score})
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {"info": {}, "images": images, "annotations": truth, "categories": [{"id": PERSON, "name": "person"}]}
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(found), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats[0], evaluation.stats[1]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--data")
    parser.add_argument("--image")
    parser.add_argument("--json", help="where to write the detections on --image")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    model = load(args.weights)

    if args.image:
        d = detect(model, args.image)
        result = {"boxes": d["boxes"].tolist(), "scores": d["scores"].tolist(), "labels": d["labels"].tolist()}
        for box, score in zip(result["boxes"], result["scores"]):
            print(f"{score:.4f}  {[round(v, 1) for v in box]}")
        if args.json:
            with open(args.json, "w") as f:
                json.dump(result, f, indent=1)

    if args.data:
        records = held_out_records(args.data)
        began = time.time()
        detections = [detect(model, r["path"]) for r in records]
        milliseconds = 1000 * (time.time() - began) / len(records)
        for source in ["everyday", "coco128", "pennfudan", "overall"]:
            chosen = [i for i, r in enumerate(records) if source in (r["source"], "overall")]
            ap, ap50 = average_precision([records[i] for i in chosen], [detections[i] for i in chosen])
            boxes = sum(len(records[i]["boxes"]) for i in chosen)
            print(f"{source:10s} {len(chosen):4d} images {boxes:5d} boxes  AP {ap:.4f}  AP50 {ap50:.4f}")
        print(f"{milliseconds:.0f} ms per image, decoding included")


if __name__ == "__main__":
    main()
