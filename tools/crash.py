#!/usr/bin/env python3
"""Kills a small run again and again, and lets its operations on files fail: what follows is the end of an undisturbed run,
bit for bit, or an error that names a file.

    python3 tools/crash.py PROGRAM [--trials N] [--seed S] [KIND ..]

A trial runs a recipe with every kind of stage (activation caches, the finder, fits of head and body, a new head, another
size, save, load, test-time augmentation), disturbs it up to three times, and resumes it until it ends. KIND is
  signal                    SIGKILL after a random time
  kill, torn                SIGKILL at a random operation on a file, torn in the middle of a write
  power                     the same, and every file loses a random part of what was not synced
  ENOSPC, EIO, EACCES, short   the operation fails (with ENOSPC all later writes too), or writes one byte only
and all of them by default, in turn. tools/fault.c disturbs the operations; `cc` compiles it. Needs Linux and the data of this
repository. Exit code 1 if a trial ends with other weights, figures or files, or with an error that names none.
"""
import argparse
import csv
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
KINDS = ["signal", "kill", "torn", "power", "ENOSPC", "EIO", "EACCES", "short"]
IMAGES = 40
RECIPE = """Crash {{
    task: multi_label,
    data: csv {{ root: "{data}", labels: "labels.csv", images: "images", suffix: ".jpg", valid: random(0.3), batch: 8, resize_to: 48 }},
    transforms: top_down {{ size: 32, max_zoom: 1.05 }},
    model: squeezenet1_1 {{ weights: "{weights}" }},
    metrics: [f2, log_loss],
    clip: 1.0,
    mixup: 0.4,
    train: {{
        precompute(on); let lr = lr_find(or = 0.03, iters = 12); fit(lr, 1); head(hidden = [8]); fit(0.05, 1);
        precompute(off); fit(0.02, 1, cycle_len = 1); save("head"); unfreeze(); fit([0.0005, 0.001, 0.01], 1, cycle_len = 1);
        tta(n_aug = 1); load("head"); resize(40); freeze(); fit(0.01, 1);
    }},
}}
"""


class Harness:
    def __init__(self, program, folder):
        self.program, self.folder = str(Path(program).resolve()), folder
        data = folder / "data"
        (data / "images").mkdir(parents=True)
        globe = REPOSITORY / "examples/data/globe"
        with open(globe / "train_v2.csv") as file:
            rows = list(csv.reader(file))
        kept = [row for row in rows[1:] if (globe / "train-jpg" / f"{row[0]}.jpg").is_file()][:IMAGES]
        for name, _ in kept:
            shutil.copy(globe / "train-jpg" / f"{name}.jpg", data / "images")
        with open(data / "labels.csv", "w", newline="") as file:
            csv.writer(file).writerows([rows[0], *kept])
        self.recipe = folder / "crash.recipe"
        self.recipe.write_text(RECIPE.format(data=data, weights=REPOSITORY / "examples/data/squeezenet1_1.safetensors"))
        self.library = folder / "fault.so"
        subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", self.library, REPOSITORY / "tools/fault.c", "-ldl"], check=True)

    def start(self, trial, resume, fault=None):
        run = trial / "run"
        what = ["--resume", str(run)] if resume else [str(self.recipe), "--out", str(run)]
        env = dict(os.environ, FASTAI_CACHE=str(trial / "cache"))
        if fault:
            kind, at = fault
            env |= {"LD_PRELOAD": str(self.library), "FAULT_ROOT": str(trial), "FAULT_KIND": kind, "FAULT_AT": str(at),
                    "FAULT_COUNT": str(self.folder / "count")}
        return subprocess.Popen([self.program, "run", *what, "--threads", "1", "-q"], env=env, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True)

    def finish(self, child):
        said, _ = child.communicate(timeout=300)
        return child.returncode, said


