"""Train torchdet's default person detector: Faster R-CNN on MobileNetV2 + FPN, with torchvision, on one CPU thread.

    python train.py --data DATA --weights mobilenet_v2_imagenet.pth --out OUT --minutes 85

Run it again with the same --out to go on from the last checkpoint. See README.md for the layout of DATA.
"""

import argparse
import json
import math
import random
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as functional
import torchvision
from PIL import Image, ImageEnhance
from safetensors.torch import save_file
from torch.utils.data import DataLoader, Dataset, Sampler
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.rpn import AnchorGenerator
from torchvision.ops import FrozenBatchNorm2d, MultiScaleRoIAlign
from torchvision.transforms.functional import pil_to_tensor

PERSON = 1
CLASS_NAMES = ["__background__", "person"]

# Everything needed to build the same network elsewhere; stored as metadata beside the weights.
ARCHITECTURE = {
    "model": "fasterrcnn",
    "backbone": "mobilenet_v2",
    "norm": "frozen",
    "returned_layers": [2, 3, 5],  # strides 8, 16 and 32; the extra "pool" level has stride 64
    "out_channels": 128,
    "anchor_sizes": [[16, 24], [38, 58], [88, 136], [208, 320]],
    "aspect_ratios": [1.0, 2.0, 3.5],  # height / width
    "roi_featmap_names": ["0", "1", "2"],
    "roi_output_size": 7,
    "roi_sampling_ratio": 2,
    "representation_size": 256,
    "min_size": 320,
    "max_size": 480,
    "image_mean": [0.485, 0.456, 0.406],
    "image_std": [0.229, 0.224, 0.225],
    "rpn_pre_nms_top_n_test": 300,
    "rpn_post_nms_top_n_test": 150,
    "rpn_nms_thresh": 0.7,
    "rpn_score_thresh": 0.0,
    "box_score_thresh": 0.05,
    "box_nms_thresh": 0.5,
    "box_detections_per_img": 100,
    "class_names": CLASS_NAMES,
}


class FusedFrozenBatchNorm2d(FrozenBatchNorm2d):
    """The same arithmetic in one kernel: training spends far less time here."""

    def forward(self, x):
        return functional.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps)


def build_model(arch=ARCHITECTURE, train_options=None, norm_layer=FrozenBatchNorm2d):
    """The network, from torchvision's own parts. The backbone is what torchvision's _mobilenet_extractor would make."""
    features = torchvision.models.mobilenet_v2(weights=None, norm_layer=norm_layer).features
    stages = [0] + [i for i, b in enumerate(features) if getattr(b, "_is_cn", False)] + [len(features) - 1]
    chosen = [stages[k] for k in arch["returned_layers"]]
    backbone = BackboneWithFPN(
        features,
        {str(i): str(v) for v, i in enumerate(chosen)},
        [features[i].out_channels for i in chosen],
        arch["out_channels"],
    )
    sizes = tuple(tuple(s) for s in arch["anchor_sizes"])
    options = {
        "min_size": arch["min_size"],
        "max_size": arch["max_size"],
        "image_mean": arch["image_mean"],
        "image_std": arch["image_std"],
        "rpn_pre_nms_top_n_test": arch["rpn_pre_nms_top_n_test"],
        "rpn_post_nms_top_n_test": arch["rpn_post_nms_top_n_test"],
        "rpn_nms_thresh": arch["rpn_nms_thresh"],
        "rpn_score_thresh": arch["rpn_score_thresh"],
        "box_score_thresh": arch["box_score_thresh"],
        "box_nms_thresh": arch["box_nms_thresh"],
        "box_detections_per_img": arch["box_detections_per_img"],
        **(train_options or {}),
    }
    side = arch["roi_output_size"]
    return FasterRCNN(
        backbone,
        rpn_anchor_generator=AnchorGenerator(sizes, (tuple(arch["aspect_ratios"]),) * len(sizes)),
        box_roi_pool=MultiScaleRoIAlign(arch["roi_featmap_names"], side, arch["roi_sampling_ratio"]),
        box_head=TwoMLPHead(arch["out_channels"] * side * side, arch["representation_size"]),
        box_predictor=FastRCNNPredictor(arch["representation_size"], len(arch["class_names"])),
        **options,
    )


# ---------------------------------------------------------------------------------------------- data

