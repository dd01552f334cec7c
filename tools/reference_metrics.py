"""Golden metric values from scikit-learn: fastai-runtime/tests/golden/metrics.json.

Probabilities are whole thousandths (single label, rows sum to 1000) or odd half thousandths
(multi-label), written as decimal numbers, so that both sides read the same value and none lies
on a threshold. No arg-max tie, no zero probability of a true class.

    single   list of cases: classes, probs [n, classes], targets [n] -> accuracy, log_loss,
             confusion (rows = true, columns = predicted), auroc (one class against the rest, the mean
             over the classes that have positive and negative images; of two classes the second)
    multi    list of cases: probs, targets (0/1) -> fbeta2_at_0.2 (mean over rows of F2; a row with
             no true and no predicted tag counts 0), fbeta2_each with a searched threshold a tag and
             fbeta2_of_halves with those of the other half of the images, fbeta2_best over
             the thresholds 0.17, 0.18, .., 0.23 with best_threshold (the first of equals),
             accuracy_thresh_0.5 (share of cells), micro_* at 0.5 (precision, recall, f1 over all cells), per_row_f2 at 0.2, auroc (the mean
             over the tags that have positive and negative images)
             Both have under `more` each further metric under the column's name here: the averages of
             precision, recall and F-beta (a class that is neither true nor predicted is left out of
             the macro average of single labels), average_precision like auroc, ece with the bins of
             `sklearn.calibration.calibration_curve`.
             Both have `log_loss` (of tags the mean over the tags), under `by_class` the scores of each class (F1)
             or of each tag above 0.2 (F2), multi also under `by_class_each` those above the searched thresholds:
             support, said, and precision, recall and f_beta, null where they would divide by zero, with
             Wilson's intervals of scipy for precision, recall and F1, which is 2 J / (1 + J) of the share J of
             hits among what is true or said
    numbers  list of cases: predicted, targets -> mae, rmse, r2
             All three have `intervals`: Wilson's interval of accuracy, and by column the 2.5 % and 97.5 %
             quantiles of 10,000 bootstrap resamples
    f_beta   list of beta, hits, missed, wrong and n images -> interval, the same quantiles of F-beta
    auroc    list of cases full of ties, some with classes or tags that all or none of the images bear:
             probs, targets ([n] or [n, tags]) -> auroc and interval, the 2.5 % and 97.5 % quantiles of
             1000 bootstrap resamples

A probability counts as a tag when it is greater than the threshold.

How to run
    pip install scikit-learn
    python tools/reference_metrics.py
"""

import json
import warnings
from fractions import Fraction

import numpy as np
import sklearn
from places import GOLDEN
from scipy.stats import binomtest
from sklearn import metrics
from sklearn.calibration import calibration_curve

THRESHOLDS = (0.17, 0.18, 0.19, 0.20, 0.21, 0.22, 0.23)
RESAMPLES = 10_000


def single_case(rng, rows, classes, sharpness):
    targets = rng.integers(0, classes, rows)
    score = rng.normal(0, 1, (rows, classes))
    score[np.arange(rows), targets] += sharpness
    soft = np.exp(2 * score)
    counts = np.floor(soft / soft.sum(1, keepdims=True) * (1000 - classes)).astype(int) + 1
    counts[np.arange(rows), counts.argmax(1)] += 1000 - counts.sum(1)
    assert (np.sort(counts, 1)[:, -1] > np.sort(counts, 1)[:, -2]).all()
    probs = counts / 1000
    labels = list(range(classes))
    return {
        "classes": classes,
        "probs": probs.tolist(),
        "targets": targets.tolist(),
        "accuracy": metrics.accuracy_score(targets, probs.argmax(1)),
        "log_loss": metrics.log_loss(targets, probs, labels=labels),
        "auroc": auroc(targets, probs),
        "confusion": metrics.confusion_matrix(targets, probs.argmax(1), labels=labels).tolist(),
    }


