#!/usr/bin/env python3
"""Compares every network's ONNX model with the network itself.

    python tools/check_onnx.py [NAME ..]

For each architecture, a test of the engine writes a model with weights by formula and fastai's head, three images of 203 pixels, and
the logits that the engine computes for them (needs 1 GB in the temporary folder for the largest). onnx.checker then opens the model,
and onnxruntime runs it on the CPU with batches of three and of one. A network fails if a logit differs by more than 1e-4 of the
largest. Needs onnx, onnxruntime and numpy; run it from the repository's root.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

BOUND = 1e-4


def names():
    listing = Path("fastai-dsl/src/arch")
    found = []
    for file in sorted(listing.glob("*.rs")):
        text = file.read_text()
        if file.name != "mod.rs" and "architectures! {" in text:
            found += re.findall(r"^ {4}(\w+)(?: \| \w+)* => ", text.split("architectures! {")[1], re.M)
    return found


def check(name, folder):
    command = ["cargo", "test", "--workspace", "--quiet", "--test", "models", "--", "--ignored", "--exact"]
    environment = dict(os.environ, FASTAI_ONNX=folder, FASTAI_ONNX_ARCH=name)
    subprocess.run([*command, "onnx::write_every_network"], check=True, env=environment, stdout=subprocess.DEVNULL)
    path = f"{folder}/{name}.onnx"
    onnx.checker.check_model(path, full_check=True)
    model = onnx.load(path)
    size = os.path.getsize(path)
    side = model.graph.input[0].type.tensor_type.shape.dim[2].dim_value
    images = np.load(f"{folder}/{name}.input.npy").reshape(-1, 3, side, side)
    wanted = np.load(f"{folder}/{name}.logits.npy")
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    scale = np.abs(wanted).max()
    errors = []
    for part, expected in [(images, wanted), (images[1:2], wanted[1:2])]:
        logits, probabilities = session.run(["logits", "probabilities"], {"input": part})
        errors.append(np.abs(logits - expected).max() / scale)
        powers = np.exp(expected - expected.max(axis=1, keepdims=True))
        errors.append(np.abs(probabilities - powers / powers.sum(axis=1, keepdims=True)).max())
    assert np.isfinite(wanted).all() and wanted.std() > 0, f"{name}: logits that say nothing"
    print(f"| {name} | {len(model.graph.node)} | {size / 1e6:.1f} | {scale:.3g} | {max(errors):.1e} |", flush=True)
    for file in Path(folder).iterdir():
        file.unlink()
    return max(errors) <= BOUND


def main():
    wanted = sys.argv[1:] or names()
    print("| network | nodes | MB | largest logit | largest error |\n|---|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        failed = [name for name in wanted if not check(name, folder)]
    print(f"{len(wanted) - len(failed)} of {len(wanted)} networks agree to {BOUND} (onnx {onnx.__version__}, "
          f"onnxruntime {onnxruntime.__version__}, opset 20)")
    if failed:
        sys.exit("these differ: " + ", ".join(failed))


if __name__ == "__main__":
    main()
