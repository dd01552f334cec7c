"""Golden schedules of PyTorch and fastai v2: fastai-dsl/tests/golden/courses.json.

For every case the arguments, the batches of an epoch, and for every batch the factor of the rate and the momentum
(null where the schedule leaves it alone).

one_cycle     fastai v2's `combined_cos` as `Learner.fit_one_cycle` builds it, at k / batches
fall          PyTorch: `LinearLR` from a hundredth over the warm-up's batches, then `LinearLR` to 0,
              `CosineAnnealingLR`, `StepLR` or `ConstantLR`, joined by `SequentialLR`, one step a batch
cycles        PyTorch: `CosineAnnealingWarmRestarts`, or a `LinearLR` to 0 for each cycle, joined by `SequentialLR`, one step a
              batch; with cosines, every batch before a 20th of the first cycle has a hundredth, as in fastai 0.7
use_clr       the formulas of fastai 0.7's `CircularLR` and `CircularLR_beta`, restated in plain Python; the momentum is
              that of the batch, where the original's is one batch ahead

How to run
    pip install torch fastai
    python tools/reference_courses.py
"""

import json

import torch
from fastai.callback.schedule import combined_cos
from places import LANGUAGE_GOLDEN
from torch.optim import lr_scheduler as s


def one_cycle(nb, epochs, pct_start, div, div_final, moms):
    n = nb * epochs
    rate = combined_cos(pct_start, 1 / div, 1.0, 1 / div_final)
    momentum = combined_cos(pct_start, *moms)
    return [float(rate(k / n)) for k in range(n)], [float(momentum(k / n)) for k in range(n)]


def fall(nb, epochs, kind, warmup, every, by):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))], lr=1.0)
    n, warm = nb * epochs, round(warmup * nb)
    rest = n - warm
    main = {
        "constant": lambda: s.ConstantLR(optimizer, factor=1.0, total_iters=0),
        "linear": lambda: s.LinearLR(optimizer, start_factor=1.0, end_factor=0.0, total_iters=rest),
        "cosine": lambda: s.CosineAnnealingLR(optimizer, T_max=rest),
        "step": lambda: s.StepLR(optimizer, step_size=every * nb, gamma=by),
    }
    if warm:
        up = s.LinearLR(optimizer, start_factor=0.01, total_iters=warm)
        schedule = s.SequentialLR(optimizer, [up, main[kind]()], milestones=[warm])
    else:
        schedule = main[kind]()
    rates = []
    for _ in range(n):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return rates, None


def cycles(nb, cycles, cycle_len, cycle_mult, anneal):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))], lr=1.0)
    lengths = [nb * cycle_len * cycle_mult**cycle for cycle in range(cycles)]
    ends = [sum(lengths[: cycle + 1]) for cycle in range(cycles)]
    if anneal == "cosine":
        schedule = s.CosineAnnealingWarmRestarts(optimizer, T_0=lengths[0], T_mult=cycle_mult)
    else:
        lines = [s.LinearLR(optimizer, start_factor=1.0, end_factor=0.0, total_iters=length) for length in lengths]
        schedule = s.SequentialLR(optimizer, lines, milestones=ends[:-1])
    rates = []
    for batch in range(ends[-1]):
        low = anneal == "cosine" and batch < lengths[0] / 20
        rates.append(0.01 if low else optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return rates, None


def use_clr(nb, cycles, cycle_len, div, cut_div, moms):
    n = nb * cycle_len
    cut = n // cut_div
    rates, momenta = [], []
    for i in list(range(n)) * cycles:
        pct = 1 - (i - cut) / (n - cut) if i > cut else i / cut
        rates.append((1 + pct * (div - 1)) / div)
        if moms:
            back = (i - cut) / (n - cut) if i > cut else 1 - i / cut
            momenta.append(moms[1] + back * (moms[0] - moms[1]))
    return rates, momenta or None


def use_clr_beta(nb, cycles, cycle_len, div, pct, moms):
    n = nb * cycle_len
    half = int(n * (1 - pct / 100) / 2)
    rates, momenta = [], []
    for i in list(range(n)) * cycles:
        if i > 2 * half:
            tail = (i - 2 * half) / (n - 2 * half)
            rates.append((1 + tail * (1 - 100) / 100) / div)
            up = 0.0
        else:
            up = 1 - (i - half) / half if i > half else i / half
            rates.append((1 + up * (div - 1)) / div)
        if moms:
            momenta.append(moms[0] + up * (moms[1] - moms[0]))
    return rates, momenta or None


def main():
    cases = []

    def case(make, **arguments):
        rates, momenta = make(**arguments)
        cases.append({"what": make.__name__, **arguments, "rates": rates, "momenta": momenta})

    case(one_cycle, nb=20, epochs=3, pct_start=0.25, div=25.0, div_final=1e5, moms=[0.95, 0.85, 0.95])
    case(one_cycle, nb=7, epochs=5, pct_start=0.3, div=10.0, div_final=1e4, moms=[0.9, 0.8, 0.99])
    case(one_cycle, nb=1, epochs=4, pct_start=0.5, div=25.0, div_final=1e5, moms=[0.95, 0.85, 0.95])
    for kind in ("constant", "linear", "cosine", "step"):
        for nb, epochs, warmup in ((10, 4, 0.0), (9, 6, 1.5), (3, 5, 1.0)):
            case(fall, nb=nb, epochs=epochs, kind=kind, warmup=warmup, every=2, by=0.3)
    for anneal in ("cosine", "linear"):
        for nb, cycle_count, cycle_len, cycle_mult in ((20, 3, 1, 2), (7, 2, 3, 1), (3, 3, 2, 3), (25, 1, 4, 1)):
            case(cycles, nb=nb, cycles=cycle_count, cycle_len=cycle_len, cycle_mult=cycle_mult, anneal=anneal)
    case(use_clr, nb=40, cycles=2, cycle_len=1, div=32, cut_div=8, moms=None)
    case(use_clr, nb=11, cycles=2, cycle_len=3, div=20, cut_div=10, moms=[0.95, 0.85])
    case(use_clr_beta, nb=50, cycles=2, cycle_len=1, div=10, pct=10, moms=None)
    case(use_clr_beta, nb=13, cycles=1, cycle_len=4, div=20, pct=13.68, moms=[0.95, 0.85])
    golden = {"torch": torch.__version__, "cases": cases}
    (LANGUAGE_GOLDEN / "courses.json").write_text(json.dumps(golden, separators=(",", ":")))
    print(len(cases), "cases")


if __name__ == "__main__":
    main()