def auroc(targets, probs):
    """Macro average, one class against the rest; classes without both kinds of images are left out."""
    if targets.ndim == 1:
        classes = probs.shape[1]
        cells = (targets[:, None] == np.arange(classes)).astype(int)
        if classes == 2:
            cells, probs = cells[:, 1:], probs[:, 1:]
    else:
        cells = targets
    both = [c for c in range(cells.shape[1]) if 0 < cells[:, c].sum() < len(cells)]
    areas = [metrics.roc_auc_score(cells[:, c], probs[:, c]) for c in both]
    value = float(np.mean(areas)) if areas else None
    if len(both) == cells.shape[1] and targets.ndim == 1 and probs.shape[1] > 2:
        if np.allclose(probs.sum(1), 1):  # or scikit-learn refuses
            assert abs(value - metrics.roc_auc_score(targets, probs, multi_class="ovr", average="macro")) < 1e-12
    elif len(both) == cells.shape[1]:
        assert abs(value - metrics.roc_auc_score(cells, probs, average="macro")) < 1e-12
    return value


def average_precision(targets, probs):
    """Macro average over the classes or tags that some image has; of two classes the second."""
    if targets.ndim == 1:
        cells = (targets[:, None] == np.arange(probs.shape[1])).astype(int)
        if probs.shape[1] == 2:
            cells, probs = cells[:, 1:], probs[:, 1:]
    else:
        cells = targets
    there = [c for c in range(cells.shape[1]) if cells[:, c].any()]
    return float(np.mean([metrics.average_precision_score(cells[:, c], probs[:, c]) for c in there]))


def ece(targets, probs, bins):
    top = probs.max(1)
    right = probs.argmax(1) == targets
    accuracy, confidence = calibration_curve(right, top, n_bins=bins)
    # The curve leaves out empty bins and says no counts.
    place = np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], top)
    counts = np.bincount(place, minlength=bins)
    counts = counts[counts > 0]
    return float((counts / len(top) * np.abs(accuracy - confidence)).sum())


def averaged(targets, said, end=""):
    """Precision, recall and F-beta in all averages, by column."""
    out = {}
    tags = targets.ndim == 2
    for average in ("macro", "micro", "weighted") + (("samples",) if tags else ()):
        suffix = ("" if average == "macro" else f"_{average}") + end
        for name, beta in (("f1", 1), ("f_beta_2", 2), ("f_beta_0.5", 0.5)):
            out[name + suffix] = metrics.fbeta_score(targets, said, beta=beta, average=average, zero_division=0)
        out["precision" + suffix] = metrics.precision_score(targets, said, average=average, zero_division=0)
        out["recall" + suffix] = metrics.recall_score(targets, said, average=average, zero_division=0)
    return out


def more_single(case):
    probs, targets = np.array(case["probs"]), np.array(case["targets"])
    labels, said = list(range(case["classes"])), np.array(case["probs"]).argmax(1)
    out = averaged(targets, said)
    for k in (1, 2, 3):
        rank = (-probs).argsort(1, kind="stable")[:, :k]  # of equals the first class first
        out[f"top_{k}"] = float((rank == targets[:, None]).any(1).mean())
        if case["classes"] > 2 and len(set(targets)) == case["classes"] and k < case["classes"]:
            distinct = all(len(set(row)) == len(row) for row in probs)
            if distinct:
                assert abs(out[f"top_{k}"] - metrics.top_k_accuracy_score(targets, probs, k=k, labels=labels)) < 1e-12
    out["balanced_accuracy"] = metrics.balanced_accuracy_score(targets, said)
    out["kappa"] = metrics.cohen_kappa_score(targets, said, labels=labels)
    out["kappa_linear"] = metrics.cohen_kappa_score(targets, said, labels=labels, weights="linear")
    out["kappa_quadratic"] = metrics.cohen_kappa_score(targets, said, labels=labels, weights="quadratic")
    out["mcc"] = metrics.matthews_corrcoef(targets, said)
    if case["classes"] == 2:
        out["brier"] = metrics.brier_score_loss(targets, probs[:, 1])
    else:
        out["brier"] = metrics.brier_score_loss(targets, probs, labels=labels)
    out["ece"] = ece(targets, probs, 15)
    out["ece_4"] = ece(targets, probs, 4)
    out["average_precision"] = average_precision(targets, probs)
    return out