def load_records(data):
    """Every usable image as {source, path, boxes (xyxy), crowd, train}; only those where people are marked exhaustively.

    Kept out of training: the "val" split of `everyday`, and every 8th image (by name) of coco128 and pennfudan.
    """
    data = Path(data)
    records = []

    def add_coco(source, annotation_file, image_dir, keep, is_train):
        coco = json.loads(Path(annotation_file).read_text())
        people = {}
        for a in coco["annotations"]:
            if a["category_id"] == PERSON:
                people.setdefault(a["image_id"], []).append(a)
        for i, image in enumerate(sorted(coco["images"], key=lambda im: im["file_name"])):
            if not keep(image):
                continue
            boxes, crowd = [], []
            for a in people.get(image["id"], []):
                x, y, w, h = a["bbox"]
                if w > 1 and h > 1:
                    boxes.append([x, y, x + w, y + h])
                    crowd.append(bool(a.get("iscrowd", 0)))
            records.append({"source": source, "path": str(Path(image_dir) / image["file_name"]), "boxes": boxes,
                            "crowd": crowd, "train": is_train(i, image)})

    add_coco("everyday", data / "everyday/instances.json", data / "everyday/images",
             lambda im: im["labelled_classes"] is None or PERSON in im["labelled_classes"],
             lambda i, im: im["split"] == "train")
    add_coco("coco128", data / "coco128/instances_train2017_boxes.json", data / "coco128/images/train2017",
             lambda im: True, lambda i, im: i % 8 != 0)

    for i, path in enumerate(sorted((data / "pennfudan/Images").glob("*.jpg"))):
        mask = np.array(Image.open(data / "pennfudan/PedMasks" / f"{path.stem}_mask.png"))
        boxes = []
        for instance in range(1, int(mask.max()) + 1):
            ys, xs = np.nonzero(mask == instance)
            if len(xs):
                boxes.append([float(xs.min()), float(ys.min()), float(xs.max() + 1), float(ys.max() + 1)])
        records.append({"source": "pennfudan", "path": str(path), "boxes": boxes, "crowd": [False] * len(boxes),
                        "train": i % 8 != 0})
    return records


def fingerprint(path):
    """A tiny zero-mean unit-norm grey picture: near-duplicates have a dot product close to 1."""
    v = np.asarray(Image.open(path).convert("L").resize((16, 16), Image.BOX), dtype=np.float32).ravel()
    v = v - v.mean()
    return v / (np.linalg.norm(v) + 1e-6)


def without_duplicates_of(train, held_out, threshold=0.985):
    """Drop training images that also occur (possibly resized or mirrored) among the kept-out ones."""
    kept = np.stack([fingerprint(r["path"]) for r in held_out])
    mirrored = kept.reshape(-1, 16, 16)[:, :, ::-1].reshape(len(kept), -1)
    both = np.concatenate([kept, mirrored])
    return [r for r in train if float((both @ fingerprint(r["path"])).max()) < threshold]


def training_records(data):
    records = load_records(data)
    return without_duplicates_of([r for r in records if r["train"]], [r for r in records if not r["train"]])


def held_out_records(data):
    return [r for r in load_records(data) if not r["train"]]


def blank_crowds(image, boxes, crowd):
    """Paint over regions marked as a crowd, except where single people are boxed: they are neither positive nor not."""
    if not crowd.any():
        return image, boxes
    pixels = np.array(image)
    painted = pixels.copy()
    for x0, y0, x1, y1 in boxes[crowd].round().astype(int):
        painted[y0:y1, x0:x1] = (124, 116, 104)
    for x0, y0, x1, y1 in boxes[~crowd].round().astype(int):
        painted[y0:y1, x0:x1] = pixels[y0:y1, x0:x1]
    return Image.fromarray(painted), boxes[~crowd]


def crop(image, boxes, x0, y0, x1, y1, least_visible=0.25):
    x0, y0 = max(0, int(x0)), max(0, int(y0))
    x1, y1 = min(image.width, int(x1)), min(image.height, int(y1))
    if x1 - x0 < 32 or y1 - y0 < 32:
        return image, boxes
    inside = boxes.copy()
    inside[:, 0::2] = inside[:, 0::2].clip(x0, x1)
    inside[:, 1::2] = inside[:, 1::2].clip(y0, y1)
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    visible = (inside[:, 2] - inside[:, 0]) * (inside[:, 3] - inside[:, 1])
    return image.crop((x0, y0, x1, y1)), (inside - [x0, y0, x0, y0])[visible >= least_visible * area]


def close_up(image, boxes, rng):
    """Cut one standing person to head and shoulders (or to the hips): portraits are rare in the data."""
    w, h = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    candidates = np.nonzero((h > 70) & (w > 24) & (h > 1.2 * w))[0]
    if len(candidates) == 0:
        return image, boxes
    k = rng.choice(list(candidates))
    x0, y0, x1, _ = boxes[k]
    height = h[k] * rng.uniform(0.3, 0.8)
    top = height * rng.uniform(0.02, 0.4)
    width = max(w[k] * rng.uniform(1.0, 2.5), (height + top) * rng.uniform(0.6, 1.4))
    centre = (x0 + x1) / 2 + rng.uniform(-0.2, 0.2) * width
    return crop(image, boxes, centre - width / 2, y0 - top, centre + width / 2, y0 + height)


