"""Writes test/fixtures/training/optimizers.json: what torch's optimisers, clipping, schedules and averages make of known numbers.

    python test/oracle/optimizers.py

The model is a convolution, a norm and a linear layer; values and gradients are drawn by seed, so that both sides have the same.
Expected are the parameters after ten steps of the plain (not fused) implementations.
"""

import copy
import json
from pathlib import Path

import torch
from torch import nn
from torch.optim import lr_scheduler as lrs
from torch.optim.swa_utils import AveragedModel

STEPS = 10
TARGET = Path(__file__).resolve().parent.parent / "fixtures" / "training" / "optimizers.json"


def draw(shape, seed):
    torch.manual_seed(seed)
    return torch.randn(shape)


def model():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 5))
    with torch.no_grad():
        for i, parameter in enumerate(net.parameters()):
            parameter.copy_(draw(parameter.shape, 100 + i))
    return net


def set_gradients(net, step, scale=1.0, skip=()):
    for i, (name, parameter) in enumerate(net.named_parameters()):
        wanted = not any(name.startswith(prefix) for prefix in skip)
        parameter.grad = draw(parameter.shape, 1000 + 10 * step + i) * scale if wanted else None


def numbers(tensor):
    return [float(value) for value in tensor.detach().flatten()]


def parameters(net):
    return {name: numbers(parameter) for name, parameter in net.named_parameters()}


def run(make, *, rates=None, clip_norm=None, clip_value=None, late=None):
    net = model()
    optimizer = make(net)
    norms = []
    for step in range(STEPS):
        if rates:
            for group in optimizer.param_groups:
                group["lr"] = group["initial"] * rates[step]
        set_gradients(net, step, skip=(late,) if late and step < 3 else ())
        trained = [p for p in net.parameters() if p.grad is not None]
        norms.append(float(torch.nn.utils.get_total_norm([p.grad for p in trained])))
        if clip_value is not None:
            torch.nn.utils.clip_grad_value_(trained, clip_value)
        if clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(trained, clip_norm)
        optimizer.step()
    return {"parameters": parameters(net), "norms": norms}


def sgd(**options):
    return lambda net: torch.optim.SGD(net.parameters(), foreach=False, **options)


def adamw(**options):
    return lambda net: torch.optim.AdamW(net.parameters(), foreach=False, **options)


def grouped(net):
    """The linear layer learns faster; norms and biases have a weight decay of their own."""
    conv, norm, linear = net
    groups = [
        {"params": [linear.weight], "lr": 0.1, "weight_decay": 0.02},
        {"params": [linear.bias], "lr": 0.1, "weight_decay": 0.0},
        {"params": [conv.weight], "lr": 0.01, "weight_decay": 0.02},
        {"params": [conv.bias], "lr": 0.01, "weight_decay": 0.0},
        {"params": list(norm.parameters()), "lr": 0.01, "weight_decay": 0.005},
    ]
    for group in groups:
        group["initial"] = group["lr"]
    return torch.optim.SGD(groups, momentum=0.9, foreach=False)


def cases():
    rates = [1 / (1 + step) for step in range(STEPS)]
    return {
        "sgd": run(sgd(lr=0.05)),
        "sgd momentum": run(sgd(lr=0.05, momentum=0.9, weight_decay=0.01)),
        "sgd dampening": run(sgd(lr=0.05, momentum=0.8, dampening=0.3, weight_decay=0.01)),
        "sgd nesterov": run(sgd(lr=0.05, momentum=0.9, weight_decay=0.01, nesterov=True)),
        "sgd groups": run(grouped, rates=rates),
        "sgd clip norm": run(sgd(lr=0.05, momentum=0.9), clip_norm=1.5),
        "sgd clip value": run(sgd(lr=0.05, momentum=0.9), clip_value=0.5),
        "sgd clip both": run(sgd(lr=0.05, momentum=0.9), clip_value=0.5, clip_norm=1.5),
        "sgd late": run(sgd(lr=0.05, momentum=0.9, weight_decay=0.01), late="2."),
        "adamw": run(adamw(lr=0.01)),
        "adamw options": run(adamw(lr=0.02, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.1)),
        "adamw late": run(adamw(lr=0.01), late="2."),
    }


def schedule(make, steps=30):
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = make(optimizer)
    factors = []
    for _ in range(steps):
        factors.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    return factors


def warm(optimizer, main):
    rise = lrs.LinearLR(optimizer, start_factor=0.001, total_iters=5)
    return lrs.ChainedScheduler([rise, main(optimizer)])


def schedules():
    return {
        "constant": schedule(lambda o: lrs.LambdaLR(o, lambda step: 0.25)),
        "multiStep": schedule(lambda o: lrs.MultiStepLR(o, [8, 16, 16, 20], gamma=0.3)),
        "cosine": schedule(lambda o: lrs.CosineAnnealingLR(o, T_max=30, eta_min=0.1)),
        "linear": schedule(lambda o: lrs.LinearLR(o, start_factor=0.2, end_factor=0.9, total_iters=12)),
        "warmUp": schedule(lambda o: warm(o, lambda p: lrs.MultiStepLR(p, [8, 16]))),
        "sequential": schedule(
            lambda o: lrs.SequentialLR(
                o,
                [lrs.LinearLR(o, start_factor=0.01, total_iters=5), lrs.CosineAnnealingLR(o, T_max=25)],
                milestones=[5],
            )
        ),
        "perEpoch": schedule(lambda o: lrs.LambdaLR(o, lambda step: 0.5 ** (step // 7))),
    }


def averages(decay=0.7):
    """As torchvision's reference scripts make it: parameters and buffers, the first update copies."""
    net = model()
    ema = AveragedModel(net, avg_fn=lambda avg, p, _: decay * avg + (1 - decay) * p, use_buffers=True)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9, foreach=False)
    for step in range(STEPS):
        set_gradients(net, step)
        optimizer.step()
        net[1].running_mean.copy_(draw((4,), 5000 + step))
        net[1].num_batches_tracked.fill_(step)
        ema.update_parameters(net)
        if step == 4:
            restarted = copy.deepcopy(ema)
            restarted.n_averaged.fill_(0)
    restarted.update_parameters(net)
    state = ema.module.state_dict()
    return {
        "decay": decay,
        "averages": {name: numbers(value) for name, value in state.items()},
        "restarted": {name: numbers(value) for name, value in restarted.module.state_dict().items()},
    }


def main():
    result = {"cases": cases(), "schedules": schedules(), "ema": averages()}
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
