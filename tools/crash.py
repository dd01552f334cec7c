#!/usr/bin/env python3
"""Kills a small run again and again, loses what it had not synced, and lets its operations on files fail. What follows is the
end of an undisturbed run, bit for bit, or an error that names a file.

    python3 tools/crash.py PROGRAM [--trials N] [--seed S] [--images N] [--interval S] [KIND ..]
    python3 tools/crash.py PROGRAM --every [--first N] [ENOSPC EIO EACCES short]

A trial runs a recipe with every kind of stage (activation caches, the finder, fits of head and body with averaged weights and
the best epoch, a new head, another size and its caches, save, load, test-time augmentation) and with the state kept after every
batch, disturbs it up to three times, and resumes it until it ends. The caches are its own. KIND is
  signal                    SIGKILL after a random time
  kill, torn                SIGKILL at a random operation on a file, torn in the middle of a write
  power                     the files that a power loss may leave at a random operation: everything that was synced, and of
                            the rest, for each file and each folder, any first part; bytes that were not synced may be zeros
  again                     SIGKILL after every third of the run's time, until it ends
  every2s                   SIGKILL 2 seconds (--interval) after each start, until it ends
  ENOSPC, EIO, EACCES, short   the operation fails (with ENOSPC all later writes too), or transfers a third only
and by default signal, kill, torn and power, in turn. With --every, each operation on a file fails once, in a shorter run:
the error names its file, or the run does without it; then the run goes on to the same end. tools/fault.c disturbs and
records the operations; `cc` compiles it. Needs Linux and the data of this repository. Exit code 1 if anything else happens.
"""
import argparse
import collections
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

from places import GLOBE, ROOT, SQUEEZENET

MOST = 200
"""Kills of `again` and `every2s`."""
FEATURES_HEADER, FEATURES_DIGEST = 56, 32
"""Bytes of a file of activations before its values and after them."""
KILLS, FAULTS = ["signal", "kill", "torn", "power"], ["ENOSPC", "EIO", "EACCES", "short"]
RECIPE = """Crash {{
    task: multi_label,
    data: csv {{ root: "{data}", labels: "labels.csv", images: "images", suffix: ".jpg", valid: random(0.3), batch: 8, resize_to: 48 }},
    transforms: top_down {{ size: 32, max_zoom: 1.05 }},
    model: squeezenet1_1 {{ weights: "{weights}" }},
    metrics: [f2, log_loss],
    clip: 1.0,
    mixup: 0.4,
    ema: 0.9,
    keep_best: f2,
    train: {{ {steps} }},
}}
"""
STEPS = """precompute(on); let lr = lr_find(or = 0.03, iters = 12); fit(lr, 1); head(hidden = [8]); fit(0.05, 2);
        precompute(off); fit(0.02, 1, cycle_len = 1); save("head"); unfreeze(); fit([0.0005, 0.001, 0.01], 2, cycle_len = 1);
        tta(n_aug = 1); load("head"); resize(40); freeze(); precompute(on); fit(0.01, 1);"""
FEW_STEPS = 'precompute(on); fit(0.03, 1); save("head"); precompute(off); load("head"); tta(n_aug = 1);'