def more_multi(case):
    probs, targets = np.array(case["probs"]), np.array(case["targets"])
    out = averaged(targets, (probs > 0.5).astype(int))
    out.update(averaged(targets, (probs > 0.3).astype(int), "_0.3"))
    for threshold, suffix in ((0.5, ""), (0.3, "_0.3")):
        said = (probs > threshold).astype(int)
        out["hamming" + suffix] = metrics.hamming_loss(targets, said)
        out["accuracy_thresh" + suffix] = float((said == targets).mean())
    tags = range(targets.shape[1])
    out["brier"] = float(np.mean([metrics.brier_score_loss(targets[:, c], probs[:, c], pos_label=1) for c in tags]))
    out["average_precision"] = average_precision(targets, probs)
    return out


def wilson(hits, n):
    found = binomtest(int(hits), int(n)).proportion_ci(0.95, method="wilson")
    return [float(found.low), float(found.high)]


def by_class(targets, said, labels, beta):
    """The scores of each class or tag; with beta 1, the intervals of F1, too."""
    arguments = {"beta": beta, "labels": labels, "average": None}
    *found, support = metrics.precision_recall_fscore_support(targets, said, zero_division=np.nan, **arguments)
    *zeros, _ = metrics.precision_recall_fscore_support(targets, said, zero_division=0, **arguments)
    for values, zero in zip(found, zeros):
        assert (np.nan_to_num(values, nan=0.0) == zero).all()
    if targets.ndim == 1:
        targets, said = (np.equal.outer(of, labels).astype(int) for of in (targets, said))
    hits, told = (targets & said).sum(0), said.sum(0)

    def shares(whole):
        return [wilson(h, n) if n else None for h, n in zip(hits, whole)]

    out = {"support": support.tolist(), "said": told.tolist()}
    for name, values in zip(("precision", "recall", "f_beta"), found):
        out[name] = [None if np.isnan(value) else float(value) for value in values]
    out["precision_interval"], out["recall_interval"] = shares(told), shares(support)
    if beta == 1:
        out["f_beta_interval"] = [ends and [2 * j / (1 + j) for j in ends] for ends in shares(support + told - hits)]
    return out


def quantiles(values):
    return np.quantile(values, [0.025, 0.975]).tolist()


def resampled(rng, values):
    """The means of resamples of a number per image."""
    values = np.array(values)
    return values[rng.integers(0, len(values), (RESAMPLES, len(values)))].mean(1)


def intervals_single(rng, case):
    probs, targets = np.array(case["probs"]), np.array(case["targets"])
    losses = -np.log(probs[np.arange(len(targets)), targets])
    assert abs(losses.mean() - case["log_loss"]) < 1e-12
    return {
        "accuracy": wilson((probs.argmax(1) == targets).sum(), len(targets)),
        "log_loss": quantiles(resampled(rng, losses)),
    }


def intervals_multi(rng, case):
    probs, targets = np.array(case["probs"]), np.array(case["targets"])
    losses = -np.log(np.where(targets == 1, probs, 1 - probs)).mean(1)
    assert abs(losses.mean() - case["log_loss"]) < 1e-12
    best = (probs > case["best_threshold"]).astype(int)
    rows = [f2(t[None], s[None]) for t, s in zip(targets, best)]
    return {
        "log_loss": quantiles(resampled(rng, losses)),
        "f2": quantiles(resampled(rng, case["per_row_f2"])),
        "f2_best": quantiles(resampled(rng, rows)),
    }


def intervals_numbers(rng, case):
    predicted, targets = np.array(case["predicted"]), np.array(case["targets"])
    drawn = rng.integers(0, len(targets), (RESAMPLES, len(targets)))
    p, t = predicted[drawn], targets[drawn]
    squares = (p - t) ** 2
    r2 = 1 - squares.sum(1) / ((t - t.mean(1, keepdims=True)) ** 2).sum(1)
    assert abs(r2[0] - metrics.r2_score(t[0], p[0])) < 1e-12
    return {
        "mae": quantiles(np.abs(p - t).mean(1)),
        "rmse": quantiles(np.sqrt(squares.mean(1))),
        "r2": quantiles(r2),
    }


