"""Writes test/fixtures/training/*.safetensors: ten steps of training R-CNNs in eager torchvision on the CPU.

    training.py [case ...] [--out DIR]

Weights and images by rule as for the parity suite (fill.py), targets by draw_targets(), which test/training/rcnn-cases.ts states
too; SGD with momentum. Kept are the losses of each step, samples of the gradients of the first, and of what each parameter and
buffer changed by in all ten.

Proposals and samples are chosen by comparing numbers, so rounding can send a run another way. Each case therefore runs with its
backbone in channels last too, and gets other images until both runs agree.
"""

import argparse
import copy
import pathlib

import torch
from torch import nn
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.keypoint_rcnn import KeypointRCNN, KeypointRCNNHeads, KeypointRCNNPredictor
from torchvision.models.detection.mask_rcnn import MaskRCNN, MaskRCNNHeads, MaskRCNNPredictor

from cases import ONE_LEVEL, anchors, mobile, resnet, small
from fill import calibrate, fill, image
from parity import fix_scales, rcnn_calibration
from stages import Golden

FIXTURES = pathlib.Path(__file__).parent.parent / "fixtures" / "training"
STEPS = 10
SEED = 42
SAMPLE = 6
# Largest relative difference of losses between torchvision's own two layouts
AGREEMENT = 3e-5
TRAINED = {
    "min_size": (80, 96, 112),
    "max_size": 160,
    "rpn_post_nms_top_n_train": 60,
    "rpn_batch_size_per_image": 64,
    "box_batch_size_per_image": 32,
}

# A box head of 64 numbers in place of 1024: most of the weights of so small a model.
WIDTH = 64


def little(backbone, classes=7, **options):
    return small(backbone, None, **{**box_branch(classes), **TRAINED, **options})


def box_branch(classes):
    return {"box_head": TwoMLPHead(256 * 7 * 7, WIDTH), "box_predictor": FastRCNNPredictor(WIDTH, classes)}


PAIR = [(90, 120, 5), (100, 77, 3)]
CASES = {
    "resnet18": (lambda: little(resnet("resnet18")), PAIR),
    "resnet18-batch-norm": (
        lambda: little(
            resnet("resnet18", norm_layer=nn.BatchNorm2d, trainable_layers=5),
            rpn_post_nms_top_n_train=1,
        ),
        PAIR,
    ),
    "resnet18-background": (lambda: little(resnet("resnet18")), [(90, 120, 0), (100, 77, 3)]),
    "mobilenet_v2-fpn": (lambda: little(mobile("mobilenet_v2", True), rpn_anchor_generator=anchors(3)), PAIR),
    "mobilenet_v3_large-plain": (lambda: little(mobile("mobilenet_v3_large", False), **ONE_LEVEL), PAIR),
    "options": (
        lambda: little(
            resnet("resnet18"),
            rpn_fg_iou_thresh=0.6,
            rpn_bg_iou_thresh=0.2,
            rpn_positive_fraction=0.3,
            rpn_pre_nms_top_n_train=60,
            rpn_batch_size_per_image=90,
            box_fg_iou_thresh=0.6,
            box_bg_iou_thresh=0.4,
            box_positive_fraction=0.4,
            box_batch_size_per_image=48,
            bbox_reg_weights=(8.0, 9.0, 4.0, 3.0),
        ),
        PAIR,
    ),
    "masks": (
        lambda: MaskRCNN(
            resnet("resnet18"),
            **box_branch(5),
            mask_head=MaskRCNNHeads(256, (32, 48), 1),
            mask_predictor=MaskRCNNPredictor(48, 32, 5),
            **TRAINED,
        ),
        PAIR,
    ),
    "masks-background": (
        lambda: MaskRCNN(
            resnet("resnet18"),
            **box_branch(5),
            mask_head=MaskRCNNHeads(256, (32,), 1),
            mask_predictor=MaskRCNNPredictor(32, 32, 5),
            **TRAINED,
        ),
        [(90, 120, 0), (100, 77, 0)],
    ),
    "keypoints": (
        lambda: KeypointRCNN(
            resnet("resnet18"),
            **box_branch(3),
            keypoint_head=KeypointRCNNHeads(256, (32, 48)),
            keypoint_predictor=KeypointRCNNPredictor(48, 5),
            **TRAINED,
        ),
        PAIR,
    ),
}


def draw_targets(height, width, count, classes, seed, masks, keypoints):
    """`count` boxes of at least a quarter of the image's sides, in whole pixels. Masks are the ellipses in the boxes, all
    keypoints lie in them, and the last of each box is not visible."""
    torch.manual_seed(seed)
    numbers = torch.rand(count, 4).double()
    size = torch.tensor([width, height], dtype=torch.float64)
    sides = (size * (0.25 + 0.5 * numbers[:, 2:])).floor()
    corners = ((size - sides) * numbers[:, :2]).floor()
    boxes = torch.cat([corners, corners + sides], 1)
    target = {
        "boxes": boxes.float(),
        "labels": 1 + torch.arange(count) % (classes - 1),
    }
    if masks:
        y = torch.arange(height, dtype=torch.float64)[None, :, None] + 0.5
        x = torch.arange(width, dtype=torch.float64)[None, None, :] + 0.5
        centre = corners + sides / 2
        across = (x - centre[:, 0, None, None]) * 2 / sides[:, 0, None, None]
        down = (y - centre[:, 1, None, None]) * 2 / sides[:, 1, None, None]
        target["masks"] = (across * across + down * down <= 1).to(torch.uint8)
    if keypoints:
        torch.manual_seed(seed + 1)
        places = torch.rand(count, keypoints, 2).double()
        points = (corners[:, None] + sides[:, None] * places).floor()
        visible = (torch.arange(keypoints) < keypoints - 1).double().expand(count, keypoints)
        target["keypoints"] = torch.cat([points, visible[..., None]], 2).float()
    return target


