"""What PyTorch reaches on examples/data/globe with the SqueezeNet body, to find a good recipe.

    head       frozen body, the head (BN, dropout .25, 512, ReLU, BN, dropout .5, 7) on pooled
               features of the plain images, BCE, batch 64, SGD momentum .9, cosine with restarts;
               several rates, plans, sizes and seeds; prints F2 at 0.2 on valid
    unfreeze   head first, then everything trainable on randomly turned and mirrored images, groups
               features 0-4, features 5-12, head with their own rates, gradient clipped to a
               global norm of 1.0

valid.txt says which chips are for validation; all else trains. F2 is the mean over rows
of 5tp / (5tp + 4fn + fp). "best" is the best of the thresholds .17 to .23 on the same rows.

How to run
    pip install torch torchvision opencv-python-headless safetensors
    python tools/reference_globe.py head
    python tools/reference_globe.py unfreeze [SIZE [HEAD_RATE [SEEDS]]]
"""

import csv
import math
import os
import sys
import time

import cv2
import numpy as np
import torch
import torchvision
from safetensors.torch import load_file
from torch import nn

HERE = os.path.dirname(os.path.abspath(__file__))
DATA = os.path.join(HERE, "..", "examples", "data")
MEAN = np.array([0.485, 0.456, 0.406], np.float32)
STD = np.array([0.229, 0.224, 0.225], np.float32)
BATCH = 64


def read(size):
    """Normalised images [n, 3, size, size], targets [n, 7] and the validation mask."""
    with open(os.path.join(DATA, "globe", "train_v2.csv"), encoding="utf-8") as f:
        rows = [(r["image_name"], r["tags"].split()) for r in csv.DictReader(f)]
    with open(os.path.join(DATA, "globe", "valid.txt"), encoding="utf-8") as f:
        valid = set(f.read().split())
    classes = sorted({tag for _, tags in rows for tag in tags})
    targets = torch.tensor([[float(c in tags) for c in classes] for _, tags in rows])
    pictures = []
    for name, _ in rows:
        image = cv2.imread(os.path.join(DATA, "globe", "train-jpg", name + ".jpg"))[..., ::-1]
        image = image.astype(np.float32) / 255
        if image.shape[0] != size:
            image = cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA)
        pictures.append(((image - MEAN) / STD).transpose(2, 0, 1))
    mask = torch.tensor([name in valid for name, _ in rows])
    return torch.tensor(np.stack(pictures)), targets, mask


def new_body():
    net = torchvision.models.squeezenet1_1(weights=None)
    net.load_state_dict({k: v.float() for k, v in
                         load_file(os.path.join(DATA, "squeezenet1_1.safetensors")).items()})
    return net.features.to(memory_format=torch.channels_last)


def new_head(classes=7):
    head = nn.Sequential(
        nn.BatchNorm1d(1024), nn.Dropout(0.25), nn.Linear(1024, 512), nn.ReLU(),
        nn.BatchNorm1d(512), nn.Dropout(0.5), nn.Linear(512, classes),
    )
    for layer in head:
        if isinstance(layer, nn.Linear):
            nn.init.kaiming_normal_(layer.weight)
            nn.init.zeros_(layer.bias)
    return head


def pooled(body, x):
    x = body(x.contiguous(memory_format=torch.channels_last))
    return torch.cat([x.amax((2, 3)), x.mean((2, 3))], 1)


@torch.no_grad()
def features(body, images):
    body.eval()
    return torch.cat([pooled(body, part) for part in images.split(BATCH)])


def factors(batches, n_cycle, cycle_len, cycle_mult):
    out = []
    for cycle in range(n_cycle):
        n = batches * cycle_len * cycle_mult**cycle
        for c in range(n):
            out.append(0.01 if len(out) < n / 20 else 0.5 * (1 + math.cos(math.pi * c / n)))
    return out


def f2(targets, probs, threshold):
    truth, tags = targets > 0.5, probs > threshold
    tp, fn, fp = (truth & tags).sum(1), (truth & ~tags).sum(1), (~truth & tags).sum(1)
    below = 5 * tp + 4 * fn + fp
    return (5 * tp / below.clamp(min=1)).mean().item()


def scores(probs, targets):
    best = max(f2(targets, probs, t / 100) for t in range(17, 24))
    return f2(targets, probs, 0.2), best


