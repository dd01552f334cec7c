"""The classifier head in PyTorch on the features that the library cached: what its own stage should reach.

The head is BatchNorm1d, Dropout, Linear(512), ReLU, BatchNorm1d, Dropout, Linear; Kaiming normal weights, biases 0; SGD,
momentum .9. Batches are shuffled, a last batch of one joins the one before. Rates are constant, or cosine cycles with the
first twentieth at a hundredth, as in the library.

DATA is a folder with `train/CLASS/*` and `valid/CLASS/*` (accuracy is measured), or one with `labels.csv` or `train_v2.csv`
(image, label or tags separated by spaces; split .2 at random with seed 42; tags are measured with F2 at .2). CACHE is the
folder of one data set at one size that the run names (`made the cache of activations .. : CACHE`); the files of the training
and the validation set are told apart by their rows.

How to run
    pip install torch numpy
    fastai run examples/dogs_vs_cats.recipe --set data.root=DATA        (it says where its cache is)
    python tools/reference_cached_head.py DATA CACHE --rate 1e-2 --epochs 5 --batch 64
"""

import argparse
import csv
import math
import pathlib
import statistics
import struct

import numpy as np
import torch
from torch import nn


def read_features(path):
    """Magic, key (32 bytes), rows and width (u64), f32 values, digest (32 bytes); little-endian."""
    data = path.read_bytes()
    if data[:8] != b"fastact1":
        raise SystemExit(f"{path} is no cache of activations")
    rows, width = struct.unpack("<QQ", data[40:56])
    return np.frombuffer(data, "<f4", rows * width, 56).reshape(rows, width)


def folders(root):
    classes = sorted(p.name for p in (root / "train").iterdir() if p.is_dir())
    labels = []
    for part in ("train", "valid"):
        files = sorted(str(p.relative_to(root)) for p in (root / part).glob("*/*") if p.is_file())
        labels.append(np.array([classes.index(f.split("/")[1]) for f in files]))
    return (*labels, len(classes), False)


def table(path):
    with open(path, newline="", encoding="utf-8") as f:
        rows = list(csv.reader(f))[1:]
    tags = [row[1].split() for row in rows]
    names = sorted({t for row in tags for t in row})
    multi = any(len(row) != 1 for row in tags)
    np.random.seed(42)
    held = np.zeros(len(rows), bool)
    held[np.random.permutation(len(rows))[: int(0.2 * len(rows))]] = True
    if multi:
        y = np.array([[t in row for t in names] for row in tags], dtype=np.float32)
    else:
        y = np.array([names.index(row[0]) for row in tags])
    return y[~held], y[held], len(names), multi


def head(inputs, outputs, dropout):
    net = nn.Sequential(
        nn.BatchNorm1d(inputs), nn.Dropout(dropout[0]), nn.Linear(inputs, 512), nn.ReLU(),
        nn.BatchNorm1d(512), nn.Dropout(dropout[1]), nn.Linear(512, outputs),
    )  # fmt: skip
    for module in net:
        if isinstance(module, nn.Linear):
            nn.init.kaiming_normal_(module.weight)
            nn.init.zeros_(module.bias)
    return net


def batches(n, size):
    found = list(torch.randperm(n).split(size))
    if len(found) > 1 and len(found[-1]) == 1:
        found[-2:] = [torch.cat(found[-2:])]
    return found


def factors(cycles, per_epoch):
    """Of all batches; `cycles` are lengths in epochs, none: constant."""
    step, warm = 0, cycles[0] * per_epoch / 20
    for length in cycles:
        count = length * per_epoch
        for place in range(count):
            yield 0.01 if step < warm else 0.5 * (1 + math.cos(math.pi * place / count))
            step += 1


def score(net, x, y, multi):
    net.eval()
    with torch.no_grad():
        z = net(x)
    if not multi:
        return (z.argmax(1) == y).float().mean().item()
    said, true = torch.sigmoid(z) > 0.2, y > 0
    both = (said & true).sum(1).float()
    weight = 5 * both + 4 * (true & ~said).sum(1) + (said & ~true).sum(1)
    return (5 * both / weight.clamp(min=1)).mean().item()


def train(sets, classes, multi, options, seed):
    (x, y), (xv, yv) = sets
    torch.manual_seed(seed)
    net = head(x.shape[1], classes, options.dropout)
    sgd = torch.optim.SGD(net.parameters(), lr=options.rate, momentum=0.9)
    loss_of = nn.BCEWithLogitsLoss() if multi else nn.CrossEntropyLoss()
    per_epoch = len(batches(len(x), options.batch))
    epochs = sum(options.cycles) if options.cycles else options.epochs
    schedule = factors(options.cycles, per_epoch) if options.cycles else None
    for _ in range(epochs):
        net.train()
        for rows in batches(len(x), options.batch):
            if schedule:
                sgd.param_groups[0]["lr"] = options.rate * next(schedule)
            loss = loss_of(net(x[rows]), y[rows])
            sgd.zero_grad()
            loss.backward()
            sgd.step()
    return score(net, xv, yv, multi)


def main():
    parser = argparse.ArgumentParser(formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("cache", type=pathlib.Path)
    parser.add_argument("--rate", type=float, default=1e-2)
    parser.add_argument("--epochs", type=int, default=5, help="at a constant rate")
    parser.add_argument("--cycles", type=lambda s: [int(c) for c in s.split(",")], help="epochs of each, such as 1,2,4")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--dropout", type=lambda s: [float(p) for p in s.split(",")], default=[0.25, 0.5])
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    if (options.data / "train").is_dir() and (options.data / "valid").is_dir():
        y, yv, classes, multi = folders(options.data)
    else:
        found = [options.data / name for name in ("train_v2.csv", "labels.csv")]
        y, yv, classes, multi = table(next(p for p in found if p.is_file()))
    if len(y) == len(yv):
        raise SystemExit(f"both sets have {len(y)} images: their files cannot be told apart")
    files = {f.shape[0]: f for f in map(read_features, sorted(options.cache.glob("*.features")))}
    missing = [n for n in (len(y), len(yv)) if n not in files]
    if missing:
        raise SystemExit(f"{options.cache} has files of {sorted(files)} rows, none of {missing}")
    sets = [(torch.tensor(files[len(labels)]), torch.tensor(labels)) for labels in (y, yv)]
    reached = [train(sets, classes, multi, options, seed) for seed in range(1, options.seeds + 1)]
    word = "F2" if multi else "accuracy"
    spread = statistics.stdev(reached) if len(reached) > 1 else 0.0
    print(f"{word}: {', '.join(f'{r:.4f}' for r in reached)}; mean {statistics.mean(reached):.4f}, deviation {spread:.4f}")


if __name__ == "__main__":
    main()
