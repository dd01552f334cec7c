"""The deck's three recipes step for step, here and in PyTorch: what every stage reaches, as means over seeds.

The steps are those of `examples/full`, on less data and on networks whose weights are at hand: dogs-vs-cats and dog breeds
on SqueezeNet 1.1, planet (UC Merced's tags, up to 128 pixels) on EfficientNet-lite0. Both sides read the same files, split
them alike and start from the same weights; heads, orders and augmentations are drawn by each side's own generators, so single
runs differ as two seeds do. Cached activations, heads, frozen batch norms, SGDR, rates per layer group and the mean over plain
and augmented views follow fastai 0.7 on both sides.

Beside each stage stands what it brought, the difference from the stage before, and what it brought in the deck, whose figures come
from all of the competitions' data, larger networks and, for planet's augmented views, 256 pixels.

DATA holds `dogscats/{train,valid}`, `dogbreed/{labels.csv,train}` and `ucmerced/{train_v2.csv,train-jpg}`.

How to run
    pip install torch torchvision safetensors opencv-python-headless
    python tools/deck_compare.py DATA LITE0 [--recipes dogs,breeds,planet] [--seeds 3] [--stages N] [--program PATH] [--json FILE]
    python tools/deck_compare.py DATA LITE0 --recorded FILE    # the tables of a file that --json wrote

FILE is written after each seed, and a further call with it measures the seeds that it lacks. `--stages` measures the first
stages alone: those on cached activations take seconds, so many seeds can be had of them.
"""

import csv
import itertools
import json
import math
import pathlib
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field

import cv2
import numpy as np
import torch
import torch.nn.functional as F
import torchvision
from places import SQUEEZENET
from reference_models import Lite
from run_recipe import metric_of, run_recipe, usage_of
from torch import nn
from torch_side import batches, factors, head, pooled, weights_of

THRESHOLDS = (0.17, 0.18, 0.19, 0.20, 0.21, 0.22, 0.23)


@dataclass
class Fit:
    rates: list
    cycles: int
    cycle_len: int | None = None
    cycle_mult: int = 1

    def __str__(self):
        rates = self.rates[0] if len(self.rates) == 1 else self.rates
        more = f", cycle_len = {self.cycle_len}" if self.cycle_len else ""
        more += f", cycle_mult = {self.cycle_mult}" if self.cycle_mult != 1 else ""
        return f"fit({rates}, {self.cycles}{more})"


@dataclass
class Deck:
    name: str
    network: str
    metric: str
    size: int
    batch: int
    steps: list
    # What the deck prints after each measured step.
    printed: list
    zoom: float = 1.1
    dropout: list = field(default_factory=lambda: [0.25, 0.5])
    top_down: bool = False


def decks():
    pieces = [1e-4, 1e-3, 1e-2]
    dogs = Deck(
        "dogs", "squeezenet1_1", "accuracy", 224, 28, dropout=[0.5, 0.5], printed=[0.993, 0.996, 0.9935, 0.994],
        steps=["precompute(on)", Fit([1e-2], 1), "precompute(off)", Fit([1e-2], 2, 1), "unfreeze()", Fit(pieces, 3, 1), "tta()"],
    )  # fmt: skip
    breeds = Deck(
        "breeds", "squeezenet1_1", "accuracy", 224, 58,
        printed=[0.9207, 0.9095, 0.9266, 0.9286, 0.9354, 0.9266, 0.9305, 0.9276, None],
        steps=["precompute(on)", Fit([1e-2], 5), "head(dropout = 0.5)", Fit([1e-2], 2), "precompute(off)", Fit([1e-2], 5, 1),
               "unfreeze()", Fit(pieces, 3, 1, 2), "tta()", Fit(pieces, 1, 2), "tta()",
               "resize(299)", "freeze()", Fit([1e-2], 3, 1), "tta()"],
    )  # fmt: skip
    lr = 0.2
    planet = Deck("planet", "efficientnet_lite0", "f2", 64, 64, [], [0.8962, 0.9197, 0.9236, 0.9299, 0.9363], zoom=1.05, top_down=True)
    for size in (64, 128):
        planet.steps += [f"resize({size})", "freeze()", Fit([lr], 3, 1, 2), "unfreeze()", Fit([lr / 9, lr / 3, lr], 3, 1, 2)]
    planet.steps += ["tta()"]
    return [dogs, breeds, planet]