def fit(predict, groups, rates, rows, targets, plan, clip=None, batch=BATCH):
    """SGD with momentum over a cosine plan; `predict(rows)` gives logits in training mode."""
    sgd = torch.optim.SGD([{"params": list(g)} for g in groups], lr=1.0, momentum=0.9)
    everything = [p for g in sgd.param_groups for p in g["params"]]
    waiting = []
    for factor in factors(math.ceil(len(rows) / batch), *plan):
        waiting = waiting or list(rows[torch.randperm(len(rows))].split(batch))
        at = waiting.pop(0)
        for group, rate in zip(sgd.param_groups, rates):
            group["lr"] = rate * factor
        loss = nn.functional.binary_cross_entropy_with_logits(predict(at), targets[at])
        sgd.zero_grad()
        loss.backward()
        if clip:
            nn.utils.clip_grad_norm_(everything, clip)
        sgd.step()


def fit_head(feats, targets, train, rate, plan, seed):
    torch.manual_seed(seed)
    head = new_head()
    fit(lambda at: head(feats[at]), [head.parameters()], [rate], train, targets, plan)
    return head.eval()


def turned(images):
    """Each image by one of the eight turns and mirrors, drawn at random."""
    out = []
    for image, k, mirror in zip(images, torch.randint(4, (len(images),)).tolist(),
                                torch.randint(2, (len(images),)).tolist()):
        image = torch.rot90(image, k, (1, 2))
        out.append(image.flip(2) if mirror else image)
    return torch.stack(out)


def spread(values):
    """Text for pairs (F2 at 0.2, best F2): the means, and the range of the first."""
    fixed, best = zip(*values)
    return (f"F2@.2 {np.mean(fixed):.4f} ({min(fixed):.4f}..{max(fixed):.4f}), "
            f"best threshold {np.mean(best):.4f}")


def judge(head, feats, targets):
    head.eval()
    with torch.no_grad():
        return scores(torch.sigmoid(head(feats)), targets)


def run_heads(seeds=(0, 1, 2)):
    for size in (64, 128):
        images, targets, mask = read(size)
        feats = features(new_body(), images)
        train = (~mask).nonzero()[:, 0]
        for plan in ((2, 1, 2), (3, 1, 2)):
            cycles = "+".join(str(plan[1] * plan[2] ** k) for k in range(plan[0]))
            for rate in (1e-2, 5e-2, 1e-1, 2e-1):
                heads = [fit_head(feats, targets, train, rate, plan, seed) for seed in seeds]
                got = [judge(head, feats[mask], targets[mask]) for head in heads]
                print(f"{size} px, epochs {cycles}, rate {rate:g}: {spread(got)}", flush=True)


def run_unfreeze(size, head_rate, seeds):
    images, targets, mask = read(size)
    feats = features(new_body(), images)
    train = (~mask).nonzero()[:, 0]
    trials = [((100, 10, 1), rate) for rate in (1e-1, 1e-2)]
    trials += [((9, 3, 1), rate) for rate in (1e-1, 3e-2, 1e-2, 1e-3)]
    for parts, rate in trials:
        rates = [rate / part for part in parts]
        before, after, start = [], [], time.time()
        for seed in range(seeds):
            head = fit_head(feats, targets, train, head_rate, (2, 1, 2), seed)
            before.append(judge(head, feats[mask], targets[mask]))
            body = new_body().train()
            head.train()
            groups = [body[:5].parameters(), body[5:].parameters(), head.parameters()]
            fit(lambda at: head(pooled(body, turned(images[at]))), groups, rates, train, targets,
                (2, 1, 2), clip=1.0)
            after.append(judge(head, features(body, images[mask]), targets[mask]))
        shown = ", ".join(f"{rate:.3g}" for rate in rates)
        print(f"{size} px, head {head_rate:g}: {spread(before)}\n    then all [{shown}]: "
              f"{spread(after)}  ({(time.time() - start) / seeds:.0f} s each)", flush=True)


def main():
    torch.set_num_threads(2)
    args = sys.argv[1:]
    if args == ["head"]:
        run_heads()
    elif args[:1] == ["unfreeze"] and len(args) <= 4:
        size, head_rate, seeds = args[1:] + ["128", "0.1", "1"][len(args) - 1 :]
        run_unfreeze(int(size), float(head_rate), int(seeds))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
