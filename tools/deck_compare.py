"""The deck's three recipes step for step, here and in PyTorch: what every stage reaches, as means over seeds.

The steps are those of `examples/full`, on less data and on networks whose weights are at hand: dogs-vs-cats and dog breeds
on SqueezeNet 1.1, planet (UC Merced's tags, up to 128 pixels) on EfficientNet-lite0. Both sides read the same files, split
them alike and start from the same weights. Each side draws its own heads, orders and augmentations, so single runs differ as two
seeds do, unless `--same-draws` is said. Cached activations, heads, frozen batch norms, SGDR, rates per layer group and the mean
over plain and augmented views follow fastai 0.7 on both sides.

Beside each stage stands what it brought, the difference from the stage before, and what it brought in the deck, whose figures come
from all of the competitions' data, larger networks and, for planet's augmented views, 256 pixels.

DATA holds `dogscats/{train,valid}`, `dogbreed/{labels.csv,train}` and `ucmerced/{train_v2.csv,train-jpg}`.

How to run
    pip install torch torchvision safetensors opencv-python-headless
    python tools/deck_compare.py DATA LITE0 [--recipes dogs,breeds,planet] [--seeds 3] [--stages N] [--program PATH] [--json FILE]
    python tools/deck_compare.py DATA LITE0 --recorded FILE    # the tables of a file that --json wrote
    cargo build -p fastai-data --example draws
    python tools/deck_compare.py DATA LITE0 --same-draws       # PyTorch trains with the draws of our runs

With `--same-draws`, PyTorch gets the heads, orders, images, views and masks of dropout that our run of the same seed draws, so that
training alone differs, and the tables also show how far the losses of single batches are apart. Where rounding alone drives two
trainings apart, `--same-draws --itself` shows how far: it compares PyTorch with PyTorch in another layout of memory.

FILE is written after each seed, and a further call with it measures the seeds that it lacks. `--stages` measures the first
stages alone: those on cached activations take seconds, so many seeds can be had of them. `--recipes breeds-frozen` has the last steps
of breeds on a body that never trained.
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
from deck_drawn import Drawn, losses_of, paired_table
from deck_own import VIEWS, OwnDraws
from places import PROGRAM, SQUEEZENET
from reference_models import Lite
from run_recipe import error_of, metric_of, run_recipe, usage_of
from torch import nn
from torch_side import batches, factors, pooled, weights_of

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
    # The last steps of breeds on a body that never trained, where equal draws must end alike.
    frozen = Deck(
        "breeds-frozen", "squeezenet1_1", "accuracy", 224, 58, printed=[None, None, None],
        steps=["precompute(on)", Fit([1e-2], 5), "precompute(off)", "resize(299)", "freeze()", Fit([1e-2], 3, 1), "tta()"],
    )  # fmt: skip
    lr = 0.2
    planet = Deck("planet", "efficientnet_lite0", "f2", 64, 64, [], [0.8962, 0.9197, 0.9236, 0.9299, 0.9363], zoom=1.05, top_down=True)
    for size in (64, 128):
        planet.steps += [f"resize({size})", "freeze()", Fit([lr], 3, 1, 2), "unfreeze()", Fit([lr / 9, lr / 3, lr], 3, 1, 2)]
    planet.steps += ["tta()"]
    return [dogs, breeds, frozen, planet]


# The data, as both sides see them.


def split(rows):
    np.random.seed(42)
    held = set(np.random.permutation(len(rows))[: int(0.2 * len(rows))].tolist())
    return [r for i, r in enumerate(rows) if i not in held], [r for i, r in enumerate(rows) if i in held]


def data_of(deck, root):
    """The section `data` and the items (path, classes) of the two sets, with the number of classes."""
    if deck.name == "dogs":
        folder = root / "dogscats"
        names = sorted(p.name for p in (folder / "train").iterdir() if p.is_dir())
        sets = [[(p, [names.index(p.parent.name)]) for p in sorted((folder / part).glob("*/*"))] for part in ("train", "valid")]
        return f"folders {{ root: {json.dumps(str(folder))}, batch: {deck.batch} }}", *sets, len(names)
    folder, labels, images = {
        "breeds": (root / "dogbreed", "labels.csv", "train"),
        "planet": (root / "ucmerced", "train_v2.csv", "train-jpg"),
    }[deck.name.removesuffix("-frozen")]
    with open(folder / labels, newline="", encoding="utf-8") as f:
        rows = [(row[0], row[1].split()) for row in list(csv.reader(f))[1:]]
    names = sorted({tag for _, tags in rows for tag in tags})
    items = [(folder / images / f"{name}.jpg", [names.index(tag) for tag in tags]) for name, tags in rows]
    text = f'csv {{ root: {json.dumps(str(folder))}, labels: "{labels}", images: "{images}", suffix: ".jpg", '
    return text + f"valid: random(0.2, seed = 42), batch: {deck.batch} }}", *split(items), len(names)


def table_of(items, classes):
    """1 where an image has the class, `[image, class]`."""
    table = np.zeros((len(items), classes), np.float32)
    for row, (_, of) in enumerate(items):
        table[row, of] = 1
    return table


# PyTorch.


class Network(nn.Module):
    """A body with published weights and the library's head."""

    layout = torch.channels_last

    def __init__(self, weights, head):
        super().__init__()
        self.body = self.untrained_body()
        found = self.body.load_state_dict(weights_of(weights), strict=False)
        if [k for k in found.missing_keys if not k.startswith("_fc") and "num_batches" not in k]:
            raise SystemExit(f"{weights} lacks {found.missing_keys}")
        self.head = head

    def features(self, x):
        return pooled(self.last_map(x.contiguous(memory_format=self.layout)))

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