# The data, as both sides see them.


def split(rows):
    np.random.seed(42)
    held = set(np.random.permutation(len(rows))[: int(0.2 * len(rows))].tolist())
    return [r for i, r in enumerate(rows) if i not in held], [r for i, r in enumerate(rows) if i in held]


def data_of(deck, root):
    """The section `data` and the items (path, target) of the two sets, with the number of outputs."""
    if deck.name == "dogs":
        folder = root / "dogscats"
        names = sorted(p.name for p in (folder / "train").iterdir() if p.is_dir())
        sets = [[(p, names.index(p.parent.name)) for p in sorted((folder / part).glob("*/*"))] for part in ("train", "valid")]
        return f"folders {{ root: {json.dumps(str(folder))}, batch: {deck.batch} }}", *sets, len(names)
    folder, labels, images = {
        "breeds": (root / "dogbreed", "labels.csv", "train"),
        "planet": (root / "ucmerced", "train_v2.csv", "train-jpg"),
    }[deck.name]
    with open(folder / labels, newline="", encoding="utf-8") as f:
        rows = [(row[0], row[1].split()) for row in list(csv.reader(f))[1:]]
    names = sorted({tag for _, tags in rows for tag in tags})

    def target(tags):
        if deck.metric == "accuracy":
            return names.index(tags[0])
        return np.array([name in tags for name in names], np.float32)

    items = [(folder / images / f"{name}.jpg", target(tags)) for name, tags in rows]
    text = f'csv {{ root: {json.dumps(str(folder))}, labels: "{labels}", images: "{images}", suffix: ".jpg", '
    return text + f"valid: random(0.2, seed = 42), batch: {deck.batch} }}", *split(items), len(names)


# PyTorch.


def scaled(image, side):
    h, w = image.shape[:2]
    ratio = side / min(h, w)
    size = max(int(w * ratio), side), max(int(h * ratio), side)
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def center(image, side):
    image = scaled(image, side)
    y, x = (math.ceil((length - side) / 2) for length in image.shape[:2])
    return image[y : y + side, x : x + side].astype(np.float32) / 255


