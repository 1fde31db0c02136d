"""Writes test/fixtures/checkpoints: small files of every kind the readers know, and hostile ones.

    python test/oracle/checkpoints.py

expected.json holds what torch says is in each file; names.json the state dicts of torchvision's models, today and as they
were before version 2 of their modules (checked here: torchvision itself loads the old ones).
"""

import argparse
import base64
import collections
import io
import json
import pathlib
import pickle
import re
import struct
import warnings
import zipfile

import numpy
import torch
import torchvision
from safetensors.torch import save_file

FOLDER = pathlib.Path(__file__).parents[1] / "fixtures/checkpoints"
HOSTILE = FOLDER / "hostile"
warnings.filterwarnings("ignore")


def tensors():
    torch.manual_seed(3)
    base = torch.randn(4, 6)
    cube = torch.arange(2 * 3 * 4 * 5, dtype=torch.float32).reshape(2, 3, 4, 5)
    tied = torch.randn(3, 2)
    return collections.OrderedDict(
        float32=base,
        float64=torch.randn(3, dtype=torch.float64),
        float16=torch.randn(5).half(),
        bfloat16=torch.randn(5).bfloat16(),
        int64=torch.tensor([1, -2, 2**62]),
        int32=torch.tensor([[1], [-2]], dtype=torch.int32),
        int16=torch.tensor([-300, 300], dtype=torch.int16),
        int8=torch.tensor([-1, 1, 5], dtype=torch.int8),
        uint8=torch.tensor([255, 0, 7], dtype=torch.uint8),
        bool=torch.tensor([True, False, True]),
        scalar=torch.tensor(7),
        empty=torch.zeros(0, 3),
        transposed=base.t(),
        window=base[1:3, 2:5],
        every_other=base[::2, ::3],
        row=base[2],
        expanded=torch.tensor([[1.5], [2.5]]).expand(2, 3),
        channels_last=cube.contiguous(memory_format=torch.channels_last),
        permuted_half=cube.half().permute(3, 0, 2, 1),
        permuted_long=cube.long().permute(1, 3, 0, 2),
        permuted_byte=cube.to(torch.uint8).permute(2, 0, 3, 1),
        tied_a=tied,
        tied_b=tied,
        parameter=torch.nn.Parameter(torch.randn(2)),
    )


def describe(state):
    def one(tensor):
        flat = tensor.detach().contiguous().reshape(-1)
        raw = flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b""
        return {
            "dtype": str(tensor.dtype).removeprefix("torch."),
            "shape": list(tensor.shape),
            "data": base64.b64encode(raw).decode(),
        }

    return {name: one(tensor) for name, tensor in state.items()}