def f_beta_case(rng, beta, hits, missed, wrong, n):
    """Images drawn with replacement: the counts of a resample are multinomial."""
    shares = np.array([hits, missed, wrong, n - hits - missed - wrong]) / n
    h, m, w, _ = rng.multinomial(n, shares, RESAMPLES).T
    values = (1 + beta**2) * h / ((1 + beta**2) * h + beta**2 * m + w)
    return {"beta": beta, "hits": hits, "missed": missed, "wrong": wrong, "n": n, "interval": quantiles(values)}


def numbers_case(rng, rows, noise):
    # Sixteenths are numbers of both precisions.
    targets = np.round(rng.normal(30, 9, rows) * 16) / 16
    predicted = np.round((targets + rng.normal(0, noise, rows)) * 16) / 16
    return {
        "predicted": predicted.tolist(),
        "targets": targets.tolist(),
        "mae": metrics.mean_absolute_error(targets, predicted),
        "rmse": metrics.root_mean_squared_error(targets, predicted),
        "r2": metrics.r2_score(targets, predicted),
    }


def auroc_case(rng, rows, classes, single):
    # Tenths: most images tie with others.
    probs = rng.integers(0, 11, (rows, classes)) / 10
    if single:
        targets = rng.integers(0, classes - 1, rows) if classes > 2 else rng.integers(0, 2, rows)
        probs[np.arange(rows), targets] += 0.2
    else:
        targets = (rng.random((rows, classes)) < 0.4).astype(int)
        targets[:, 0], targets[:, 1] = 0, 1
        probs = probs + 0.3 * targets
    probs = probs.round(4)  # what is written has the ties
    values = []
    for _ in range(1000):
        drawn = rng.integers(0, rows, rows)
        values.append(auroc(targets[drawn], probs[drawn]))
    values = [v for v in values if v is not None]
    return {
        "probs": probs.tolist(),
        "targets": targets.tolist(),
        "auroc": auroc(targets, probs),
        "interval": np.quantile(values, [0.025, 0.975]).tolist(),
    }


def f2(targets, tags, average="samples"):
    return metrics.fbeta_score(targets, tags, beta=2, average=average, zero_division=0)


def search_each(targets, probs):
    """A threshold a tag, by ascent from the best common one: the best of .01 to .99, of equals the nearest."""
    tags = targets.shape[1]
    common = max(THRESHOLDS, key=lambda t: (f2(targets, (probs > t).astype(int)), -t))
    found = np.full(tags, common)
    while True:
        before = found.copy()
        for tag in range(tags):
            own = found[tag]

            def score(threshold):
                trial = found.copy()
                trial[tag] = threshold
                said = probs > trial
                hits = (said & (targets == 1)).sum(1)
                whole = 4 * targets.sum(1) + said.sum(1)
                # Exact, so that equals are equal.
                return sum(Fraction(5 * int(h), int(w)) for h, w in zip(hits, whole) if w)

            tried = [own] + [percent / 100 for percent in range(1, 100)]
            found[tag] = max(tried, key=lambda t: (score(t), -abs(t - own)))
        if (found == before).all():
            return found


def f2_of_halves(targets, probs):
    """Every other image with the thresholds of the images between."""
    said = np.zeros_like(targets)
    for first in (0, 1):
        thresholds = search_each(targets[1 - first::2], probs[1 - first::2])
        said[first::2] = probs[first::2] > thresholds
    return f2(targets, said)