class Harness:
    def __init__(self, program, folder, images, steps):
        self.program, self.folder = str(Path(program).resolve()), folder
        data = folder / "data"
        (data / "images").mkdir(parents=True)
        with open(GLOBE / "train_v2.csv") as file:
            rows = list(csv.reader(file))
        kept = [row for row in rows[1:] if (GLOBE / "train-jpg" / f"{row[0]}.jpg").is_file()][:images]
        for name, _ in kept:
            shutil.copy(GLOBE / "train-jpg" / f"{name}.jpg", data / "images")
        with open(data / "labels.csv", "w", newline="") as file:
            csv.writer(file).writerows([rows[0], *kept])
        weights = folder / "squeezenet.safetensors"
        shutil.copy(SQUEEZENET, weights)
        self.recipe = folder / "crash.recipe"
        self.recipe.write_text(RECIPE.format(data=data, weights=weights, steps=steps))
        self.library = folder.parent / f"{folder.name}.so"
        subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", self.library, ROOT / "tools/fault.c", "-ldl"], check=True)

    def start(self, trial, fault=None, **variables):
        """Begins the run of a trial, or resumes it if its folder holds anything."""
        run = trial / "run"
        resume = run.is_dir() and any(run.iterdir())
        what = ["--resume", str(run)] if resume else [str(self.recipe), "--out", str(run)]
        env = dict(os.environ, FASTAI_CACHE=str(trial / "cache"), **{name: str(value) for name, value in variables.items()})
        if fault:
            env |= {"FAULT_KIND": fault[0], "FAULT_AT": str(fault[1])}
        if fault or variables:
            env |= {"LD_PRELOAD": str(self.library)}
            env.setdefault("FAULT_ROOT", str(trial))
        arguments = ["--snapshot-every", "0", "--threads", "1", "-q"]
        return subprocess.Popen([self.program, "run", *what, *arguments], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                text=True)

    def run(self, trial, fault=None, **variables):
        child = self.start(trial, fault, **variables)
        said, _ = child.communicate(timeout=600)
        return child.returncode, said

    def new(self):
        return Path(tempfile.mkdtemp(dir=self.folder, prefix="trial-"))


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
    cache = run.parent / "cache"
    # The values: the key before them and the digest after them depend on when a trial scaled its copies of the images.
    caches = sorted(path.read_bytes()[FEATURES_HEADER:-FEATURES_DIGEST] for path in cache.rglob("*.features"))
    left += [str(path.relative_to(run.parent)) for path in cache.rglob("*.partial")]
    return {"models": models, "history": history, "summary": summary, "left": left, "files": files, "caches": caches}


def differences(whole, run, kind):
    end = end_of(run)
    if kind in FAULTS or kind == "power":
        # A run does without a cache that cannot be written, and what it cannot remove, or what comes back, costs space only.
        if set(end["caches"]) <= set(whole["caches"]):
            end["caches"] = whole["caches"]
        end["left"] = [path for path in end["left"] if not path.endswith(".partial")]
    wrong = [what for what in whole if end[what] != whole[what]]
    return f"other {', '.join(wrong)} (left: {end['left']})" if wrong else None


def started(run):
    return any((run / "resume").glob("after-*.cbor"))


class File:
    """The bytes of a file, those that a sync has covered, and what was done since."""

    def __init__(self):
        self.synced, self.pending = bytearray(), []

    def apply(self, operation):
        kind, at, data = operation
        if kind == "write":
            self.synced[len(self.synced):at] = b"\0" * (at - len(self.synced))
            self.synced[at:at + len(data)] = data
        else:
            del self.synced[at:]
            self.synced[len(self.synced):at] = b"\0" * (at - len(self.synced))

    def sync(self):
        for operation in self.pending:
            self.apply(operation)
        self.pending = []

    def after_loss(self, rng):
        how, kept = rng.choice(["nothing", "part", "zeros", "all"]), File()
        kept.synced = bytearray(self.synced)
        count = {"nothing": 0, "part": rng.randint(0, len(self.pending))}.get(how, len(self.pending))
        for number, (kind, at, data) in enumerate(self.pending[:count]):
            if how == "zeros":
                data = data and bytes(len(data))
            elif how == "part" and number == count - 1 and data:
                data = data[:rng.randint(0, len(data))]
            kept.apply((kind, at, data))
        return bytes(kept.synced)


def read_log(log):
    """The recorded operations: fields, and the bytes of a write."""
    at, operations = 0, []
    while at < len(log):
        end = log.index(b"\n", at)
        fields = log[at:end].decode(errors="surrogateescape").split("\t")
        at = end + 1
        data = b""
        if fields[0] == "write":
            data = log[at:at + int(fields[3])]
            at += len(data)
        operations.append((fields, data))
    return operations


FOLDER = object()