def train(model, images, targets, learning_rate, layout=torch.contiguous_format, steps=STEPS):
    model = copy.deepcopy(model)
    # The whole model cannot be: keypointrcnn_loss does not work on maps in channels last.
    model.backbone.to(memory_format=layout)
    model.train()
    start = {name: value.clone() for name, value in model.state_dict().items()}
    parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
    optimizer = torch.optim.SGD(parameters.values(), lr=learning_rate, momentum=0.9)
    torch.manual_seed(SEED)
    losses, gradients = [], {}
    for step in range(steps):
        found = model(images, targets)
        total = sum(found.values())
        optimizer.zero_grad()
        total.backward()
        if step == 0:
            gradients = {name: p.grad.clone() for name, p in parameters.items() if p.grad is not None}
        optimizer.step()
        losses.append(torch.stack([*found.values(), total]).detach().double())
    changes = {
        name: value - start[name] for name, value in model.state_dict().items() if not torch.equal(value, start[name])
    }
    return list(found), torch.stack(losses), gradients, changes


def layout_noise(losses, others):
    return ((losses - others).abs() / losses.abs().clamp(min=0.1)).max().item()


def uncertain_gradients(gradients, others):
    """Those that the layouts do not agree on, though they are more than rounding."""
    largest = max(gradient.abs().max() for gradient in gradients.values())
    return [
        name
        for name, gradient in gradients.items()
        if gradient.abs().max() > 1e-7 * largest
        and (gradient - others[name]).abs().max() > AGREEMENT * gradient.abs().max()
    ]


def save_run(golden, path, losses, gradients, changes):
    """Adds what steps came to: all losses, samples of the first gradients and of how the state changed."""
    golden.add("losses", losses, sample=losses.numel())
    for parameter, gradient in gradients.items():
        golden.add(f"gradient.{parameter}", gradient, SAMPLE)
    for entry, change in changes.items():
        golden.add(f"change.{entry}", change, SAMPLE)
    golden.save(path)


def make(name, model, recipes, classes, out, calibration, *, masks=False, keypoints=0, learning_rate=2e-5, steps=STEPS, prepare=lambda model: None, still=False):
    """Finds images on which the model's training does not hang on rounding, and writes the case.

    still: at a learning rate that leaves weights as they are, so that only what BatchNorm measures moves. Its gradients hang on
    rounding wherever a whole block of an image is near a ReLU's 0; those are listed, not compared.
    """
    learning_rate = 1e-30 if still else learning_rate
    for attempt in range(60):
        seed = 100 * attempt
        images = [image(h, w, seed + i) for i, (h, w, _) in enumerate(recipes)]
        targets = [
            draw_targets(h, w, count, classes, seed + 50 + i, masks, keypoints) for i, (h, w, count) in enumerate(recipes)
        ]
        model.eval()
        prepare(model)

        def run():
            model(images)

        scales, values = calibrate(model, run, **calibration(model))
        fill(model, scales, values)
        names, losses, gradients, changes = train(model, images, targets, learning_rate, steps=steps)
        if not torch.isfinite(losses).all():
            raise SystemExit(f"{name}: losses are not finite: {losses}")
        _, others, other_gradients, _ = train(model, images, targets, learning_rate, torch.channels_last, steps)
        noise = layout_noise(losses, others)
        uncertain = uncertain_gradients(gradients, other_gradients) if still else []
        if noise <= AGREEMENT:
            break
        print(f"{name}: attempt {attempt}, losses {losses[0, -1]:.4f} .. {losses[-1, -1]:.4f} differ by {noise:.1e}", flush=True)
    else:
        raise SystemExit(f"{name}: no images on which torchvision's own layouts agree")
    golden = Golden(
        case=name,
        images=[{"height": h, "width": w, "seed": seed + i} for i, (h, w, _) in enumerate(recipes)],
        objects=[
            {"count": count, "classes": classes, "seed": seed + 50 + i, "masks": masks, "keypoints": keypoints}
            for i, (_, _, count) in enumerate(recipes)
        ],
        scales=scales,
        values=values,
        seed=SEED,
        learningRate=learning_rate,
        lossNames=names,
        trained=[n for n, p in model.named_parameters() if p.requires_grad],
        noise=noise,
        uncertain=uncertain,
    )
    save_run(golden, out / f"{name}.safetensors", losses, gradients, changes)
    print(f"{name}: seed {seed}, losses {losses[0].tolist()} .. {losses[-1].tolist()}, noise {noise:.1e}", flush=True)


def make_rcnn(name, out):
    build, recipes = CASES[name]
    torch.manual_seed(0)
    model = build()
    predictor = model.roi_heads.keypoint_predictor
    make(
        name,
        model,
        recipes,
        model.roi_heads.box_predictor.cls_score.out_features,
        out,
        rcnn_calibration,
        masks=model.roi_heads.mask_predictor is not None,
        keypoints=predictor.kps_score_lowres.out_channels if predictor is not None else 0,
        prepare=fix_scales,
        still=name.endswith("batch-norm"),
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", help=f"default: all of {', '.join(CASES)}")
    parser.add_argument("--out", type=pathlib.Path, default=FIXTURES)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name in arguments.cases or CASES:
        make_rcnn(name, arguments.out)


if __name__ == "__main__":
    main()