def zoom_in(image, boxes, rng):
    scale_w, scale_h = rng.uniform(0.4, 1.0), rng.uniform(0.4, 1.0)
    w, h = image.width * scale_w, image.height * scale_h
    if len(boxes) and rng.random() < 0.8:  # keep some person in view
        b = boxes[rng.randrange(len(boxes))]
        cx, cy = rng.uniform(b[0], b[2]), rng.uniform(b[1], b[3])
        x0, y0 = cx - w * rng.uniform(0.2, 0.8), cy - h * rng.uniform(0.2, 0.8)
    else:
        x0, y0 = rng.uniform(0, image.width - w), rng.uniform(0, image.height - h)
    x0, y0 = min(max(x0, 0), image.width - w), min(max(y0, 0), image.height - h)
    return crop(image, boxes, x0, y0, x0 + w, y0 + h)


def jitter_colours(image, rng):
    for enhance, spread in ((ImageEnhance.Brightness, 0.35), (ImageEnhance.Contrast, 0.35), (ImageEnhance.Color, 0.4)):
        if rng.random() < 0.6:
            image = enhance(image).enhance(rng.uniform(1 - spread, 1 + spread))
    return image.convert("L").convert("RGB") if rng.random() < 0.06 else image


class People(Dataset):
    def __init__(self, records):
        self.records = records

    def __len__(self):
        return len(self.records)

    def __getitem__(self, key):
        index, seed = key
        rng = random.Random(seed)
        record = self.records[index]
        image = Image.open(record["path"]).convert("RGB")
        boxes = np.array(record["boxes"], dtype=np.float32).reshape(-1, 4)
        boxes[:, 0::2] = boxes[:, 0::2].clip(0, image.width)
        boxes[:, 1::2] = boxes[:, 1::2].clip(0, image.height)
        image, boxes = blank_crowds(image, boxes, np.array(record["crowd"], dtype=bool))
        choice = rng.random()
        if choice < 0.3:
            image, boxes = close_up(image, boxes, rng)
        elif choice < 0.6:
            image, boxes = zoom_in(image, boxes, rng)
        image = jitter_colours(image, rng)
        if rng.random() < 0.5:
            image = image.transpose(Image.FLIP_LEFT_RIGHT)
            boxes = boxes[:, [2, 1, 0, 3]] * [-1, 1, -1, 1] + [image.width, 0, image.width, 0]
        boxes = torch.as_tensor(np.asarray(boxes, dtype=np.float32)).reshape(-1, 4)
        boxes = boxes[((boxes[:, 2:] - boxes[:, :2]) >= 3).all(1)]
        target = {"boxes": boxes, "labels": torch.ones(len(boxes), dtype=torch.int64)}
        return pil_to_tensor(image).float().div(255), target


class Batches(Sampler):
    """Endless: in each round all images with people and a random draw of those without, in batches of like shape."""

    def __init__(self, records, batch_size, negatives, seed):
        self.batch_size, self.rng = batch_size, random.Random(seed)
        self.shape = []
        for r in records:
            with Image.open(r["path"]) as im:
                self.shape.append(im.width / im.height)
        self.positive = [i for i, r in enumerate(records) if r["boxes"]]
        self.negative = [i for i, r in enumerate(records) if not r["boxes"]]
        self.count = min(len(self.negative), round(negatives * len(self.positive)))

    def __iter__(self):
        rng, size = self.rng, self.batch_size
        while True:
            chosen = self.positive + rng.sample(self.negative, self.count)
            rng.shuffle(chosen)
            batches = []
            for start in range(0, len(chosen), size * 16):
                pool = sorted(chosen[start:start + size * 16], key=lambda i: self.shape[i])
                batches += [pool[k:k + size] for k in range(0, len(pool) - size + 1, size)]
            rng.shuffle(batches)
            for batch in batches:
                yield [(i, rng.getrandbits(48)) for i in batch]


# ------------------------------------------------------------------------------------------ training