class Small(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(1, 2, 1)
        self.bn = torch.nn.BatchNorm2d(2)

    def forward(self, x):
        return self.bn(self.conv(x))


def friendly():
    expected = {}
    legacy = {"_use_new_zipfile_serialization": False}

    def save(name, value, state=None, **options):
        torch.save(value, FOLDER / name, **options)
        expected[name] = describe(value if state is None else state)

    torch.manual_seed(1)
    state = tensors()
    for protocol in (2, 3, 4, 5):
        save(f"zip-{protocol}.pt", state, pickle_protocol=protocol)
    save("legacy.pt", state, **legacy)
    save("legacy-protocol-4.pt", state, pickle_protocol=4, **legacy)

    model = Small()
    small = model.state_dict()
    save("module.pt", small)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    model(torch.ones(2, 1, 2, 2)).sum().backward()
    optimizer.step()
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [2, 2, 3])
    ema = torch.optim.swa_utils.AveragedModel(model)
    training = {
        "optimizer": optimizer.state_dict(),
        "lr_scheduler": scheduler.state_dict(),
        "model_ema": ema.state_dict(),
        "model": small,
        "epoch": 3,
        "args": argparse.Namespace(lr=0.1, data_path=pathlib.PosixPath("a/b"), device=torch.device("cuda", 0)),
        "best": numpy.float64(0.5),
        "betas": (0.9, 0.999),
        "names": {"cat", "dog"},
        "range": slice(1, 2),
        "shape": torch.Size([1, 2]),
        "dtype": torch.float32,
        "counter": collections.Counter("aab"),
        "default": collections.defaultdict(list, a=[1]),
        "history": numpy.arange(3.0),
        "big": 2**80,
    }
    save("training.pt", training, small)
    save("training-legacy.pt", training, small, **legacy)

    wrapped = collections.OrderedDict((f"module._orig_mod.{k}", v) for k, v in small.items())
    save("wrapped.pt", {"state_dict": wrapped}, small)
    data_parallel = torch.nn.DataParallel(Small())
    data_parallel.module.load_state_dict(small)
    save("data-parallel.pt", {"net": data_parallel.state_dict(), "acc": 90.7}, small)
    save("ema-only.pt", ema.state_dict(), {k.removeprefix("module."): v for k, v in ema.state_dict().items() if k != "n_averaged"})

    plain = collections.OrderedDict((k, v.detach().clone().contiguous()) for k, v in state.items() if k != "tied_b")
    save_file(plain, FOLDER / "plain.safetensors", {"made": "by hand"})
    expected["plain.safetensors"] = describe(plain)

    with zipfile.ZipFile(FOLDER / "zip-2.pt") as source:
        rezip(source, FOLDER / "zip64.pt", zip64=True)
    expected["zip64.pt"] = expected["zip-2.pt"]

    torch.jit.script(Small()).save(FOLDER / "scripted.pt")
    (FOLDER / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


def rezip(source, target, zip64=False, compression=zipfile.ZIP_STORED, skip=(), replace=None):
    limits = zipfile.ZIP64_LIMIT, zipfile.ZIP_FILECOUNT_LIMIT
    if zip64:
        zipfile.ZIP64_LIMIT = zipfile.ZIP_FILECOUNT_LIMIT = 1
    try:
        with zipfile.ZipFile(target, "w", compression) as out:
            for name in source.namelist():
                if name not in skip:
                    out.writestr(name, (replace or {}).get(name, source.read(name)))
    finally:
        zipfile.ZIP64_LIMIT, zipfile.ZIP_FILECOUNT_LIMIT = limits


class Call:
    """Pickles as a call of `function` with `args`."""

    def __init__(self, function, *args):
        self.function, self.args = function, args

    def __reduce__(self):
        return self.function, self.args


def storage(key="0", numel=4, kind=torch.FloatStorage):
    return ("storage", kind, key, "cpu", numel)


class TorchPickler(pickle.Pickler):
    def persistent_id(self, value):
        return value[1] if isinstance(value, tuple) and value and value[0] == "persistent" else None


def torch_pickle(value, protocol=2):
    out = io.BytesIO()
    TorchPickler(out, protocol).dump(value)
    return out.getvalue()


def write_zip(name, data, storages=None, extra=None):
    with zipfile.ZipFile(HOSTILE / name, "w") as out:
        out.writestr("archive/data.pkl", data)
        for key, raw in (storages or {"0": struct.pack("<4f", 1, 2, 3, 4)}).items():
            out.writestr(f"archive/data/{key}", raw)
        for path, raw in (extra or {}).items():
            out.writestr(path, raw)


def tensor(offset=0, size=(4,), stride=(1,), reference=None):
    persistent = ("persistent", reference or storage())
    return Call(torch._utils._rebuild_tensor_v2, persistent, offset, size, stride, False, collections.OrderedDict())


def text(value):
    raw = value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def hostile():
    import os

    def as_zip(name, value, **options):
        write_zip(name, torch_pickle({"weight": value}), **options)

    # Code that would run in Python. Each names the file it would make, so a test can see that nothing ran.
    command = "touch /tmp/torchdet-was-executed"
    evil = Call(os.system, command)
    as_zip("unsafe-system.pt", evil)
    write_zip("unsafe-protocol-4.pt", torch_pickle({"weight": evil}, 4))
    write_zip("unsafe-eval.pt", torch_pickle({"weight": Call(eval, "1 + 1")}))
    write_zip("unsafe-getattr.pt", torch_pickle({"weight": Call(getattr, dict, "get")}))
    write_zip("unsafe-import.pt", torch_pickle({"weight": Call(__import__, "os")}))
    write_zip("unsafe-load-from-bytes.pt", torch_pickle({"weight": Call(torch.storage._load_from_bytes, b"x")}))
    write_zip("unsafe-model.pt", torch_pickle(torch.nn.Linear(1, 1).__class__))
    write_zip("unsafe-inst.pt", b"(S'" + command.encode() + b"'\nios\nsystem\n.")
    write_zip("unsafe-dotted.pt", b"\x80\x04\x8c\x0btorch._util\x94\x8c\x0bs.os.system\x94\x93.")
    # A type that is allowed as a value is not for calling.
    write_zip("unsafe-call-type.pt", b"\x80\x02c__builtin__\nstr\n(K\x01tR.")
    torch.save({"weight": evil}, HOSTILE / "unsafe-legacy.pt", _use_new_zipfile_serialization=False)
    (HOSTILE / "unsafe-bare.pkl").write_bytes(pickle.dumps(evil))
    # REDUCE of a function that was named inside an allowed one's arguments.
    as_zip("unsafe-nested.pt", Call(collections.OrderedDict, [("a", evil)]))

    # Shapes and storages that do not exist.
    as_zip("format-giant.pt", tensor(size=(2**40, 2**40), stride=(1, 1)))
    as_zip("format-giant-zero-stride.pt", tensor(size=(10**6, 10**6, 10), stride=(0, 0, 0)))
    as_zip("format-huge-integer.pt", tensor(size=(2**200,)))
    as_zip("format-offset.pt", tensor(offset=1))
    as_zip("format-negative-offset.pt", tensor(offset=-1, size=(2,)))
    as_zip("format-negative-stride.pt", tensor(offset=3, stride=(-1,)))
    as_zip("format-negative-size.pt", tensor(size=(-4,)))
    as_zip("format-text-size.pt", tensor(size=("4",)))
    as_zip("format-rank.pt", tensor(stride=(1, 1)))
    as_zip("format-dimensions.pt", tensor(size=(1,) * 100, stride=(1,) * 100))
    as_zip("format-no-storage.pt", tensor(reference=storage("9")))
    as_zip("format-traversal.pt", tensor(reference=storage("../data.pkl")))
    as_zip("format-complex.pt", tensor(reference=storage(kind=torch.ComplexFloatStorage)))
    as_zip("format-short-storage.pt", tensor(), storages={"0": b"\0" * 15})
    as_zip("format-big-endian.pt", tensor(), extra={"archive/byteorder": "big"})
    as_zip("format-two-pickles.pt", tensor(), extra={"other/data.pkl": b"N."})
    write_zip("format-no-tensors.pt", torch_pickle({"a": 1}))
    write_zip("format-bad-id.pt", torch_pickle({"a": ("persistent", ("module", 1))}))
    with zipfile.ZipFile(FOLDER / "module.pt") as source:
        rezip(source, HOSTILE / "format-deflated.pt", compression=zipfile.ZIP_DEFLATED)
    with zipfile.ZipFile(HOSTILE / "format-twice.pt", "w") as out:
        for _ in range(2):
            out.writestr("archive/data.pkl", torch_pickle({}))
    with zipfile.ZipFile(HOSTILE / "format-not-torch.zip", "w") as out:
        out.writestr("readme.txt", "hello")

    # Pickles that are wrong in themselves.
    laughs = b"\x80\x02]q\x00" + b"".join(
        b"](" + b"h" + bytes([i]) + (b"h" + bytes([i])) * 9 + b"eq" + bytes([i + 1]) for i in range(200)
    )
    write_zip("format-billion-laughs.pt", laughs + b".")
    recursive = b"\x80\x02}q\x00(" + text("model") + b"h\x00u."
    write_zip("format-recursive-dict.pt", recursive)
    write_zip("format-recursive-list.pt", b"\x80\x02]q\x00h\x00a.")
    deep = b"\x80\x02" + (b"}" + text("a")) * 10_000 + b"N" + b"s" * 10_000 + b"."
    write_zip("format-deep-dict.pt", deep)
    write_zip("format-deep-tuple.pt", b"\x80\x02N" + b"\x85" * 50_000 + b".")
    amplify = b"\x80\x02c_codecs\nencode\nq\x00" + text("x" * 60_000) + text("latin1") + b"\x86q\x01"
    write_zip("format-amplification.pt", amplify + b"h\x00h\x01R0" * 1_000 + b"N.")
    write_zip("format-stack-underflow.pt", b"\x80\x02R.")
    write_zip("format-no-mark.pt", b"\x80\x02t.")
    write_zip("format-mark-underflow.pt", b"\x80\x02N(a.")
    write_zip("format-memo.pt", b"\x80\x02h\x05.")
    write_zip("format-protocol.pt", b"\x80\x09N.")
    write_zip("format-opcode.pt", b"\x80\x02\xff.")
    write_zip("format-no-stop.pt", b"\x80\x02N")
    write_zip("format-long-text.pt", b"\x80\x04\x8d" + b"\xff" * 8 + b".")
    write_zip("format-long-integer.pt", b"\x80\x02\x8b\xff\xff\xff\x7f.")
    write_zip("format-negative-long.pt", b"\x80\x02\x8b\xff\xff\xff\xff.")
    write_zip("format-decimal.pt", b"L" + b"9" * 20_000 + b"L\n.")
    write_zip("format-not-a-call.pt", b"\x80\x02K\x01)R.")
    write_zip("format-items-of-list.pt", b"\x80\x02]K\x01K\x02s.")
    write_zip("format-empty-pickle.pt", b"")

    magic, version = pickle.dumps(torch.serialization.MAGIC_NUMBER, 2), pickle.dumps(1001, 2)
    system = pickle.dumps({"little_endian": True}, 2)
    one = torch_pickle({"weight": tensor()})
    keys = pickle.dumps(["0"], 2)
    data = struct.pack("<q4f", 4, 1, 2, 3, 4)
    legacy = {
        "legacy-version": magic + pickle.dumps(1000, 2) + system + one + keys + data,
        "legacy-big-endian": magic + version + pickle.dumps({"little_endian": False}, 2) + one + keys + data,
        "legacy-unknown-key": magic + version + system + one + pickle.dumps(["1"], 2) + data,
        "legacy-missing-storage": magic + version + system + one + pickle.dumps([], 2),
        "legacy-giant-storage": magic + version + system + one + keys + struct.pack("<q", 2**61),
        "legacy-negative-storage": magic + version + system + one + keys + struct.pack("<q", -1) + data,
        "legacy-short-storage": magic + version + system + one + keys + struct.pack("<q3f", 3, 1, 2, 3),
    }
    for name, raw in legacy.items():
        (HOSTILE / f"format-{name}.pt").write_bytes(raw)
    (FOLDER / "handmade-legacy.pt").write_bytes(magic + version + system + one + keys + data)


def names():
    """State dicts as names and shapes; `renamed` is what checkpoints of 2019 and 2020 call some, and today's names."""

    def freeze_norms(module):
        for name, child in module.named_children():
            if isinstance(child, torch.nn.BatchNorm2d):
                setattr(module, name, torchvision.ops.FrozenBatchNorm2d(child.num_features))
            else:
                freeze_norms(child)

    def shapes(state):
        return {name: list(value.shape) for name, value in state.items()}

    def old_rpn(name):
        return re.sub(r"^(rpn\.head\.conv)\.0\.0\.", r"\1.", name)

    def old_fpn(name):
        return re.sub(r"^(backbone\.fpn\.(?:inner|layer)_blocks\.\d+)\.0\.", r"\1.", name)

    def old_mask(name):
        return re.sub(
            r"^roi_heads\.mask_head\.(\d+)\.0\.", lambda m: f"roi_heads.mask_head.mask_fcn{int(m[1]) + 1}.", name
        )

    def old_retina(name):
        return re.sub(
            r"^(head\.\w+_head\.conv)\.(\d+)\.0\.", lambda m: f"{m[1]}.{2 * int(m[2])}.", name
        )

    out = {}
    detection = torchvision.models.detection
    for builder in ("fasterrcnn_resnet50_fpn", "maskrcnn_resnet50_fpn", "retinanet_resnet50_fpn"):
        with torch.device("meta"):
            model = getattr(detection, builder)(weights=None, weights_backbone=None)
            freeze_norms(model)
        state = model.state_dict()
        old, renamed = collections.OrderedDict(), {}
        for name, value in state.items():
            older = old_retina(old_mask(old_fpn(old_rpn(name))))
            old[older] = value
            if older != name:
                renamed[older] = name
            # BatchNorm2d of that time saved its counter.
            if name.endswith("running_var"):
                old[name.replace("running_var", "num_batches_tracked")] = torch.empty((), dtype=torch.int64, device="meta")
        print(builder, model.load_state_dict(old, strict=True, assign=True))
        out[builder] = {"today": shapes(state), "renamed": renamed}
    for builder in ("fcos_resnet50_fpn", "ssd300_vgg16", "ssdlite320_mobilenet_v3_large"):
        with torch.device("meta"):
            model = getattr(detection, builder)(weights=None, weights_backbone=None, num_classes=91)
            other = getattr(detection, builder)(weights=None, weights_backbone=None, num_classes=5)
        today, five = shapes(model.state_dict()), shapes(other.state_dict())
        differing = {name: shape for name, shape in five.items() if shape != today[name]}
        out[builder] = {"today": today, "fiveClasses": differing}
    lines = [f'"{builder}": {json.dumps(value)}' for builder, value in out.items()]
    (FOLDER / "names.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    HOSTILE.mkdir(parents=True, exist_ok=True)
    friendly()
    hostile()
    names()
    files = [path for path in FOLDER.rglob("*") if path.is_file()]
    print(len(files), "files,", sum(path.stat().st_size for path in files), "bytes")