def view(image, side, zoom, rng, top_down):
    """The augmented square of `side_on`, or of `top_down`, of an image of bytes: numbers from 0 to 1. Scale to the side times up
    to `zoom` (p .75), rotate by up to 10 degrees with reflected border (p .75), lighting (.05, .05), flip (p .5), a random crop."""
    image = scaled(image, int(side * rng.uniform(1, zoom)) if rng.random() < 0.75 else side)
    h, w = image.shape[:2]
    if rng.random() < 0.75:
        turn = cv2.getRotationMatrix2D((w // 2, h // 2), rng.uniform(-10, 10), 1)
        image = cv2.warpAffine(image, turn, (w, h), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    image = image.astype(np.float32) / 255
    light, contrast = rng.uniform(-0.05, 0.05, 2)
    factor = 1 + contrast if contrast >= 0 else 1 / (1 - contrast)
    mean = image.mean()
    image = np.clip((image - mean) * factor + mean + light, 0, 1)
    if top_down:
        image = np.rot90(image, rng.integers(4))
    if rng.random() < 0.5:
        image = image[:, ::-1]
    y, x = (int(rng.random() * (length - side)) for length in image.shape[:2])
    return image[y : y + side, x : x + side]


class Network(nn.Module):
    """A body with published weights and the library's head."""

    def __init__(self, weights, classes, dropout):
        super().__init__()
        self.body = self.untrained_body()
        found = self.body.load_state_dict(weights_of(weights), strict=False)
        if [k for k in found.missing_keys if not k.startswith("_fc") and "num_batches" not in k]:
            raise SystemExit(f"{weights} lacks {found.missing_keys}")
        self.head = head(self.inputs, classes, dropout)

    def features(self, x):
        return pooled(self.last_map(x))

    def forward(self, x):
        return self.head(self.features(x))


class Lite0(Network):
    inputs = 2560

    @staticmethod
    def untrained_body():
        return Lite(1.0, 1.0)

    def last_map(self, x):
        body = self.body
        x = F.relu6(body._bn0(body._conv_stem(x)))
        for block in body._blocks:
            x = block(x)
        return F.relu6(body._bn1(body._conv_head(x)))

    def groups(self):
        body = self.body
        first = nn.ModuleList([body._conv_stem, body._bn0, *body._blocks[:5]])
        rest = nn.ModuleList([*body._blocks[5:], body._conv_head, body._bn1])
        return first, rest, self.head


class SqueezeNet(Network):
    inputs = 1024

    @staticmethod
    def untrained_body():
        return torchvision.models.squeezenet1_1(weights=None)

    def last_map(self, x):
        return self.body.features(x)

    def groups(self):
        return self.body.features[:5], self.body.features[5:], self.head


def fit(net, sample, labels, trained, batch, epochs, cycles, loss_of):
    """Trains `net` on what `sample(rows)` gives; `trained` are groups of layers with their rates, and `cycles` the lengths of
    cosine cycles in epochs: none for constant rates."""
    sgd = torch.optim.SGD([{"params": list(group.parameters()), "lr": lr} for group, lr in trained], momentum=0.9)
    schedule = factors(cycles, len(batches(len(labels), batch))) if cycles else itertools.repeat(1.0)
    for _ in range(epochs):
        for rows in batches(len(labels), batch):
            factor = next(schedule)
            for group, (_, rate) in zip(sgd.param_groups, trained):
                group["lr"] = rate * factor
            loss = loss_of(net(sample(rows)), labels[rows])
            sgd.zero_grad()
            loss.backward()
            sgd.step()


def score(deck, predicted, truth):
    if deck.metric == "accuracy":
        return (predicted.argmax(1) == truth).mean()
    best = 0
    for threshold in THRESHOLDS:
        said, true = predicted > threshold, truth > 0
        hits = (said & true).sum(1)
        whole = 4 * true.sum(1) + said.sum(1)
        best = max(best, (5 * hits / np.maximum(whole, 1)).mean())
    return best


class Theirs:
    def __init__(self, deck, weights, sets, classes, seed):
        torch.manual_seed(seed)
        self.deck, self.rng = deck, np.random.default_rng(seed)
        # Scaled and turned as bytes, which OpenCV does several times as fast.
        self.images = [[cv2.imread(str(path), cv2.IMREAD_COLOR_RGB) for path, _ in items] for items in sets]
        targets = [np.stack([np.asarray(target) for _, target in items]) for items in sets]
        self.labels, self.truth = torch.tensor(targets[0]), targets[1]
        is_lite = deck.network == "efficientnet_lite0"
        net = (Lite0 if is_lite else SqueezeNet)(weights, classes, deck.dropout)
        self.net, self.size = net.to(memory_format=torch.channels_last), deck.size
        self.frozen, self.cached = True, None
        mean, std = ([127 / 255] * 3, [128 / 255] * 3) if is_lite else ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
        self.mean, self.std = np.float32(mean), np.float32(std)

    def stack(self, images):
        made = [((image - self.mean) / self.std).transpose(2, 0, 1) for image in images]
        return torch.from_numpy(np.stack(made).astype(np.float32)).to(memory_format=torch.channels_last)

    def over(self, images, work):
        """`work` of all images in the network's evaluation mode, in batches of 32."""
        self.net.eval()
        with torch.inference_mode():
            return torch.cat([work(self.stack(images[at : at + 32])) for at in range(0, len(images), 32)])

    def plain(self, part):
        return [center(image, self.size) for image in self.images[part]]

    def view(self, image):
        return view(image, self.size, self.deck.zoom, self.rng, self.deck.top_down)

    def probabilities(self, images):
        logits = self.over(images, self.net)
        return (logits.softmax(1) if self.deck.metric == "accuracy" else logits.sigmoid()).numpy()

    def fit(self, step):
        net = self.net
        net.train()
        trained = [not self.frozen, not self.frozen, True]
        for group, trains in zip(net.groups(), trained):
            group.requires_grad_(trains)
            for module in group.modules():
                if isinstance(module, nn.BatchNorm2d) and not trains:
                    module.eval()
        rates = step.rates * 3 if len(step.rates) == 1 else step.rates
        groups = [(group, rate) for group, rate, trains in zip(net.groups(), rates, trained) if trains]
        lengths = [(step.cycle_len or 1) * step.cycle_mult**i for i in range(step.cycles)]
        loss_of = F.cross_entropy if self.deck.metric == "accuracy" else F.binary_cross_entropy_with_logits
        part, sample = net, lambda rows: self.stack([self.view(self.images[0][row]) for row in rows])
        if self.cached is not None:
            part, sample = net.head, lambda rows: self.cached[rows]
        cycles = lengths if step.cycle_len else None
        fit(part, sample, self.labels, groups, self.deck.batch, sum(lengths), cycles, loss_of)

    def run(self):
        found = []
        for step in self.deck.steps:
            if isinstance(step, Fit):
                self.fit(step)
                found.append(score(self.deck, self.probabilities(self.plain(1)), self.truth))
                continue
            word, argument = step.rstrip(")").split("(")
            if word == "precompute":
                self.cached = self.over(self.plain(0), self.net.features).clone() if argument == "on" else None
            elif word == "head":
                self.net.head = head(self.net.inputs, len(self.net.head[-1].bias), [0.5, 0.5])
            elif word in ("freeze", "unfreeze"):
                self.frozen = word == "freeze"
            elif word == "resize":
                self.size = int(argument)
            elif word == "tta":
                views = [self.plain(1)] + [[self.view(image) for image in self.images[1]] for _ in range(4)]
                found.append(score(self.deck, np.mean([self.probabilities(view) for view in views], 0), self.truth))
        return [float(value) for value in found]


# Here.


def ours(deck, weights, data, seed, program, cache):
    metric = "f2(threshold = search)" if deck.metric == "f2" else deck.metric
    column = "f2_best" if deck.metric == "f2" else deck.metric
    steps = "\n        ".join(f"{step};" for step in deck.steps)
    text = f"""Deck {{
    task: {"multi_label" if deck.top_down else "single_label"},
    data: {data},
    transforms: {"top_down" if deck.top_down else "side_on"} {{ size: {deck.size}, max_zoom: {deck.zoom} }},
    model: {deck.network} {{ weights: {json.dumps(str(weights))}, dropout: {deck.dropout} }},
    metrics: [{metric}],
    train: {{
        {steps}
    }},
}}
"""
    with tempfile.TemporaryDirectory() as folder:
        _, summary = run_recipe(program, text, folder, seed, ["--cache", cache])
    measured = [stage["evaluation"] for stage in summary["stages"] if stage["kind"] in ("fit", "tta")]
    return [metric_of(evaluation, column) for evaluation in measured]


def is_measured(step):
    return isinstance(step, Fit) or step.startswith("tta")


def first_stages(steps, count):
    """The steps up to the measured one of that number, 1 for the first; all if none is given."""
    measured = [at for at, step in enumerate(steps) if is_measured(step)]
    return steps if count is None else steps[: measured[min(count, len(measured)) - 1] + 1]


def error_of(values):
    return statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else math.nan


def table(deck, stages, found):
    """A Markdown table: what each stage reached on both sides, and what it brought here, in PyTorch and in the deck."""
    print("| stage | here | PyTorch | standard errors apart | brought here | in PyTorch | in the deck |")
    print("|---|---|---|---|---|---|---|")
    for place, stage in enumerate(stages):
        here, there = ([run[place] for run in found[side]] for side in ("here", "PyTorch"))
        gap, error = statistics.mean(here) - statistics.mean(there), math.hypot(error_of(here), error_of(there))
        cells = [f"{statistics.mean(values):.4f} ± {error_of(values):.4f}" for values in (here, there)]
        cells.append(f"{gap / error:.2f}" if error else "")
        for side in ("here", "PyTorch"):
            gains = [run[place] - run[place - 1] for run in found[side]] if place else []
            cells.append(f"{statistics.mean(gains):+.4f}" if gains else "")
        printed = deck.printed[place], deck.printed[place - 1] if place else None
        cells.append(f"{printed[0] - printed[1]:+.4f}" if None not in printed else "")
        print(f"| `{stage}` | " + " | ".join(cells) + " |", flush=True)


def main():
    usage = usage_of(__doc__, 3)
    usage.add_argument("data", type=pathlib.Path, metavar="DATA")
    usage.add_argument("lite0", type=pathlib.Path, metavar="LITE0", help="weights of EfficientNet-lite0")
    usage.add_argument("--recipes", type=lambda s: s.split(","), default=["dogs", "breeds", "planet"])
    usage.add_argument("--threads", type=int, default=2)
    usage.add_argument("--stages", type=int, metavar="N", help="measure the first N stages that are measured")
    usage.add_argument("--recorded", type=pathlib.Path, metavar="FILE", help="show what --json wrote, and run nothing")
    args = usage.parse_args()
    if args.recorded:
        recorded = json.loads(args.recorded.read_text())
        for deck in (deck for deck in decks() if deck.name in recorded):
            found = recorded[deck.name]
            print(f"\n{deck.name}: {deck.network}, {deck.metric}, {len(found['here'])} seeds")
            table(deck, found["stages"], found)
        return
    torch.set_num_threads(args.threads)
    cv2.setNumThreads(args.threads)
    all_found = json.loads(args.json.read_text()) if args.json and args.json.exists() else {}
    with tempfile.TemporaryDirectory() as cache:
        for deck in decks():
            if deck.name not in args.recipes:
                continue
            deck.steps = first_stages(deck.steps, args.stages)
            data, train, valid, classes = data_of(deck, args.data.resolve())
            weights = (SQUEEZENET if deck.network == "squeezenet1_1" else args.lite0).resolve()
            print(f"\n{deck.name}: {deck.network}, {len(train)} + {len(valid)} images, {deck.metric}", flush=True)
            stages = [str(step) for step in deck.steps if is_measured(step)]
            found = all_found.setdefault(deck.name, {"stages": stages, "here": [], "PyTorch": []})
            if found["stages"] != stages:
                sys.exit(f"{args.json} holds other stages of {deck.name}: name another file")
            for seed in range(len(found["PyTorch"]) + 1, args.seeds + 1):
                started = time.perf_counter()
                here = ours(deck, weights, data, seed, args.program.resolve(), cache)
                between = time.perf_counter()
                found["PyTorch"].append(Theirs(deck, weights, (train, valid), classes, seed).run())
                found["here"].append(here)
                seconds = between - started, time.perf_counter() - between
                print(f"seed {seed}: {seconds[0]:.0f} s here, {seconds[1]:.0f} s in PyTorch", flush=True)
                if args.json:
                    args.json.write_text(json.dumps(all_found, indent=1))
            table(deck, stages, found)


if __name__ == "__main__":
    main()
