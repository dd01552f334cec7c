"""Runs a recipe with the program, for the scripts that compare what it reaches with something else."""

import json
import pathlib
import subprocess
import sys


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
