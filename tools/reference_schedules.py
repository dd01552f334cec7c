"""Golden learning rates, finder sweeps and smoothing: fastai-dsl/tests/golden/schedules.json.

Plain Python. The rules, for nb batches an epoch:

epochs   cycle_len * n_cycle when cycle_mult is 1, else the sum of cycle_len * cycle_mult**k.
cosine   a restart period of n = nb * cycle_len batches, then n * cycle_mult, and so on. Batch c of
         its period (from 0) gets 0.5 * (1 + cos(pi * c / n)), except that every batch `it` of the
         whole fit with it < n / 20 gets 0.01 instead (the cosine goes on meanwhile).
         `factors` lists one factor per batch, to be multiplied with each group's base rate.
         A case with "compat": true is the old corner case of a period of one batch, which
         never restarts; a corrected schedule may differ there.
finder   exponential: start * (end / start) ** (k / nb); linear: start * (end / start) * k / nb.
smooth   a <- 0.98 a + 0.02 loss, shown a / (1 - 0.98 ** k), k from 1.
stop     the finder looks at the shown loss of each batch: it stops at NaN or above 4 * best; else,
         from the 12th batch on, a lower value becomes best (1e9 at first). The batch that stops
         is not recorded. `recorded` is the number of recorded batches.

How to run
    python tools/reference_schedules.py
"""

import json
import math

from places import LANGUAGE_GOLDEN


def epochs(n_cycle, cycle_len, cycle_mult):
    return sum(cycle_len * cycle_mult**k for k in range(n_cycle))


def cosine(nb, n_cycle, cycle_len, cycle_mult):
    factors = []
    for cycle in range(n_cycle):
        n = nb * cycle_len * cycle_mult**cycle
        for c in range(n):
            warm = len(factors) < n / 20
            factors.append(0.01 if warm else 0.5 * (1 + math.cos(math.pi * c / n)))
    return factors


def one_batch_compat(steps):
    return [0.01] + [0.5 * (1 + math.cos(math.pi * c)) for c in range(1, steps)]


def smooth(losses):
    shown, a = [], 0.0
    for k, loss in enumerate(losses, 1):
        a = 0.98 * a + 0.02 * loss
        shown.append(a / (1 - 0.98**k))
    return shown


def recorded(losses):
    best = 1e9
    for k, value in enumerate(smooth(losses)):
        if math.isnan(value) or value > 4 * best:
            return k
        if k >= 11:
            best = min(best, value)
    return len(losses)


def finder(start, end, nb, linear):
    step = (lambda k: end / start * k / nb) if linear else (lambda k: (end / start) ** (k / nb))
    return [start * step(k) for k in range(nb)]


def finder_losses():
    """Loss lists made by formulas: a valley that explodes, a calm one, an early rise, a NaN."""
    valley = [0.7 - 0.01 * k + (1.35 ** (k - 20) if k > 20 else 0) for k in range(60)]
    calm = [1 / (1 + 0.1 * k) for k in range(30)]
    early = [0.1] * 5 + [50.0] * 20  # rises before anything can be the best
    trained = [0.01] * 14 + [0.3] * 20
    broken = [0.5] * 7 + [math.nan] * 3
    return {"valley": valley, "calm": calm, "early": early, "trained": trained, "broken": broken}


def main():
    plans = [  # nb, n_cycle, cycle_len, cycle_mult
        (20, 3, 1, 2), (4, 3, 1, 2), (12, 2, 1, 1), (7, 2, 2, 1), (25, 1, 3, 1),
        (21, 2, 1, 2), (5, 2, 2, 3), (13, 3, 1, 2), (2, 2, 1, 1), (141, 1, 1, 1),
    ]
    cosines = [
        {"nb": nb, "n_cycle": n, "cycle_len": length, "cycle_mult": mult, "compat": False,
         "epochs": epochs(n, length, mult), "factors": cosine(nb, n, length, mult)}
        for nb, n, length, mult in plans
    ]
    cosines.append({"nb": 1, "n_cycle": 6, "cycle_len": 1, "cycle_mult": 1, "compat": True,
                    "epochs": 6, "factors": one_batch_compat(6)})
    sweeps = [
        {"start": start, "end": end, "nb": nb, "linear": linear,
         "lrs": finder(start, end, nb, linear)}
        for start, end, nb, linear in
        ((1e-5, 10.0, 20, False), (1e-5, 10.0, 360, False), (1e-4, 1.0, 13, False),
         (1e-4, 0.1, 13, True))
    ]
    runs = [
        {"name": name, "losses": [None if math.isnan(x) else x for x in losses],
         "smoothed": [None if math.isnan(x) else x for x in smooth(losses)],
         "recorded": recorded(losses)}
        for name, losses in finder_losses().items()
    ]
    first = cosines[0]["factors"]
    assert [round(f, 4) for f in first[:6]] == [0.01, 0.9938, 0.9755, 0.9455, 0.9045, 0.8536]
    assert first[20] == 1.0 and round(first[59], 5) == 0.00154 and first[60] == 1.0
    assert [round(x, 6) for x in smooth([1, 0.5, 0.25, 2])] == [1, 0.747475, 0.578289, 0.944559]
    assert round(sweeps[1]["lrs"][1] / sweeps[1]["lrs"][0], 7) == 1.0391223
    assert [epochs(*p) for p in ((3, 1, 2), (1, 2, 1), (3, 3, 1), (5, 1, 1))] == [7, 2, 9, 5]
    assert all(len(c["factors"]) == c["nb"] * c["epochs"] for c in cosines)
    out = {"cosine": cosines, "lr_find": sweeps, "smooth": runs,
           "note": "null stands for NaN"}
    (LANGUAGE_GOLDEN / "schedules.json").write_text(json.dumps(out, separators=(",", ":")))
    print({r["name"]: (r["recorded"], len(r["losses"])) for r in runs})


if __name__ == "__main__":
    main()
