#!/usr/bin/env python3
"""Runs ONNX models in onnxruntime on the CPU and compares them with this engine, three ways.

    python tools/check_onnx.py [NAME ..]
    python tools/check_onnx.py --program target/debug/fastai [NAME ..]
    python tools/check_onnx.py --program target/debug/fastai --run RUN --images IMAGE ..

The first compares logits: for each architecture, a test of the engine writes a model with weights by formula and fastai's head,
three images of 203 pixels, and the logits that the engine computes for them (1 GB in the temporary folder for the largest).

The second goes the way of a user: it trains each network from random weights for two epochs of a few pictures, exports the model
with normalised input and with `--pixels`, prepares pictures as the file's metadata say, and compares with `fastai predict
--jsonl` of the same files. Single labels, tags and numbers take turns over the networks; a NAME is trained for all three.

The third does the same with a trained run. Pictures are cut and scaled to the model's size here and written as PNG, for both
sides to read: what differs between ways to scale or to decode a JPEG is not compared.

onnx.checker opens each model; it runs with all pictures and with a single one. A network fails if a number differs by more than
1e-4 of the largest: logits, probabilities and, in the latter two, the logits that follow from the probabilities of `predict`.
Needs onnx, onnxruntime, numpy and Pillow; run it from the repository's root.
"""

import argparse
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from run_recipe import call

BOUND = 1e-4
TASKS = {"single_label": "accuracy", "multi_label": "f2", "regression": "mae"}
# No multiple of a stride, so that paddings differ on both sides; at least what the largest network needs.
SIDE = 99
PICTURES = 24
RECIPE = """Tried {{
    task: {task},
    data: csv {{ root: "data", labels: "labels.csv", images: ".", suffix: ".png", valid: random(0.25), batch: 3 }},
    transforms: none {{ size: {side} }},
    model: {name} {{ weights: none }},
    metrics: [{metric}],
    clip: 1.0,
    report: off,
    train: {{ fit(1e-3, 2); }},
}}
"""


def names():
    listing = Path("fastai-dsl/src/arch")
    found = []
    for file in sorted(listing.glob("*.rs")):
        text = file.read_text()
        if file.name != "mod.rs" and "architectures! {" in text:
            found += re.findall(r"^ {4}(\w+)(?: \| \w+)* => ", text.split("architectures! {")[1], re.M)
    return found


def opened(path):
    """The model, once the checker has seen it, and its session."""
    onnx.checker.check_model(str(path), full_check=True)
    return onnx.load(str(path)), onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def numbers(model):
    """Millions of weights."""
    return sum(int(np.prod(each.dims)) for each in model.graph.initializer if each.data_type == onnx.TensorProto.FLOAT) / 1e6


def by_formula(name, folder):
    command = ["cargo", "test", "--workspace", "--quiet", "--test", "models", "--", "--ignored", "--exact"]
    environment = dict(os.environ, FASTAI_ONNX=str(folder), FASTAI_ONNX_ARCH=name)
    subprocess.run([*command, "onnx::write_every_network"], check=True, env=environment, stdout=subprocess.DEVNULL)
    model, session = opened(folder / f"{name}.onnx")
    side = model.graph.input[0].type.tensor_type.shape.dim[2].dim_value
    images = np.load(folder / f"{name}.input.npy").reshape(-1, 3, side, side)
    wanted = np.load(folder / f"{name}.logits.npy")
    scale = np.abs(wanted).max()
    errors = []
    for part, expected in [(images, wanted), (images[1:2], wanted[1:2])]:
        logits, probabilities = session.run(["logits", "probabilities"], {"input": part})
        errors.append(np.abs(logits - expected).max() / scale)
        powers = np.exp(expected - expected.max(axis=1, keepdims=True))
        errors.append(np.abs(probabilities - powers / powers.sum(axis=1, keepdims=True)).max())
    assert np.isfinite(wanted).all() and wanted.std() > 0, f"{name}: logits that say nothing"
    print(f"| {name} | {len(model.graph.node)} | {numbers(model):.1f} | {scale:.3g} | {max(errors):.1e} |", flush=True)
    for file in folder.iterdir():
        file.unlink()
    return max(errors)


def write_pictures(folder):
    """Pictures with something to tell apart, and labels of each task; returns the pictures."""
    from PIL import Image

    draw = np.random.default_rng(5)
    (folder / "data").mkdir()
    tables = {task: ["name,label"] for task in TASKS}
    pictures = []
    for i in range(PICTURES):
        waves = np.sin(np.linspace(0, 3 + 5 * (i % 3), SIDE))[:, None, None] * [90, 60 - 30 * (i % 2), -60]
        pixels = 128 + waves + draw.normal(0, 30, (SIDE, SIDE, 3))
        pictures.append(folder / f"data/{i:02}.png")
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(pictures[-1])
        tables["single_label"].append(f"{i:02},{'abc'[i % 3]}")
        tables["multi_label"].append(f"{i:02},{['a', 'b', 'a b', 'c'][i % 4]}")
        tables["regression"].append(f"{i:02},{10 * (i % 3) + i / 7:.3f}")
    for task, rows in tables.items():
        (folder / f"{task}.csv").write_text("\n".join(rows) + "\n")
    return pictures


def trained(program, name, task, folder):
    """The run folder of a network that was trained for two epochs."""
    (folder / "data/labels.csv").write_text((folder / f"{task}.csv").read_text())
    (folder / "tried.recipe").write_text(RECIPE.format(task=task, name=name, metric=TASKS[task], side=SIDE))
    shutil.rmtree(folder / "run", ignore_errors=True)
    call(program, "run", "tried.recipe", "--out", "run", "--quiet", folder=folder)
    return folder / "run"


