"""Runs the program, for the scripts that compare what it says and reaches with something else."""

import argparse
import json
import math
import pathlib
import statistics
import subprocess
import sys

from places import PROGRAM


def usage_of(doc, seeds):
    """The options that these scripts share; `doc` describes the script."""
    usage = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    usage.add_argument("--seeds", type=int, default=seeds)
    usage.add_argument("--program", type=pathlib.Path, default=PROGRAM)
    usage.add_argument("--json", type=pathlib.Path, metavar="FILE")
    return usage


def call(program, *arguments, folder=None, may_fail=lambda: False):
    """What the program prints; ends with what went wrong if it fails, unless it may have failed."""
    done = subprocess.run([str(word) for word in (program, *arguments)], cwd=folder, capture_output=True, text=True)
    if done.returncode and not may_fail():
        sys.exit(f"{' '.join(map(str, arguments))}\nended with {done.returncode}:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return done.stdout


def run_recipe(program, text, folder, seed, options=(), may_diverge=False):
    """Runs the recipe of that text in `folder`, which must not hold a run yet; returns the run's folder and its summary.

    With `may_diverge`, also the summary of a run that failed because it lost the numbers."""
    recipe, run = pathlib.Path(folder, "tried.recipe"), pathlib.Path(folder, "run")
    recipe.write_text(text)
    summary = lambda: json.loads((run / "summary.json").read_text())
    why = lambda: summary().get("failure", {}).get("kind") if (run / "summary.json").is_file() else None
    lost = lambda: may_diverge and why() in ("loss_not_finite", "weights_not_finite")
    call(program, "run", recipe, "--out", run, "--seed", seed, "--device", "cpu", "--quiet", *options, may_fail=lost)
    return run, summary()


def metric_of(evaluation, column):
    """The value of the metric with that column's name; none if it was not measured."""
    measured = evaluation["metrics"] if evaluation else []
    return next((metric["value"] for metric in measured if metric["name"] == column), None)


def error_of(values):
    """The standard error of the mean of one value a seed; no number for a single one."""
    return statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else math.nan