def fit(net, epoch, labels, trained, batch, epochs, cycles, loss_of):
    """Trains `net` on the batches of each `epoch()`, the numbers of images with the input; `trained` are groups of layers with
    their rates, and `cycles` the lengths of cosine cycles in epochs: none for constant rates. Returns the losses."""
    sgd = torch.optim.SGD([{"params": list(group.parameters()), "lr": lr} for group, lr in trained], momentum=0.9)
    schedule = factors(cycles, len(batches(len(labels), batch))) if cycles else itertools.repeat(1.0)
    losses = []
    for _ in range(epochs):
        for rows, inputs in epoch():
            factor = next(schedule)
            for group, (_, rate) in zip(sgd.param_groups, trained):
                group["lr"] = rate * factor
            loss = loss_of(net(inputs), labels[rows])
            sgd.zero_grad()
            loss.backward()
            sgd.step()
            losses.append(loss.item())
    return losses


def score(deck, predicted, truth):
    if deck.metric == "accuracy":
        return (predicted.argmax(1) == truth.argmax(1)).mean()
    best = 0
    for threshold in THRESHOLDS:
        said, true = predicted > threshold, truth > 0
        hits = (said & true).sum(1)
        whole = 4 * true.sum(1) + said.sum(1)
        best = max(best, (5 * hits / np.maximum(whole, 1)).mean())
    return best


class Theirs:
    def __init__(self, deck, weights, draws, layout=Network.layout):
        self.deck, self.draws = deck, draws
        targets, self.truth = draws.labels()
        targets = torch.from_numpy(targets)
        self.labels = targets.argmax(1) if deck.metric == "accuracy" else targets
        self.classes = targets.shape[1]
        kind = Lite0 if deck.network == "efficientnet_lite0" else SqueezeNet
        net = kind(weights, draws.head(kind.inputs, self.classes, deck.dropout))
        self.net, net.layout = net.to(memory_format=layout), layout
        self.frozen, self.cached = True, None

    def over(self, inputs, work):
        """`work` of all inputs in the network's evaluation mode."""
        self.net.eval()
        with torch.inference_mode():
            return torch.cat([work(batch) for batch in inputs])

    def probabilities(self, inputs):
        logits = self.over(inputs, self.net)
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
        part = net if self.cached is None else net.head
        cycles = lengths if step.cycle_len else None
        epoch = lambda: self.draws.epoch(len(self.labels), self.deck.batch, self.cached)
        return fit(part, epoch, self.labels, groups, self.deck.batch, sum(lengths), cycles, loss_of)

    def run(self):
        """What each measured step reached, and the losses of each `fit`, by the number of its step from 0."""
        found, losses = [], {}
        for number, step in enumerate(self.deck.steps):
            self.draws.stage = number
            if isinstance(step, Fit):
                losses[number] = self.fit(step)
                found.append(self.score(self.probabilities(self.draws.plain(1))))
                continue
            word, argument = step.rstrip(")").split("(")
            if word == "precompute":
                self.cached = self.over(self.draws.plain(0), self.net.features).clone() if argument == "on" else None
            elif word == "head":
                self.net.head = self.draws.head(self.net.inputs, self.classes, [0.5, 0.5])
            elif word in ("freeze", "unfreeze"):
                self.frozen = word == "freeze"
            elif word == "resize":
                self.draws.size = int(argument)
            elif word == "tta":
                plain = self.probabilities(self.draws.plain(1))
                views = self.probabilities(self.draws.views()).reshape(len(plain), VIEWS, -1)
                found.append(self.score((plain + views.sum(1)) / (1 + VIEWS)))
        self.draws.end()
        return found, losses

    def score(self, predicted):
        return float(score(self.deck, predicted, self.truth))


