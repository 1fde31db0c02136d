"""Writes test/fixtures/parity-dense/FAMILY/*.safetensors: one-stage detectors, as parity.py does two-stage ones.

    dense.py [FAMILY[/CASE] ...] [--out DIR]

A family is a file cases_FAMILY.py beside this one, with
  CASES    name -> Case; test/parity/cases/FAMILY.ts builds the same
  TARGETS  pattern of layers' names -> standard deviation of their output; 1 where nothing is said
  MEANS    pattern -> mean of each output channel, a number or a list; biases are as drawn where nothing is said
  VALUES   name -> list, for tensors that are neither convolutions nor norms (may be left out)
"""

import argparse
import importlib
import pathlib
from fnmatch import fnmatchcase

from dense_stages import run_dense_stages
from parity import Suite, make

HERE = pathlib.Path(__file__).parent
FIXTURES = HERE.parent / "fixtures" / "parity-dense"
FAMILIES = sorted(path.stem.removeprefix("cases_") for path in HERE.glob("cases_*.py"))


def family(name):
    return importlib.import_module(f"cases_{name}")


def matching(model, patterns):
    names = [name for name, _ in model.named_modules()]
    return {name: value for pattern, value in patterns.items() for name in names if fnmatchcase(name, pattern)}


def dense_suite(cases):
    def calibration(model):
        return {
            "targets": matching(model, cases.TARGETS),
            "means": matching(model, cases.MEANS),
            "values": getattr(cases, "VALUES", None),
        }

    return Suite(run_dense_stages, calibration, boxes=("head.boxes",))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("subjects", nargs="*", default=FAMILIES)
    parser.add_argument("--out", default=FIXTURES, type=pathlib.Path)
    arguments = parser.parse_args()
    for subject in arguments.subjects:
        name, _, only = subject.partition("/")
        cases = family(name)
        (arguments.out / name).mkdir(parents=True, exist_ok=True)
        for case in [only] if only else cases.CASES:
            make(case, cases.CASES[case], arguments.out / name, suite=dense_suite(cases))


if __name__ == "__main__":
    main()
