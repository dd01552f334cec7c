"""Holds `run`, `validate` and `predict` against each other, on every recipe of examples/: a run, cold and with a warm cache, on one
thread and on two, ends with the same weights, and its last figures are those of `validate`, and those that follow from what
`predict` says of the held-out images. Exit code 1 if anything differs by a bit.

DATA holds folders dogscats, dogbreed and ucmerced (in planet's layout). The quickstart runs on its own data; the others run on
--images of DATA, and those of examples/full with SqueezeNet, whose weights are in this repository, instead of the deck's networks.

How to run
    pip install numpy
    cargo build
    python tools/same_figures.py DATA [--program PATH] [--images 120] [--recipes quickstart,full/planet,..]
"""

import argparse
import csv
import json
import random
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
from places import GLOBE, PROGRAM, ROOT
from run_recipe import call

EXAMPLES = ROOT / "examples"
SETS = {"dogs_vs_cats": "dogscats", "dogbreed": "dogbreed", "planet": "ucmerced"}
THRESHOLDS = [0.17, 0.18, 0.19, 0.20, 0.21, 0.22, 0.23]


def source(recipe):
    return next(of for name, of in SETS.items() if recipe.removeprefix("full/").startswith(name))


def subset(data, name, folder, images):
    """Copies so many images, and returns the held-out files with their labels."""
    rng = random.Random(3)
    if name == "dogscats":
        held = []
        for part, count in [("train", images), ("valid", images // 2)]:
            for label in ["cats", "dogs"]:
                (folder / part / label).mkdir(parents=True)
                files = sorted((data / name / part / label).iterdir())
                for file in sorted(rng.sample(files, count // 2)):
                    copy = Path(shutil.copy(file, folder / part / label))
                    if part == "valid":
                        held.append((copy, [label]))
        return held
    table, where = {"dogbreed": ("labels.csv", "train"), "ucmerced": ("train_v2.csv", "train-jpg")}[name]
    with open(data / name / table, newline="") as file:
        header, *rows = csv.reader(file)
    rows = [row for row in rows if (data / name / where / f"{row[0]}.jpg").is_file()]
    if name == "dogbreed":
        # Few breeds, so that each has enough images.
        breeds = sorted({row[1] for row in rows})[: images // 8]
        rows = [row for row in rows if row[1] in breeds]
    kept = [rows[i] for i in sorted(rng.sample(range(len(rows)), min(len(rows), images)))]
    (folder / where).mkdir(parents=True)
    for row in kept:
        shutil.copy(data / name / where / f"{row[0]}.jpg", folder / where)
    # What the full recipes name as the test set.
    shutil.copytree(folder / where, folder / ("test" if name == "dogbreed" else "test-jpg"))
    with open(folder / table, "w", newline="") as file:
        csv.writer(file).writerows([header, *kept])
    np.random.seed(42)
    held = sorted(np.random.permutation(len(kept))[: int(0.2 * len(kept))])
    labels = [kept[n][1].split(" ") if name == "ucmerced" else [kept[n][1]] for n in held]
    return [(folder / where / f"{kept[n][0]}.jpg", of) for n, of in zip(held, labels)]


def globe():
    ids = set((GLOBE / "valid.txt").read_text().split())
    with open(GLOBE / "train_v2.csv", newline="") as file:
        rows = list(csv.reader(file))[1:]
    return [(GLOBE / "train-jpg" / f"{row[0]}.jpg", row[1].split(" ")) for row in rows if row[0] in ids]


def f2(probabilities, labels, threshold):
    said = probabilities > np.float32(threshold)
    hits = (said & labels).sum(1)
    weight = 4 * labels.sum(1) + said.sum(1)
    return float(np.mean([5 * hit / of if of else 1.0 for hit, of in zip(hits, weight)]))


def metric(name, probabilities, classes, held):
    """The first metric of an evaluation, from probabilities."""
    labels = np.array([[name in of for name in classes] for _, of in held])
    if name == "accuracy":
        return float(np.mean(labels[np.arange(len(held)), probabilities.argmax(1)]))
    return f2(probabilities, labels, 0.2)


class Check:
    def __init__(self, program):
        self.program, self.wrong = program, 0

    def equal(self, what, a, b):
        if a != b:
            self.wrong += 1
            print(f"DIFFERS {what}: {a!r:.300} and {b!r:.300}", flush=True)

    def recipe(self, name, file, settings, held, folder):
        ends = []
        for run, threads, cache in [("cold-2", 2, "a"), ("warm-2", 2, "a"), ("cold-1", 1, "b"), ("warm-1", 1, "a")]:
            out = folder / run
            arguments = ["run", file, *settings, "--out", out, "--cache", folder / f"cache-{cache}", "--threads", threads, "-q"]
            call(self.program, *arguments, "--device", "cpu")
            summary = json.loads((out / "summary.json").read_text())
            ends.append((run, (out / "models" / "final.safetensors").read_bytes(), summary["final"], summary["tta"]))
        for run, *end in ends[1:]:
            for what, a, b in zip(["weights", "figures", "figures with augmentation"], ends[0][1:], end):
                self.equal(f"{name}: {what} of {ends[0][0]} and {run}", a, b)
        _, _, final, tta = ends[0]
        files = [path for path, _ in held]
        for threads in (1, 2):
            validated = json.loads(call(self.program, "validate", folder / "cold-2", "--json", "--threads", threads, "-q"))
            for what, a, b in [("plain", final, validated["plain"]), ("tta", tta, validated["tta"])]:
                b = b and b["evaluation"]
                # A run knows the loss of its training, too.
                a, b = ({k: v for k, v in (of or {}).items() if k != "trn_loss"} for of in (a, b))
                self.equal(f"{name}: {what} of the run and of validate, {threads} threads", a, b)
        said = {}
        for what, more in [("plain", []), ("tta", ["--tta"])]:
            if what == "tta" and tta is None:
                continue
            answers = [
                json.loads(call(self.program, "predict", folder / "cold-2", *files, "--json", "--threads", threads, *more))
                for threads in (1, 2)
            ]
            self.equal(f"{name}: {what} predictions on 1 and 2 threads", *answers)
            said[what] = answers[0]
        for what, answer in said.items():
            evaluation = final if what == "plain" else tta
            rows = answer["images"]
            probabilities = np.array([[row["probabilities"][name] for name in answer["classes"]] for row in rows], np.float32)
            wanted = evaluation["metrics"][0]
            if wanted["chosen_here"] is not None:
                labels = np.array([[name in of for name in answer["classes"]] for _, of in held])
                found = max(f2(probabilities, labels, threshold) for threshold in THRESHOLDS)
            else:
                found = metric(wanted["name"], probabilities, answer["classes"], held)
            if abs(found - wanted["value"]) > 1e-12:
                self.equal(f"{name}: {what} {wanted['name']} of the run and of predict", wanted["value"], found)
            print(f"{name}: {what} {wanted['name']} {wanted['value']:.6f} of {len(held)} images, by run, validate and predict", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--program", default=PROGRAM)
    parser.add_argument("--images", type=int, default=120)
    parser.add_argument("--recipes", help="names in examples/, without the suffix; all unless given")
    options = parser.parse_args()
    names = sorted(str(file.relative_to(EXAMPLES).with_suffix("")) for file in EXAMPLES.rglob("*.recipe"))
    check = Check(options.program)
    for name in options.recipes.split(",") if options.recipes else names:
        with tempfile.TemporaryDirectory() as folder:
            folder, settings = Path(folder), []
            if name == "quickstart":
                held = globe()
            else:
                held = subset(options.data, source(name), folder / "data", options.images)
                settings += ["--set", f"data.root={folder / 'data'}"]
            if name.startswith("full/"):
                settings += ["--set", "model=squeezenet1_1"]
            check.recipe(name, EXAMPLES / f"{name}.recipe", settings, held, folder)
    print("nothing differs" if not check.wrong else f"{check.wrong} differences", flush=True)
    sys.exit(check.wrong > 0)


if __name__ == "__main__":
    main()