def export(state, path, arch=ARCHITECTURE):
    """Half-precision safetensors, with the architecture in the metadata."""
    tensors = {k: v.detach().to(torch.float16).contiguous().clone() for k, v in state.items()}
    worst = max(float(v.abs().max()) for v in tensors.values())
    if not math.isfinite(worst):
        raise ValueError("a weight does not fit half precision")
    save_file(tensors, path, metadata={"format": "pt", "architecture": json.dumps(arch)})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="folder with everyday/, coco128/ and pennfudan/")
    parser.add_argument("--weights", required=True, help="ImageNet state dict of torchvision's mobilenet_v2")
    parser.add_argument("--out", required=True, help="folder for checkpoints, the log and the exported weights")
    parser.add_argument("--steps", type=int, default=100000, help="length of the schedule in steps")
    parser.add_argument("--minutes", type=float, default=math.inf, help="length of the schedule in minutes, if shorter")
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--negatives", type=float, default=0.4, help="images without people, per image with people")
    parser.add_argument("--lr", type=float, default=4e-4)
    parser.add_argument("--lr-backbone", type=float, default=2e-4)
    parser.add_argument("--weight-decay", type=float, default=0.02)
    parser.add_argument("--warmup", type=int, default=150)
    parser.add_argument("--freeze-features", type=int, default=4, help="leave the first N blocks of the backbone alone")
    parser.add_argument("--sizes", type=int, nargs="+", default=[208, 240, 272, 304, 336])
    parser.add_argument("--ema", type=float, default=0.998)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--save-every", type=int, default=200)
    args = parser.parse_args()

    torch.set_num_threads(args.threads)
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)

    model = build_model(norm_layer=FusedFrozenBatchNorm2d, train_options={
        "min_size": tuple(args.sizes),
        "rpn_pre_nms_top_n_train": 600, "rpn_post_nms_top_n_train": 300,
        "rpn_batch_size_per_image": 128, "box_batch_size_per_image": 96,
    }).to(memory_format=torch.channels_last)
    imagenet = torch.load(args.weights, map_location="cpu", weights_only=True)
    features = {k.removeprefix("features."): v for k, v in imagenet.items()
                if k.startswith("features.") and not k.endswith("num_batches_tracked")}
    model.backbone.body.load_state_dict(features)

    for block in list(model.backbone.body.children())[:args.freeze_features]:
        block.requires_grad_(False)
    named = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(
        [{"params": [p for n, p in named if n.startswith("backbone.body.")], "base": args.lr_backbone},
         {"params": [p for n, p in named if not n.startswith("backbone.body.")], "base": args.lr}],
        lr=args.lr, weight_decay=args.weight_decay)
    ema = {k: v.detach().clone() for k, v in model.state_dict().items()}

    step, spent = 0, 0.0
    checkpoint = out / "checkpoint.pt"
    if checkpoint.exists():
        saved = torch.load(checkpoint, map_location="cpu", weights_only=True)
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        ema, step, spent = saved["ema"], saved["step"], saved["spent"]
        print(f"going on from step {step}", flush=True)

    records = training_records(args.data)
    people = sum(1 for r in records if r["boxes"])
    print(f"{len(records)} images, {people} with people, {sum(len(r['boxes']) for r in records)} boxes; "
          f"{sum(p.numel() for p in model.parameters())} parameters", flush=True)
    torch.manual_seed(args.seed + step)
    loader = DataLoader(People(records), num_workers=0, collate_fn=lambda batch: tuple(zip(*batch)),
                        batch_sampler=Batches(records, args.batch_size, args.negatives, args.seed + step))

    def save():
        state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "ema": ema, "step": step,
                 "spent": spent + time.time() - began}
        torch.save(state, out / "checkpoint.tmp")
        (out / "checkpoint.tmp").replace(checkpoint)
        export(ema, str(out / "person-mobilenetv2-fpn.safetensors"))

    model.train()
    began = mark = time.time()
    sums, count = {}, 0
    for images, targets in loader:
        minutes = (spent + time.time() - began) / 60
        done = max(step / args.steps, minutes / args.minutes)
        if done >= 1:
            break
        rate = min(1.0, (step + 1) / args.warmup) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done)))
        for group in optimizer.param_groups:
            group["lr"] = group["base"] * rate
        with torch.autocast("cpu", dtype=torch.bfloat16):
            losses = model(list(images), list(targets))
            loss = sum(losses.values())
        if torch.isfinite(loss):
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_([p for _, p in named], 5.0)
            optimizer.step()
        else:
            print(f"step {step}: loss is not finite, skipped", flush=True)
        step += 1
        decay = min(args.ema, (1 + step) / (10 + step))
        with torch.no_grad():
            now = model.state_dict()
            torch._foreach_lerp_(list(ema.values()), [now[k] for k in ema], 1 - decay)
        for k, v in losses.items():
            sums[k] = sums.get(k, 0.0) + v.item()
        count += 1
        if step % 20 == 0:
            text = "  ".join(f"{k.removeprefix('loss_')} {v / count:.3f}" for k, v in sums.items())
            print(f"step {step}  {minutes:.1f} min  {(time.time() - mark) / count:.2f} s/step  lr x{rate:.3f}  {text}",
                  flush=True)
            mark, sums, count = time.time(), {}, 0
        if step % args.save_every == 0:
            save()
    save()
    print(f"finished at step {step}", flush=True)


if __name__ == "__main__":
    main()
