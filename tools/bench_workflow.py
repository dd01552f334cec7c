"""Compares a whole workflow with fastai v2 on PyTorch, from the start of each process to its end, alternating between the two.

The workflow: SqueezeNet 1.1 with ImageNet weights at 224 px, batch 64; `lr_find` over 20 batches, one epoch of the head on augmented
images at a constant rate, one at a cosine rate, one of the unfrozen network with a rate per layer group, and the mean over 4
augmented views of each validation image. Ours also looks at every image first and writes its run folder and report.

PEER is a script `PEER DATA WEIGHTS squeezenet1_1 224 64` that does the same with fastai v2 and prints a line of JSON per stage
(`stage`, `seconds`; the last one is `total`). The time of its stage `loader_only_epoch`, an epoch without training, is subtracted.
DATA has train/ and valid/ with a folder per class. Both read the weights in examples/data.

Memory is the peak resident set of the main process, and the peak over its whole tree (proportional set size, sampled), since
PyTorch's loaders are processes.

How to run (on a quiet machine)
    pip install fastai
    cargo build                                   # or: cargo build --release, and --program target/release/fastai
    python tools/bench_workflow.py DATA PEER [--runs 3] [--threads 2] [--json FILE] [--program PATH] [--python PATH]
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from places import PROGRAM, ROOT, SQUEEZENET

RECIPE = """Workflow {{
    task: single_label,
    data: folders {{ root: {data}, batch: 64 }},
    transforms: side_on {{ size: 224, max_zoom: 1.1 }},
    model: squeezenet1_1 {{ weights: {weights} }},
    metrics: [accuracy],
    train: {{
        let _lr = lr_find(or = 1e-2, iters = 20);
        fit(1e-2, 1);
        fit(1e-2, 1, cycle_len = 1);
        unfreeze();
        fit([1e-4, 1e-3, 1e-2], 1, cycle_len = 1);
        tta(n_aug = 4);
    }},
}}
"""
EXTRA = "loader_only_epoch"
SAMPLE = 1.0
"""Seconds between two samples of the tree's memory; walking the page tables of PyTorch takes the system a while."""


def tree(root):
    """Returns the process and its descendants."""
    found, rest = [], [root]
    while rest:
        pid = rest.pop()
        found.append(pid)
        for task in Path(f"/proc/{pid}/task").glob("*/children"):
            try:
                rest += map(int, task.read_text().split())
            except OSError:
                pass
    return found


def tree_kb(root):
    """Returns the proportional set size of the process and its descendants in kB of 1024 bytes."""
    total = 0
    for pid in tree(root):
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        except (OSError, StopIteration):
            pass
    return total


def measured(command, environment):
    """Runs the command; returns its output, its seconds, and its peak memory in kB: of the process and of its tree."""
    with tempfile.TemporaryFile("w+") as errors:
        start = time.perf_counter()
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True)
        peak, ended = [0], threading.Event()

        def sample():
            while not ended.wait(SAMPLE):
                peak[0] = max(peak[0], tree_kb(process.pid))

        sampler = threading.Thread(target=sample)
        sampler.start()
        out = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        ended.set()
        sampler.join()
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            errors.seek(0)
            sys.exit(f"{' '.join(command)}\nended with {process.returncode}:\n{errors.read()[-2000:]}")
    return out, seconds, {"process_kb": usage.ru_maxrss, "tree_kb": peak[0]}


def ours(args, environment):
    with tempfile.TemporaryDirectory() as folder:
        recipe, run = Path(folder, "workflow.recipe"), Path(folder, "run")
        recipe.write_text(RECIPE.format(data=json.dumps(str(args.data)), weights=json.dumps(str(SQUEEZENET))))
        command = [args.program, "run", recipe, "--out", run, "--cache", Path(folder, "cache")]
        command += ["--device", "cpu", "--threads", args.threads, "--quiet"]
        _, seconds, memory = measured([str(word) for word in command], environment)
        summary = json.loads((run / "summary.json").read_text())
    stages = [{"stage": stage["text"], "seconds": stage["seconds"]} for stage in summary["stages"]]
    accuracy = next(m["value"] for m in summary["tta"]["metrics"] if m["name"] == "accuracy")
    return {"seconds": seconds, **memory, "accuracy": accuracy, "stages": stages}


def theirs(args, environment):
    command = [args.python, args.peer, args.data, SQUEEZENET, "squeezenet1_1", 224, 64]
    out, seconds, memory = measured([str(word) for word in command], environment)
    stages = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    seconds -= sum(stage["seconds"] for stage in stages if stage["stage"] == EXTRA)
    accuracy = next((stage["accuracy"] for stage in stages if "accuracy" in stage), None)
    return {"seconds": seconds, **memory, "accuracy": accuracy, "stages": stages}


def main():
    usage = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    usage.add_argument("data", type=Path, metavar="DATA")
    usage.add_argument("peer", type=Path, metavar="PEER")
    usage.add_argument("--runs", type=int, default=3)
    usage.add_argument("--threads", type=int, default=2)
    usage.add_argument("--json", type=Path, metavar="FILE")
    usage.add_argument("--program", type=Path, default=PROGRAM)
    usage.add_argument("--python", default=sys.executable, help="interpreter that has fastai")
    args = usage.parse_args()
    for path in (args.data, args.peer, args.program):
        if not path.exists():
            usage.error(f"{path}: no such file or folder")
    if args.runs < 1 or args.threads < 1:
        usage.error("--runs and --threads must be at least 1")
    args.data, args.peer, args.program = args.data.resolve(), args.peer.resolve(), args.program.resolve()
    environment = os.environ | {name: str(args.threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    runs = {"ours": [], "fastai v2": []}
    for number in range(args.runs):
        for name, run in (("ours", ours), ("fastai v2", theirs)):
            found = run(args, environment)
            runs[name].append(found)
            print(f"run {number + 1}, {name}: {found['seconds']:.1f} s, tta accuracy {found['accuracy']:.4f}", file=sys.stderr, flush=True)
            for stage in found["stages"]:
                print(f"    {stage['seconds']:8.2f} s  {stage['stage']}", file=sys.stderr, flush=True)
            if args.json:
                args.json.write_text(json.dumps({"threads": args.threads, "runs": runs}, indent=1) + "\n")
    median = {
        name: {key: statistics.median(run[key] for run in of) for key in ("seconds", "process_kb", "tree_kb")}
        for name, of in runs.items()
    }
    print(f"{'median of ' + str(args.runs):14} {'seconds':>9} {'process MB':>11} {'tree MB':>9}")
    for name, of in median.items():
        print(f"{name:14} {of['seconds']:9.1f} {of['process_kb'] / 1024:11.0f} {of['tree_kb'] / 1024:9.0f}")
    own, other = median["ours"], median["fastai v2"]
    ratios = [other["seconds"] / own["seconds"], own["process_kb"] / other["process_kb"], own["tree_kb"] / other["tree_kb"]]
    print(f"ours is {ratios[0]:.2f} times as fast, with {ratios[1]:.2f} of the process's and {ratios[2]:.2f} of the tree's memory")


if __name__ == "__main__":
    main()