def end_of(run):
    """Everything of a run that must not depend on interruptions."""
    models = {path.name: path.read_bytes() for path in sorted((run / "models").iterdir())}
    with open(run / "history.csv") as file:
        history = [row[:-1] for row in csv.reader(file)]
    summary = json.loads((run / "summary.json").read_text())
    for key in ("blake3", "seconds", "notes", "directory", "threads", "device", "device_reason"):
        summary.pop(key, None)
    for stage in summary["stages"]:
        for key in ("seconds", "images_per_s", "cache"):
            stage.pop(key, None)
    left = [str(path.relative_to(run)) for path in run.rglob("*") if path.name.endswith(".tmp") or "resume" in path.parts]
    files = sorted(str(path.relative_to(run)) for path in run.rglob("*") if path.is_file())
    return {"models": models, "history": history, "summary": summary, "left": left, "files": files}


def trial(harness, kind, rng, whole, seconds, count):
    """One disturbed run: the number of disturbances, and what was wrong or None."""
    folder = Path(tempfile.mkdtemp(dir=harness.folder, prefix="trial-"))
    run = folder / "run"
    disturbed, said_before = 0, []
    try:
        for attempt in range(4):
            last = attempt == 3 or (attempt > 0 and rng.random() < 0.4)
            resume = attempt > 0 and run.is_dir() and any(run.iterdir())
            if kind == "signal" and not last:
                child = harness.start(folder, resume)
                time.sleep(rng.random() * seconds)
                child.kill()
                code, said = harness.finish(child)
            else:
                code, said = harness.finish(harness.start(folder, resume, None if last else (kind, rng.randint(1, count))))
            said_before.append(said)
            if code == 0:
                break
            disturbed += 1
            if code in (-9, 137):
                continue
            # A refusal before the first snapshot: nothing was reached, and the folder is named.
            named = re.search(r"error: .*" + re.escape(str(folder)), said, re.S)
            if not named:
                return disturbed, f"exit {code} without a file: {said[-400:]}"
            if "holds nothing" in said and not any((run / "resume").glob("after-*.cbor")):
                shutil.rmtree(run)
            elif last:
                return disturbed, f"does not go on: {said[-400:]}"
        else:
            return disturbed, "never ends"
        end = end_of(run)
        wrong = [what for what in whole if end[what] != whole[what]]
        return disturbed, f"other {', '.join(wrong)}: {end['left']} {said_before}" if wrong else None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("program")
    arguments.add_argument("kinds", nargs="*", metavar="KIND")
    arguments.add_argument("--trials", type=int, default=40)
    arguments.add_argument("--seed", type=int, default=1)
    given = arguments.parse_intermixed_args()
    rng = random.Random(given.seed)
    with tempfile.TemporaryDirectory(prefix="fastai-crash-") as folder:
        harness = Harness(given.program, Path(folder).resolve())
        first = harness.folder / "whole"
        first.mkdir()
        began = time.monotonic()
        # The fault library counts the operations of an undisturbed run.
        code, said = harness.finish(harness.start(first, False, ("", 0)))
        assert code == 0, said
        seconds, count = time.monotonic() - began, int((harness.folder / "count").read_text())
        whole = end_of(first / "run")
        assert whole["left"] == [], whole["left"]
        print(f"undisturbed: {seconds:.1f} s, {count} operations on files", flush=True)
        kinds = given.kinds or KINDS
        counts = {kind: [0, 0, 0] for kind in kinds}
        for number in range(given.trials):
            kind = kinds[number % len(kinds)]
            disturbed, wrong = trial(harness, kind, rng, whole, seconds, count)
            counts[kind][0] += 1
            counts[kind][1] += disturbed
            if wrong:
                counts[kind][2] += 1
                print(f"FAILED trial {number} ({kind}): {wrong}", flush=True)
        for kind, (trials, disturbed, failed) in counts.items():
            print(f"{kind:8} {trials} trials, {disturbed} disturbances, {failed} failed")
        sys.exit(any(failed for *_, failed in counts.values()))


if __name__ == "__main__":
    main()
