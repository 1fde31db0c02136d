"""Checks every figure of `torchdet models --json` (standard input) against an installed torchvision.

    npx torchdet models --json | python test/oracle/models.py

Parameters, APs and GFLOPs are those it publishes with its weights. For models
without published weights GFLOPs are counted here as torchvision's were (RetinaNet's come out to the digit): multiply-adds
on a square image, which the model resizes.
"""

import json
import sys

import torch
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models import get_model_weights, list_models
from torchvision.models import detection

from structure import small

METRICS = {"boxAp": "box_map", "maskAp": "mask_map", "keypointAp": "kp_map"}


def count_parameters(model):
    return sum(p.numel() for p in model.parameters())


def giga_flops(model):
    torch.manual_seed(0)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.eval()([torch.rand(3, 224, 224)])
    return counter.get_total_flops() / 2e9


def own_model(name):
    """Models that torchvision has no builder for."""
    if name == "small":
        return small()
    if name == "fcos_imprv_r50_fpn_1x":
        from fcos_original import fcos_imprv_r50_fpn_1x

        return fcos_imprv_r50_fpn_1x()
    return None


def main():
    wrong, seen = [], set()

    def expect(what, value, wanted, tolerance=0.0):
        if value is None or abs(value - wanted) > tolerance:
            wrong.append(f"{what}: {value}, torchvision has {wanted}")

    for entry in json.load(sys.stdin):
        name = entry["name"]
        seen.add(name)
        own = own_model(name)
        if own is not None:
            expect(f"{name} parameters", entry["parameters"], count_parameters(own))
            # Fewer proposals than the limit reach the heads of random weights: a rounded figure stands in the table.
            expect(f"{name} GFLOPs", entry["gigaFlops"], giga_flops(own), tolerance=0.05 * entry["gigaFlops"])
            continue
        published = {str(w): w for w in get_model_weights(name)}
        if {w["name"] for w in entry["weights"]} != set(published):
            wrong.append(f"{name} weights: {[w['name'] for w in entry['weights']]}, torchvision has {list(published)}")
            continue
        for listed in entry["weights"]:
            meta = published[listed["name"]].meta
            expect(f"{listed['name']} parameters", entry["parameters"], meta["num_params"])
            expect(f"{listed['name']} GFLOPs", listed["gigaFlops"], meta["_ops"])
            ((_, metrics),) = meta["_metrics"].items()
            for ours, theirs in METRICS.items():
                if theirs in metrics:
                    expect(f"{listed['name']} {ours}", listed[ours], metrics[theirs])
                elif listed[ours] is not None:
                    wrong.append(f"{listed['name']} {ours}: torchvision publishes none")
            if listed["url"] != published[listed["name"]].url:
                wrong.append(f"{listed['name']} url: {listed['url']}")
    missing = set(list_models(module=detection)) - seen
    if missing:
        wrong.append(f"not listed: {sorted(missing)}")
    print("\n".join(wrong) or f"{len(seen)} models agree")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
