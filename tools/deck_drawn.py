"""What our run draws, for PyTorch to train with, and how close the two come then: the paired part of `deck_compare.py`.

The example `draws` of fastai-data states the records that it writes. It runs beside PyTorch and waits until a record is read.
"""

import csv
import json
import math
import statistics
import subprocess
import sys

import numpy as np
import torch
from run_recipe import error_of
from torch import nn
from torch_side import batches, head

# The first batches of a fit whose losses are compared beside all of them. Rounding sets them apart, more with each step.
FIRST = (5, 20)


class Masked(nn.Module):
    """Dropout by the factors that the batch brings; none if the layer has no dropout."""

    mask = None

    def forward(self, x):
        return x * self.mask if self.training and self.mask is not None else x


class Drawn:
    """The draws of our run: labels, heads, batches and images in the order of its steps."""

    def __init__(self, program, recipe, seed, targets):
        self.process = subprocess.Popen([program, recipe, str(seed)], stdout=subprocess.PIPE, bufsize=1 << 20)
        self.targets, self.stage, self.ahead, self.masked = targets, 0, None, []

    def peek(self):
        """The heading of the next record; none at the end."""
        if self.ahead is None:
            line = self.process.stdout.readline()
            self.ahead = json.loads(line) if line else None
        return self.ahead

    def record(self, what):
        """The arrays of the next record, which must be of this kind and stage."""
        heading = self.peek()
        if not heading or (heading["what"], heading["stage"]) != (what, self.stage):
            found = f"{heading['what']} of step {heading['stage'] + 1}" if heading else "the end"
            sys.exit(f"PyTorch wants {what} of step {self.stage + 1}, and `draws` gives {found}")
        self.ahead = None
        arrays = {}
        for array in heading["arrays"]:
            buffer = bytearray(4 * math.prod(array["shape"]))
            if self.process.stdout.readinto(buffer) != len(buffer):
                sys.exit("`draws` ended within a record")
            arrays[array["name"]] = np.frombuffer(buffer, "<" + array["type"][0] + "4").reshape(array["shape"])
        return arrays

    def labels(self):
        arrays = self.record("data")
        if not all(np.array_equal(arrays[part], of) for part, of in zip(("train", "valid"), self.targets)):
            sys.exit("the two sides do not split the images alike")
        return self.targets

    def head(self, inputs, outputs, _dropout):
        net = head(inputs, outputs)
        self.masked = [Masked(), Masked()]
        net[1], net[5] = self.masked
        arrays = self.record("head")
        with torch.no_grad():
            for layer, linear in enumerate([net[2], net[6]]):
                linear.weight.copy_(torch.from_numpy(arrays[f"weight_{layer}"]).T)
        return net

    def epoch(self, images, size, cached):
        """The batches of an epoch: the numbers of the images, and what the network gets."""
        for _ in batches(images, size):
            arrays = self.record("batch")
            for layer, masked in enumerate(self.masked):
                mask = arrays.get(f"mask_{layer}")
                masked.mask = None if mask is None else torch.from_numpy(mask)
            rows = torch.from_numpy(arrays["rows"].astype(np.int64))
            yield rows, inputs_of(arrays) if cached is None else cached[rows]

    def passes(self, what):
        """All records of that kind, as inputs of the network."""
        yield inputs_of(self.record(what))
        while (heading := self.peek()) and (heading["what"], heading["stage"]) == (what, self.stage):
            yield inputs_of(self.record(what))

    def plain(self, part):
        return self.passes("plain_valid" if part else "plain_train")

    def views(self):
        return self.passes("views")

    def end(self):
        if self.peek() or self.process.wait():
            sys.exit("`draws` gives more than PyTorch wants, or failed")


def inputs_of(arrays):
    return torch.from_numpy(arrays["images"])


def losses_of(run):
    """The losses of the batches of each `fit` of a run, by the number of its step from 0."""
    losses = {}
    with open(run / "batches.csv", newline="", encoding="utf-8") as f:
        for row in csv.DictReader(f):
            losses.setdefault(int(row["step"]) - 1, []).append(float(row["loss"]))
    return losses


def apart(both):
    """The largest relative differences of the losses of a `fit` on both sides: of its first batches, and of all."""
    here, there = both
    if len(here) != len(there):
        sys.exit(f"a fit has {len(here)} batches here and {len(there)} in PyTorch")
    relative = [abs(a - b) / abs(a) for a, b in zip(here, there)]
    return [max(relative[:count]) for count in (*FIRST, None)]


def paired_table(stages, found):
    """A Markdown table of both sides, of their difference seed for seed, and of the losses of single batches."""
    first, more = FIRST
    print("| stage | here | PyTorch | difference, paired | standard errors apart ", end="")
    print(f"| losses apart, {first} batches | {more} batches | all batches |")
    print("|---|---|---|---|---|---|---|---|")
    for place, stage in enumerate(stages):
        here, there = ([run[place] for run in found[side]] for side in ("here", "PyTorch"))
        gaps = [a - b for a, b in zip(here, there)]
        cells = [f"{statistics.mean(values):.4f} ± {error_of(values):.4f}" for values in (here, there)]
        cells.append(f"{statistics.mean(gaps):+.4f} ± {error_of(gaps):.4f}")
        error = math.hypot(error_of(here), error_of(there))
        cells.append(f"{statistics.mean(gaps) / error:.2f}" if error > 0 else "")
        losses = [apart(run[place]) for run in found["losses"] if run[place]]
        cells += [f"{max(of):.1e}" for of in zip(*losses)] or [""] * 3
        print(f"| `{stage}` | " + " | ".join(cells) + " |", flush=True)