def after_power_loss(operations, rng, strict):
    """Paths and contents (None for a folder) that a power loss after these operations may leave. `strict`: only the sync of a
    folder keeps what happened to names in it; otherwise any sync keeps what happened to all names before, as a journal does."""
    names, kept = {}, {}
    inodes, pending = {}, collections.defaultdict(list)

    def name(folder, *change):
        pending[folder if strict else ""].append(change)

    def keep(changes):
        for change, path, value in changes:
            if change == "link":
                kept[path] = value
            elif change == "rename" and path in kept:
                kept[value] = kept.pop(path)
            elif change == "unlink":
                kept.pop(path, None)

    for fields, data in operations:
        kind, path = fields[0], fields[1]
        if kind == "open":
            if path not in names:
                names[path] = inodes[fields[2]] = File()
                name(os.path.dirname(path), "link", path, names[path])
            inodes[fields[2]] = names[path]
            if fields[3] == "1":
                names[path].pending.append(("truncate", 0, b""))
        elif kind == "write":
            inodes[fields[1]].pending.append(("write", int(fields[2]), data))
        elif kind == "truncate":
            inodes[fields[1]].pending.append(("truncate", int(fields[2]), b""))
        elif kind == "sync":
            folder = names.get(path) is FOLDER
            if not folder and fields[2] in inodes:
                inodes[fields[2]].sync()
            if not strict or folder:
                keep(pending.pop(path if strict else "", []))
        elif kind == "rename":
            names[fields[2]] = names.pop(path)
            name(os.path.dirname(path), "rename", path, fields[2])
        elif kind == "unlink":
            names.pop(path, None)
            name(os.path.dirname(path), "unlink", path, None)
        elif kind == "mkdir":
            names[path] = FOLDER
            name(os.path.dirname(path), "link", path, FOLDER)
    for changes in pending.values():
        keep(changes[:rng.randint(0, len(changes))])
    return {path: None if file is FOLDER else file.after_loss(rng) for path, file in kept.items()}


def lose_power(operations, recorded, trial, rng):
    """Puts what a power loss at a random operation leaves into the folder of a trial."""
    found = after_power_loss(operations[:rng.randint(1, len(operations))], rng, rng.random() < 0.5)
    for path, data in sorted(found.items()):
        target = trial / Path(path).relative_to(recorded)
        # The entry of a folder may be lost, and with it what is in it.
        if target.parent.is_dir():
            target.mkdir(exist_ok=True) if data is None else target.write_bytes(data)


def again(harness, whole, run, interval):
    """A run that is killed `interval` seconds after each start until it ends: the number of kills, and what was wrong or None."""
    for kills in range(MOST):
        if run.is_dir() and not started(run) and not (run / "summary.json").is_file():
            # It had kept nothing to go on from.
            shutil.rmtree(run)
        child = harness.start(run.parent)
        try:
            said, _ = child.communicate(timeout=interval)
            wrong = f"exit {child.returncode}: {said[-400:]}" if child.returncode else differences(whole, run, "again")
            return kills, wrong
        except subprocess.TimeoutExpired:
            child.kill()
            child.communicate()
    return MOST, "never ends"


def trial(harness, kind, rng, whole, seconds, interval, count, record):
    """One run that is disturbed and resumed: the number of disturbances, and what was wrong or None."""
    folder = harness.new()
    run, disturbed = folder / "run", 0
    try:
        if kind in ("again", "every2s"):
            return again(harness, whole, run, seconds / 3 if kind == "again" else interval)
        for attempt in range(4):
            last = attempt == 3 or (attempt > 0 and (kind == "power" or rng.random() < 0.4))
            if kind == "power" and attempt == 0:
                lose_power(*record, folder, rng)
                code, said = -9, "the power was lost"
            elif kind == "signal" and not last:
                child = harness.start(folder)
                time.sleep(rng.random() * seconds)
                child.kill()
                said, _ = child.communicate()
                code = child.returncode
            else:
                code, said = harness.run(folder, None if last else (kind, rng.randint(1, count)))
            if code == 0:
                break
            disturbed += 1
            if code in (-9, 137):
                continue
            if not re.search(r"error: .*" + re.escape(str(folder)), said, re.S):
                return disturbed, f"exit {code} without a file: {said[-400:]}"
            if not started(run):
                # Nothing was reached, and the folder is named.
                shutil.rmtree(run, ignore_errors=True)
            elif last:
                return disturbed, f"does not go on: {said[-400:]}"
        else:
            code, said = harness.run(folder)
            if code:
                return disturbed, f"never ends: {said[-400:]}"
        return disturbed, differences(whole, run, kind)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def is_named(said, path, kind, root):
    """Whether an error names the file, or the one that a temporary file becomes, or its folder. On a full disk all later writes
    fail too, and a run does without its caches, so the error may name another file."""
    if kind == "ENOSPC":
        return str(root) in said
    name = re.sub(r"^\.(.+)\.\w{6}\.tmp$", r"\1", Path(path).name)
    return any(f"{part}" in said for part in (Path(path).parent / name, name, Path(path).parent))