def multi_case(rng, rows, classes, density):
    targets = (rng.random((rows, classes)) < density).astype(int)
    targets[0] = 0  # one row without a tag
    score = rng.normal(-1.5, 0.9, (rows, classes)) + 1.6 * targets
    probs = np.floor(1000 / (1 + np.exp(-score))) / 1000 + 0.0005
    probs[0] = 0.0105  # and without a predicted tag
    scores = [f2(targets, (probs > t).astype(int)) for t in THRESHOLDS]
    best = int(np.argmax(scores))
    half = (probs > 0.5).astype(int)
    return {
        "probs": probs.round(4).tolist(),
        "targets": targets.tolist(),
        "fbeta2_at_0.2": f2(targets, (probs > 0.2).astype(int)),
        "fbeta2_by_threshold": scores,
        "fbeta2_best": scores[best],
        "best_threshold": THRESHOLDS[best],
        "thresholds_each": search_each(targets, probs).tolist(),
        "fbeta2_each": f2(targets, (probs > search_each(targets, probs)).astype(int)),
        "fbeta2_of_halves": f2_of_halves(targets, probs),
        "accuracy_thresh_0.5": float((half == targets).mean()),
        "micro_precision_0.5": metrics.precision_score(targets, half, average="micro"),
        "micro_recall_0.5": metrics.recall_score(targets, half, average="micro"),
        "micro_f1_0.5": metrics.f1_score(targets, half, average="micro"),
        "auroc": auroc(targets, probs),
        "log_loss": float(np.mean([metrics.log_loss(t, p, labels=[0, 1]) for t, p in zip(targets.T, probs.T)])),
        "per_row_f2": [f2(t[None], (p[None] > 0.2).astype(int)) for t, p in zip(targets, probs)],
    }


def main():
    warnings.filterwarnings("ignore")
    rng = np.random.default_rng(11)
    out = {
        "scikit_learn": sklearn.__version__,
        "thresholds": THRESHOLDS,
        "single": [single_case(rng, *c) for c in ((40, 5, 1.0), (25, 2, 0.5), (60, 12, 1.5))],
        "multi": [multi_case(rng, *c) for c in ((50, 7, 0.3), (30, 17, 0.15))],
    }
    rng = np.random.default_rng(12)
    out["auroc"] = [auroc_case(rng, *c) for c in ((60, 4, True), (50, 2, True), (80, 5, False))]
    # Not every class or tag of these is true or predicted.
    rare = [single_case(rng, 12, 9, 0.2), single_case(rng, 30, 12, 0.0)]
    out["single"] += rare
    out["multi"].append(multi_case(rng, 20, 12, 0.06))
    for case in out["single"]:
        case["more"] = more_single(case)
    for case in out["multi"]:
        case["more"] = more_multi(case)
    out["numbers"] = [numbers_case(rng, 40, 3.0), numbers_case(rng, 25, 20.0)]
    for case in out["single"]:
        labels = list(range(case["classes"]))
        case["by_class"] = by_class(np.array(case["targets"]), np.array(case["probs"]).argmax(1), labels, 1)
    for case in out["multi"]:
        probs, targets = np.array(case["probs"]), np.array(case["targets"])
        for name, thresholds in (("by_class", 0.2), ("by_class_each", case["thresholds_each"])):
            case[name] = by_class(targets, (probs > thresholds).astype(int), list(range(targets.shape[1])), 2)
    rng = np.random.default_rng(13)
    for kind, intervals in (("single", intervals_single), ("multi", intervals_multi), ("numbers", intervals_numbers)):
        for case in out[kind]:
            case["intervals"] = intervals(rng, case)
    counts = ((180, 40, 60, 1000), (300, 90, 15, 1000), (300, 15, 90, 1000), (60, 200, 150, 2000))
    out["f_beta"] = [f_beta_case(rng, beta, *c) for beta in (1, 2) for c in counts]
    for case in out["multi"]:
        assert abs(np.mean(case["per_row_f2"]) - case["fbeta2_at_0.2"]) < 1e-12
    small = f2(np.array([[1, 0, 1], [0, 0, 0], [0, 0, 0], [1, 1, 1]]),
               np.array([[1, 1, 0], [0, 0, 0], [0, 1, 0], [1, 1, 1]]))
    assert abs(small - 0.375) < 1e-12
    (GOLDEN / "metrics.json").write_text(json.dumps(out, separators=(",", ":")))
    for case in out["single"]:
        print({k: case[k] for k in ("classes", "accuracy", "log_loss")})
    for case in out["multi"]:
        print({k: v for k, v in case.items() if k not in ("probs", "targets", "per_row_f2", "by_class", "by_class_each")})


if __name__ == "__main__":
    main()