def logits_of(probabilities, task):
    """The logits that probabilities follow from, less that of the most probable class; not a number where 32 bits do not tell."""
    p = probabilities.astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        if task == "single_label":
            return np.where(p > 1e-30, np.log(p / p.max(axis=1, keepdims=True)), np.nan)
        return np.where((p > 1e-30) & (p < 0.99), np.log(p / (1 - p)), np.nan)


def differences(session, task, inputs, wanted):
    """The largest differences between a model and `wanted`, relative to the largest number of their kind."""
    name = session.get_inputs()[0].name
    found = []
    for part, expected in [(inputs, wanted), (inputs[1:2], wanted[1:2])]:
        if task == "regression":
            [values] = session.run(["values"], {name: part})
            found.append(np.abs(values - expected).max() / np.abs(wanted).max())
            continue
        logits, probabilities = session.run(["logits", "probabilities"], {name: part})
        found.append(np.abs(probabilities - expected).max() / wanted.max())
        if task == "single_label":
            logits = logits - logits.max(axis=1, keepdims=True)
        found.append(np.nanmax(np.abs(logits - logits_of(expected, task))) / np.nanmax(np.abs(logits_of(wanted, task))))
    return max(found)


def as_predicted(program, run, files, folder):
    """Exports a run both ways: (millions of weights, task, difference with normalised input, with pixels)."""
    from PIL import Image

    said = [json.loads(line) for line in call(program, "predict", run, *files, "--jsonl", "--quiet").splitlines()]
    found = []
    for option in ([], ["--pixels"]):
        path = folder / "model.onnx"
        call(program, "export", run, "--out", path, *option)
        model, session = opened(path)
        facts = {each.key: each.value for each in model.metadata_props}
        task, preparation = json.loads(facts["fastai.task"]), json.loads(facts["fastai.preprocessing"])
        pixels = np.stack([np.asarray(Image.open(file).convert("RGB")) for file in files])
        side = preparation["size"]
        assert pixels.shape[1:] == (side, side, 3) and preparation["channels"] == "RGB", preparation
        assert not any("border" in step for step in preparation["steps"]), "a border is added, which is not done here"
        if not preparation["normalised_by_the_model"]:
            mean, std = np.float32(preparation["mean"]), np.float32(preparation["std"])
            pixels = ((pixels.astype(np.float32) / preparation["divide_by"] - mean) / std).transpose(0, 3, 1, 2)
        if task == "regression":
            wanted = np.float32([[each["value"]] for each in said])
        else:
            wanted = np.float32([[each["probabilities"][name] for name in json.loads(facts["fastai.classes"])] for each in said])
        assert np.isfinite(wanted).all() and np.ptp(wanted, axis=0).max() > 10 * BOUND * wanted.max(), "the pictures look alike"
        found.append(differences(session, task, np.ascontiguousarray(pixels), wanted))
        path.unlink()
    return numbers(model), task, *found


def print_row(name, row):
    millions, task, normalised, pixels = row
    print(f"| {name} | {millions:.1f} | {task} | {normalised:.1e} | {pixels:.1e} |", flush=True)
    return max(normalised, pixels)


def squares(program, run, images, folder):
    """The middle squares of images as PNG files of the model's size."""
    from PIL import Image, ImageOps

    path = folder / "size.onnx"
    call(program, "export", run, "--out", path)
    facts = {each.key: each.value for each in onnx.load(str(path)).metadata_props}
    side = json.loads(facts["fastai.preprocessing"])["size"]
    for i, image in enumerate(images):
        made = ImageOps.fit(ImageOps.exif_transpose(Image.open(image)).convert("RGB"), (side, side))
        made.save(folder / f"{i:04}.png")
    return [folder / f"{i:04}.png" for i in range(len(images))]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--program", type=lambda path: str(Path(path).resolve()))
    parser.add_argument("--run")
    parser.add_argument("--images", nargs="+", default=[])
    args = parser.parse_args()
    if args.run and (not args.program or len(args.images) < 2):
        parser.error("--run wants --program and at least two --images")
    wanted = args.names or names()
    errors = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        if not args.program:
            print("| network | nodes | million weights | largest logit | largest error |\n|---|---:|---:|---:|---:|")
            errors = {name: by_formula(name, folder) for name in wanted}
        else:
            print("| network | million weights | task | normalised input | 8-bit pixels |\n|---|---:|---|---:|---:|")
            if args.run:
                files = squares(args.program, args.run, args.images, folder)
                errors[args.run] = print_row(args.run, as_predicted(args.program, args.run, files, folder))
            else:
                pictures = write_pictures(folder)
                in_turn = list(zip(wanted, itertools.cycle(TASKS)))
                for name, task in itertools.product(args.names, TASKS) if args.names else in_turn:
                    run = trained(args.program, name, task, folder)
                    row = as_predicted(args.program, run, pictures[:6], folder)
                    errors[f"{name}, {task}"] = print_row(name, row)
    failed = [name for name, error in errors.items() if not error <= BOUND]
    print(f"{len(errors) - len(failed)} of {len(errors)} agree to {BOUND} (onnx {onnx.__version__}, "
          f"onnxruntime {onnxruntime.__version__}, opset 20)")
    if failed:
        sys.exit("these differ: " + "; ".join(failed))


if __name__ == "__main__":
    main()
