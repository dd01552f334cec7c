"""Golden suggestions of fastai v2's `slide`: fastai-runtime/tests/golden/finder_slide.json.

For each sweep of finder_curves.json (losses of single batches, from 1e-5 to 10 in 100 steps) the rate that fastai's own
`slide` reads off the curve as `Learner.lr_find` prepares it: smoothed by `AvgSmoothLoss`, without its first ten and its last
five batches.

How to run
    pip install torch fastai
    python tools/reference_finder.py
"""

import json
from types import SimpleNamespace

import torch
from fastai.callback.schedule import slide
from fastai.learner import AvgSmoothLoss
from places import GOLDEN


def smoothed(losses):
    metric = AvgSmoothLoss()
    metric.reset()
    out = []
    for loss in losses:
        metric.accumulate(SimpleNamespace(loss=torch.tensor(loss), yb=()))
        out.append(metric.value)
    return torch.stack(out).double()


def main():
    curves = json.loads((GOLDEN / "finder_curves.json").read_text())
    found = {}
    for name, curve in curves.items():
        n, losses = curve["iterations"], curve["losses"]
        ratio = curve["end"] / curve["start"]
        rates = [curve["start"] * ratio ** (k / n) for k in range(len(losses))]
        part = slice(n // 10, -5)
        lrs = torch.tensor(rates, dtype=torch.float64)[part]
        found[name] = slide(lrs, smoothed(losses)[part], n)[0]
    (GOLDEN / "finder_slide.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
