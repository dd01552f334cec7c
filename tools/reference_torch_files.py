"""Small files by torch.save for the tests of the reader, and what the reader must refuse.

What it makes
    fastai-runtime/tests/golden/torch/*.pth    a few kilobytes in all

Number i of a storage of n is (i - n / 2) / 4, which every floating type holds exactly, so that the tests need no list of
expected values.

How to run
    pip install numpy torch
    python tools/reference_torch_files.py
"""

import argparse
import collections
import datetime
import io
import os
import pathlib
import pickle
import zipfile

import numpy as np
import torch
from places import GOLDEN

OUT = GOLDEN / "torch"


def numbers(n, dtype=torch.float32):
    return ((torch.arange(n, dtype=torch.float64) - n / 2) / 4).to(dtype)


def state():
    shared = numbers(24)
    matrix = shared[:12].reshape(3, 4)
    return {
        "plain": numbers(6).reshape(2, 3),
        "transposed": matrix.t(),
        "row": matrix[1],
        "column": matrix[:, 2],
        "tail": shared[20:],
        "every_other": shared[::2],
        "channels_last": numbers(48).reshape(2, 2, 3, 4).to(memory_format=torch.channels_last),
        "parameter": torch.nn.Parameter(numbers(4)),
        "half": numbers(5, torch.float16),
        "bfloat": numbers(5, torch.bfloat16),
        "double": numbers(5, torch.float64),
        "scalar": torch.tensor(1.5),
        "empty": torch.empty(0, 3),
        "bn.num_batches_tracked": torch.tensor(7),
    }


def module():
    net = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 1), torch.nn.BatchNorm2d(2))
    for tensor in net.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(numbers(tensor.numel()).reshape(tensor.shape))
    return net


def write(name, value, **options):
    torch.save(value, OUT / name, **options)


def compressed(name, value):
    plain = io.BytesIO()
    torch.save(value, plain)
    with zipfile.ZipFile(plain) as source, zipfile.ZipFile(OUT / name, "w", zipfile.ZIP_DEFLATED) as out:
        for entry in source.infolist():
            out.writestr(entry.filename, source.read(entry))


def beside():
    """What training scripts save beside the weights: objects of all kinds, which a reader must pass over."""
    net = module()
    optimizer = torch.optim.Adam(net.parameters())
    net(torch.ones(1, 1, 2, 2)).sum().backward()
    optimizer.step()
    return {
        "args": argparse.Namespace(lr=0.1, data=pathlib.PurePosixPath("/data"), sizes=(64, 128), seeds={1, 2}),
        "best": np.float64(0.5),
        "history": np.arange(6, dtype=np.float32).reshape(2, 3),
        "when": datetime.datetime(2026, 1, 2),
        "classes": collections.Counter("abca"),
        "optimizer": optimizer.state_dict(),
        "scheduler": collections.defaultdict(list, {"lr": [0.1]}),
        "rng": torch.get_rng_state(),
        "numpy_rng": np.random.RandomState(0).get_state(),
        "dtype": torch.float32,
    }


class Calls:
    def __reduce__(self):
        return os.system, ("echo executed",)


def main():
    torch.manual_seed(0)
    OUT.mkdir(exist_ok=True)
    for ending, zipped in (("zip", True), ("legacy", False)):
        options = {"_use_new_zipfile_serialization": zipped}
        write(f"state.{ending}.pth", state(), **options)
        # As training scripts save: a prefix, `_metadata`, other things beside it.
        wrapped = collections.OrderedDict()
        wrapped._metadata = module().state_dict()._metadata
        wrapped.update({f"module.{k}": v for k, v in module().state_dict().items()})
        write(
            f"checkpoint.{ending}.pth",
            {"epoch": 3, "best": 0.5, "arch": "tiny", "state_dict": wrapped, "optimizer": {"state": {0: {"step": 5}}, "lr": [0.1, None, True]}},
            **options,
        )
        write(f"beside.{ending}.pth", {**beside(), "state_dict": wrapped}, **options)
        write(f"calls.{ending}.pth", {"weight": numbers(2), "evil": Calls()}, **options)
        write(f"whole_model.{ending}.pth", module(), **options)
        write(f"expanded.{ending}.pth", {"weight": numbers(1).expand(1000)}, **options)
    write("protocol4.zip.pth", state(), pickle_protocol=4)
    compressed("compressed.zip.pth", state())
    torch.jit.save(torch.jit.script(module()), OUT / "script.zip.pth")
    (OUT / "plain_pickle.pth").write_bytes(pickle.dumps({"weight": [1.0, 2.0]}))


if __name__ == "__main__":
    main()
