"""Runs a recipe with the program, for the scripts that compare what it reaches with something else."""

import argparse
import json
import os
import pathlib
import subprocess
import sys


ROOT = pathlib.Path(__file__).resolve().parent.parent


def usage_of(doc, seeds):
    """The options that these scripts share; `doc` describes the script."""
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    usage = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    usage.add_argument("--seeds", type=int, default=seeds)
    usage.add_argument("--program", type=pathlib.Path, default=target / "debug" / "fastai")
    usage.add_argument("--json", type=pathlib.Path, metavar="FILE")
    return usage


def run_recipe(program, text, folder, seed, options=()):
    """Runs the recipe of that text in `folder`, which must not hold a run yet; returns the run's folder and its summary."""
    recipe, run = pathlib.Path(folder, "tried.recipe"), pathlib.Path(folder, "run")
    recipe.write_text(text)
    command = [program, "run", recipe, "--out", run, "--seed", seed, "--device", "cpu", "--quiet", *options]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{text}\nended with {done.returncode}:\n{done.stderr[-3000:]}")
    return run, json.loads((run / "summary.json").read_text())


def metric_of(evaluation, column):
    """The value of the metric with that column's name; none if it was not measured."""
    measured = evaluation["metrics"] if evaluation else []
    return next((metric["value"] for metric in measured if metric["name"] == column), None)