# Here.


def recipe_of(deck, weights, data):
    metric = "f2(threshold = search)" if deck.metric == "f2" else deck.metric
    steps = "\n        ".join(f"{step};" for step in deck.steps)
    return f"""Deck {{
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


def ours(deck, text, folder, seed, program, cache):
    """What each measured step reached, and the losses of each `fit`; writes the recipe and the run in `folder`."""
    run, summary = run_recipe(program, text, folder, seed, ["--cache", cache])
    measured = [stage["evaluation"] for stage in summary["stages"] if stage["kind"] in ("fit", "tta")]
    column = "f2_best" if deck.metric == "f2" else deck.metric
    return [metric_of(evaluation, column) for evaluation in measured], losses_of(run)


def is_measured(step):
    return isinstance(step, Fit) or step.startswith("tta")


def first_stages(steps, count):
    """The steps up to the measured one of that number, 1 for the first; all if none is given."""
    measured = [at for at, step in enumerate(steps) if is_measured(step)]
    return steps if count is None else steps[: measured[min(count, len(measured)) - 1] + 1]


def show(deck, found):
    paired_table(found["stages"], found) if "losses" in found else table(deck, found["stages"], found)


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
    usage.add_argument("--same-draws", type=pathlib.Path, nargs="?", const=PROGRAM.parent / "examples" / "draws", metavar="DRAWS",
                       help="PyTorch trains with the draws of our runs; the example of fastai-data, built, is DRAWS")  # fmt: skip
    usage.add_argument("--itself", action="store_true", help="with --same-draws: PyTorch in another layout in place of our runs")
    usage.add_argument("--recorded", type=pathlib.Path, metavar="FILE", help="show what --json wrote, and run nothing")
    args = usage.parse_args()
    if args.itself and not args.same_draws:
        usage.error("--itself needs --same-draws")
    if args.recorded:
        recorded = json.loads(args.recorded.read_text())
        for deck in (deck for deck in decks() if deck.name in recorded):
            found = recorded[deck.name]
            print(f"\n{deck.name}: {deck.network}, {deck.metric}, {len(found['here'])} seeds")
            show(deck, found)
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
            empty = {"stages": stages, "here": [], "PyTorch": []} | ({"losses": []} if args.same_draws else {})
            found = all_found.setdefault(deck.name, empty)
            if found["stages"] != stages or found.keys() != empty.keys():
                sys.exit(f"{args.json} holds other stages or draws of {deck.name}: name another file")
            text, targets = recipe_of(deck, weights, data), [table_of(items, classes) for items in (train, valid)]
            for seed in range(len(found["PyTorch"]) + 1, args.seeds + 1):
                started = time.perf_counter()
                with tempfile.TemporaryDirectory() as folder:
                    recipe = pathlib.Path(folder, "drawn.recipe")
                    recipe.write_text(text)
                    if args.itself:
                        draws = Drawn(args.same_draws, recipe, seed, targets)
                        here, losses = Theirs(deck, weights, draws, torch.contiguous_format).run()
                    else:
                        here, losses = ours(deck, text, folder, seed, args.program.resolve(), cache)
                    between = time.perf_counter()
                    if args.same_draws:
                        draws = Drawn(args.same_draws, recipe, seed, targets)
                    else:
                        draws = OwnDraws(deck, (train, valid), targets, seed)
                    there, their_losses = Theirs(deck, weights, draws).run()
                found["PyTorch"].append(there)
                found["here"].append(here)
                if args.same_draws:
                    steps = [at for at, step in enumerate(deck.steps) if is_measured(step)]
                    found["losses"].append([[losses[at], their_losses[at]] if at in losses else [] for at in steps])
                seconds = between - started, time.perf_counter() - between
                print(f"seed {seed}: {seconds[0]:.0f} s here, {seconds[1]:.0f} s in PyTorch", flush=True)
                if args.json:
                    args.json.write_text(json.dumps(all_found, indent=1))
            show(deck, found)


if __name__ == "__main__":
    main()
