"""Writes test/fixtures/training/archive-*.safetensors: steps of training the archives of test/fixtures/archives in Python, by their
own scripted forward.

    archive_training.py [name ...] [--out DIR]

As training.py, with fewer steps, and on noise: these train all layers with BatchNorm, and what a block of one colour brings near a
ReLU's 0 makes much of rounding.
"""

import argparse
import pathlib
import warnings

import torch

from archives import CLASSES
from archives import FIXTURES as ARCHIVES
from fill import image
from stages import Golden
from training import AGREEMENT, FIXTURES, SEED, draw_targets, layout_noise, save_run, uncertain_gradients

NAMES = ["fasterrcnn", "retinanet"]
STEPS = 3
LEARNING_RATE = 1e-4
# Shapes on which scripted torchvision resizes as eager does
RECIPES = [(96, 128, 4), (72, 60, 3)]


def train(name, images, targets, layout):
    model = torch.jit.load(str(ARCHIVES / f"{name}.pt")).train()
    model.backbone.to(memory_format=layout)
    start = {key: value.clone() for key, value in model.state_dict().items()}
    parameters = {key: p for key, p in model.named_parameters() if p.requires_grad}
    optimizer = torch.optim.SGD(parameters.values(), lr=LEARNING_RATE, momentum=0.9)
    torch.manual_seed(SEED)
    losses, gradients = [], {}
    for step in range(STEPS):
        found, _ = model(images, targets)
        total = sum(found.values())
        optimizer.zero_grad()
        total.backward()
        if step == 0:
            gradients = {key: p.grad.clone() for key, p in parameters.items()}
        optimizer.step()
        losses.append(torch.stack([*found.values(), total]).detach().double())
    changes = {key: value - start[key] for key, value in model.state_dict().items() if not torch.equal(value, start[key])}
    return list(found), torch.stack(losses), gradients, changes


def make(name, out):
    for attempt in range(20):
        seed = 7 + 100 * attempt
        images = [image(h, w, seed + i, "noise") for i, (h, w, _) in enumerate(RECIPES)]
        targets = [
            draw_targets(h, w, count, CLASSES, seed + 50 + i, False, 0) for i, (h, w, count) in enumerate(RECIPES)
        ]
        names, losses, gradients, changes = train(name, images, targets, torch.contiguous_format)
        _, other_losses, others, _ = train(name, images, targets, torch.channels_last)
        noise = layout_noise(losses, other_losses)
        if noise <= AGREEMENT:
            break
    else:
        raise SystemExit(f"{name}: no images on which the archive's own layouts agree")
    golden = Golden(
        case=name,
        images=[{"height": h, "width": w, "seed": seed + i, "kind": "noise"} for i, (h, w, _) in enumerate(RECIPES)],
        objects=[
            {"count": count, "classes": CLASSES, "seed": seed + 50 + i, "masks": False, "keypoints": 0}
            for i, (_, _, count) in enumerate(RECIPES)
        ],
        seed=SEED,
        learningRate=LEARNING_RATE,
        lossNames=names,
        trained=list(gradients),
        uncertain=uncertain_gradients(gradients, others),
        noise=noise,
    )
    save_run(golden, out / f"archive-{name}.safetensors", losses, gradients, changes)
    print(f"{name}: seed {seed}, losses {losses[0].tolist()} .. {losses[-1].tolist()}, noise {noise:.1e}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help=f"default: all of {', '.join(NAMES)}")
    parser.add_argument("--out", type=pathlib.Path, default=FIXTURES)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    for archive_name in arguments.names or NAMES:
        make(archive_name, arguments.out)