def every(harness, kinds, first):
    """Each operation fails once."""
    folder, log = harness.new(), harness.folder.parent / f"{harness.folder.name}.operations"
    code, said = harness.run(folder, FAULT_ROOT=harness.folder, FAULT_COUNT=log)
    assert code == 0, said
    whole, operations = end_of(folder / "run"), [line.split("\t") for line in log.read_text(errors="replace").splitlines()]
    table = collections.Counter(name for name, _ in operations)
    print(f"{len(operations)} operations on files: {', '.join(f'{n} {name}' for name, n in table.most_common())}", flush=True)
    shutil.rmtree(folder)
    failed = 0
    for kind in kinds:
        errors = harmless = swept = 0
        places = [-1] if kind == "short" else range(first, len(operations) + 1)
        for at in places:
            name, path = operations[at - 1] if at > 0 else ("all", str(harness.folder))
            if kind == "ENOSPC" and name in ("open", "opendir", "read", "pread64"):
                continue
            folder = harness.new()
            code, said = harness.run(folder, (kind, at), FAULT_ROOT=harness.folder)
            path = re.sub(r"/trial-\w+", f"/{folder.name}", path)
            wrong = None
            if code == 0 and (folder / "run" / "resume").is_dir():
                # The run is complete, and what could not be removed goes with the next one that has the folder to itself.
                swept += 1
                code, said = harness.run(folder)
                wrong = f"does not sweep: {said[-400:]}" if code else None
            elif code == 0:
                harmless += 1
            elif code in (1, 2) and "error: " in said and is_named(said, path, kind, folder):
                errors += 1
                code, said = harness.run(folder)
                if code and not started(folder / "run"):
                    shutil.rmtree(folder / "run", ignore_errors=True)
                    code, said = harness.run(folder)
                wrong = f"does not go on: {said[-400:]}" if code else None
            else:
                wrong = f"exit {code}, and the file is not named: {said[-400:]}"
            wrong = wrong or differences(whole, folder / "run", kind)
            if wrong:
                failed += 1
                print(f"FAILED {kind} at operation {at}, {name} {path}: {wrong.strip()}", flush=True)
            shutil.rmtree(folder)
        print(f"{kind:8} {errors} errors that name the file, each resumed; {harmless} did no harm; {swept} left files of a "
              "complete run, which the next `--resume` swept", flush=True)
    return failed


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("program")
    arguments.add_argument("kinds", nargs="*", metavar="KIND")
    arguments.add_argument("--trials", type=int, default=40)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--images", type=int)
    arguments.add_argument("--interval", type=float, default=2, help="of every2s: seconds from a start to its kill")
    arguments.add_argument("--every", action="store_true")
    arguments.add_argument("--first", type=int, default=1, help="with --every: the operation to begin with")
    given = arguments.parse_intermixed_args()
    rng = random.Random(given.seed)
    with tempfile.TemporaryDirectory(prefix="fastai-crash-") as folder:
        root = Path(folder).resolve() / "files"
        if given.every:
            sys.exit(every(Harness(given.program, root, given.images or 8, FEW_STEPS), given.kinds or FAULTS, given.first) > 0)
        harness = Harness(given.program, root, given.images or 40, STEPS)
        first, log, names = harness.folder / "whole", root.parent / "log", root.parent / "names"
        first.mkdir()
        began = time.monotonic()
        code, said = harness.run(first, FAULT_LOG=log, FAULT_COUNT=names)
        assert code == 0, said
        seconds, count = time.monotonic() - began, len(names.read_text(errors="replace").splitlines())
        whole, record = end_of(first / "run"), (read_log(log.read_bytes()), first)
        assert whole["left"] == [], whole["left"]
        print(f"undisturbed: {seconds:.1f} s, {count} operations on files", flush=True)
        kinds = given.kinds or KILLS
        counts = {kind: [0, 0, 0] for kind in kinds}
        for number in range(given.trials):
            kind = kinds[number % len(kinds)]
            disturbed, wrong = trial(harness, kind, rng, whole, seconds, given.interval, count, record)
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
