"""The suggestion of `lr_find` against a sweep of rates, for each data set, network and stage.

Stages: `head` on cached activations (--epochs epochs in one cosine cycle), then `body`, which is everything with rates in the
ratio .01 : .1 : 1 (one cycle of one epoch, batch norms frozen), and `scratch`, the whole network from random weights (--epochs
epochs in one cycle), each from the same weights with every rate of the sweep. A rate's score is the mean metric of the
validation images over the seeds. Runs of a seed share the head and the order of images, so rates are compared seed by seed:
`best` are the rates whose score is below the best one by no more than the standard error of that difference. The factor is how
far the suggestion is above the nearest of these rates (below 1: below it); 1 is between two neighbours that are both among them.
The scores of the sweep follow, with that standard error.

DATA holds `dogscats/{train,valid}`, `dogbreed/{labels.csv,train}` and `ucmerced/{train_v2.csv,train-jpg}`; the chips of the
quickstart are in the repository. FASHION is a folder that fashion_mnist.py wrote; its first images are taken.

How to run
    python tools/finder_table.py DATA [--fashion FASHION] [--networks squeezenet1_1] [--seeds 2] [--program PATH] [--json FILE]
"""

import itertools
import json
import math
import pathlib
import shutil
import statistics
import tempfile

from places import GLOBE
from run_recipe import error_of, metric_of, run_recipe, usage_of

HEAD_RATES = [0.001, 0.00316, 0.01, 0.0316, 0.1, 0.316, 1.0]
BODY_RATES = [0.0001, 0.000316, 0.001, 0.00316, 0.01, 0.0316, 0.1]
RULES = ("valley", "steepest", "minimum", "slide")


def sets_of(data, fashion, scratch):
    """Name, task, metric, section `data`, transforms, size."""
    quote = lambda path: json.dumps(str(path))
    csv = 'suffix: ".jpg", valid: random(0.2, seed = 42), batch: 32'
    found = [
        ("dogscats", "single_label", "accuracy", f"folders {{ root: {quote(data / 'dogscats')}, batch: 32 }}", "side_on"),
        ("dogbreed", "single_label", "accuracy",
         f'csv {{ root: {quote(data / "dogbreed")}, labels: "labels.csv", images: "train", {csv} }}', "side_on"),
        ("ucmerced", "multi_label", "f2",
         f'csv {{ root: {quote(data / "ucmerced")}, labels: "train_v2.csv", images: "train-jpg", {csv} }}', "top_down"),
        ("globe", "multi_label", "f2",
         f'csv {{ root: {quote(GLOBE)}, labels: "train_v2.csv", images: "train-jpg", {csv} }}', "top_down"),
    ]  # fmt: skip
    if fashion:
        few = scratch / "fashion"
        for part, count in (("train", 100), ("valid", 50)):
            for folder in sorted((fashion / part).iterdir()):
                (few / part / folder.name).mkdir(parents=True)
                for file in sorted(folder.iterdir())[:count]:
                    shutil.copy(file, few / part / folder.name)
        found.append(("fashion", "single_label", "accuracy", f"folders {{ root: {quote(few)}, batch: 32 }}", "side_on"))
    return found


class Bench:
    def __init__(self, args, scratch):
        self.args, self.cache = args, scratch / "cache"

    def run(self, of, network, steps, seed, weights="pretrained"):
        """Returns the last fit's score, 0 if it lost the numbers, and the suggestions of the finders."""
        _, task, metric, data, transforms = of
        text = (
            f"Bench {{ task: {task}, data: {data}, transforms: {transforms} {{ size: {self.args.size} }}, "
            f"model: {network} {{ weights: {weights} }}, metrics: [{metric}], train: {{ {steps} }}, }}\n"
        )
        with tempfile.TemporaryDirectory() as folder:
            _, summary = run_recipe(self.args.program, text, folder, seed, ["--cache", self.cache], may_diverge=True)
        suggestions = [stage["suggestion"] for stage in summary["stages"] if stage["kind"] == "lr_find"]
        return 0.0 if summary.get("failure") else metric_of(summary["final"], metric), suggestions

    def head(self, of, network, rates, seeds):
        cycle = f"1, cycle_len = {self.args.epochs}"
        score = lambda rate, seed: self.run(of, network, f"precompute(on); fit({rate}, {cycle});", seed)[0]
        rules = " ".join(f"lr_find(suggest = {rule}, or = 0.01);" for rule in RULES)
        suggest = lambda seed: self.run(of, network, f"precompute(on); {rules} fit(0.01, 1);", seed)[1]
        return self.table(score, suggest, rates, seeds)

    def body(self, of, network, rates, seeds, head_rate):
        freeze = "" if network == "squeezenet1_1" else " bn_freeze(on);"
        steps = f"precompute(on); fit({head_rate}, 1, cycle_len = {self.args.epochs}); precompute(off); unfreeze();{freeze} "

        def score(rate, seed):
            return self.run(of, network, f"{steps} fit([{rate / 100}, {rate / 10}, {rate}], 1, cycle_len = 1);", seed)[0]

        rules = " ".join(f"lr_find(suggest = {rule}, or = 0.001, ratio = [0.01, 0.1, 1]);" for rule in RULES)
        suggest = lambda seed: self.run(of, network, f"{steps} {rules} fit(0.0001, 1);", seed)[1]
        return self.table(score, suggest, rates, seeds)

    def scratch(self, of, network, rates, seeds):
        cycle = f"1, cycle_len = {self.args.epochs}"
        run = lambda steps, seed: self.run(of, network, steps, seed, weights="none")
        score = lambda rate, seed: run(f"unfreeze(); fit({rate}, {cycle});", seed)[0]
        rules = " ".join(f"lr_find(suggest = {rule}, or = 0.01);" for rule in RULES)
        suggest = lambda seed: run(f"unfreeze(); {rules} fit(0.001, 1);", seed)[1]
        return self.table(score, suggest, rates, seeds)

    @staticmethod
    def table(score, suggest, rates, seeds):
        scores = {rate: [score(rate, seed) for seed in seeds] for rate in rates}
        top_rate = max(rates, key=lambda rate: statistics.mean(scores[rate]))
        gaps = {rate: [top - score for top, score in zip(scores[top_rate], scores[rate])] for rate in rates}
        errors = {rate: error_of(gap) for rate, gap in gaps.items()}
        good = [rate for rate in rates if rate == top_rate or statistics.mean(gaps[rate]) <= errors[rate]]
        found = [suggest(seed) for seed in seeds]
        suggested = {rule: [rates[i] for rates in found] for i, rule in enumerate(RULES)}
        return {"scores": scores, "good": good, "top_rate": top_rate, "errors": errors, "suggested": suggested}


def factor(rate, good, rates):
    """How far `rate` is from the nearest good one."""
    for low, high in itertools.pairwise(rates):
        if low in good and high in good and low <= rate <= high:
            return 1.0
    return rate / min(good, key=lambda other: abs(math.log(other / rate)))


def main():
    usage = usage_of(__doc__, 2)
    usage.add_argument("data", type=pathlib.Path, metavar="DATA")
    usage.add_argument("--fashion", type=pathlib.Path, metavar="FASHION")
    usage.add_argument("--networks", type=lambda s: s.split(","), default=["squeezenet1_1"])
    usage.add_argument("--sets", type=lambda s: s.split(","), help="only these")
    usage.add_argument("--stages", type=lambda s: s.split(","), default=["head", "body"], help="also scratch")
    usage.add_argument("--size", type=int, default=96)
    usage.add_argument("--epochs", type=int, default=5)
    args = usage.parse_args()
    args.program, seeds, everything = args.program.resolve(), range(1, args.seeds + 1), []
    print(f"{'set':<10}{'network':<20}{'stage':<8}{'best':>40}{'':2}" + "".join(f"{rule + ' (factor)':>20}" for rule in RULES))
    with tempfile.TemporaryDirectory() as scratch:
        bench = Bench(args, pathlib.Path(scratch))
        for of in sets_of(args.data.resolve(), args.fashion, pathlib.Path(scratch)):
            if args.sets and of[0] not in args.sets:
                continue
            for network in args.networks:
                stages = []
                if {"head", "body"} & set(args.stages):
                    head = bench.head(of, network, HEAD_RATES, seeds)
                    stages.append(("head", HEAD_RATES, head))
                if "body" in args.stages:
                    body = bench.body(of, network, BODY_RATES, seeds, head["top_rate"])
                    stages.append(("body", BODY_RATES, body))
                if "scratch" in args.stages:
                    stages.append(("scratch", HEAD_RATES, bench.scratch(of, network, HEAD_RATES, seeds)))
                for stage, rates, found in stages:
                    line = f"{of[0]:<10}{network:<20}{stage:<8}{','.join(f'{rate:g}' for rate in found['good']):>40}  "
                    for rule in RULES:
                        given = [rate for rate in found["suggested"][rule] if rate]
                        if not given:
                            line += f"{'nothing':>20}"
                            continue
                        mean = math.exp(statistics.mean(map(math.log, given)))
                        line += f"{mean:>12.1e} ({factor(mean, found['good'], rates):>4.1f}) "
                    errors = found["errors"]
                    means = (f"{rate:g}:{statistics.mean(v):.3f}±{errors[rate]:.3f}" for rate, v in found["scores"].items())
                    print(f"{line}  {' '.join(means)}", flush=True)
                    everything.append({"set": of[0], "network": network, "stage": stage, **found})
    if args.json:
        args.json.write_text(json.dumps(everything, indent=1))


if __name__ == "__main__":
    main()
