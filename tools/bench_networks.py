"""Compares the speed of this library's networks with PyTorch's and onnxruntime's on this CPU, alternating between them.

Each contender runs in a process of its own, which separates their memory, and measures one block of runs on request, so that
all contenders see the same machine. A block has as many runs as fit into BLOCK seconds and counts by its median; each contender
measures --runs blocks in turn. A rate is the median over the blocks. A ratio is the median, over the turns, of the other's time
divided by ours: above 1 ours is faster. Memory is the peak resident set of the process (VmHWM) minus its resident set after loading
the libraries, which exceeds 700 MB for a PyTorch with CUDA; nothing is subtracted from ours.

    forward     evaluation, from images to logits, with a frozen body; this library folds the batch norms
    forward1    as forward, with one image: latency
    train       a training step with every parameter trainable: forward, cross-entropy, backward, SGD with momentum

    eager, channels_last    PyTorch in its two layouts
    compile                 torch.compile (in `forward` with frozen weights), if it is ready within --compile-limit seconds
    onnxruntime             the network as exported by PyTorch; forward only

How to run (on a quiet machine)
    pip install torch torchvision timm onnx onnxruntime
    cargo build                                   # or: cargo build --release, and --program target/release/fastai
    python tools/bench_networks.py [--archs resnet34,resnet50] [--modes forward,train] [--contenders ours,eager]
        [--runs 5] [--threads 2] [--batch 16] [--size 224] [--json FILE] [--program PATH] [--python PATH]
"""

import argparse
import json
import math
import os
import queue
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from places import PROGRAM, ROOT

PEERS = ROOT / "tools" / "bench_peers.py"
SIX = ["squeezenet1_1", "efficientnet_lite0", "resnet18", "resnet34", "resnet50", "resnext50_32x4d"]
ARCHS = [*SIX, "convnext_tiny", "vgg16_bn", "densenet121", "mobilenet_v2"]
MODES = ["forward", "forward1", "train"]
CONTENDERS = ["ours", "eager", "channels_last", "compile", "onnxruntime"]
LAYOUTS = ["eager", "channels_last"]
BLOCK = 0.5
"""Seconds."""
MOST = 50
"""Runs per block."""
PAUSE = 0.3
"""Seconds between two contenders, until threads that spin while they wait for work sleep."""


class Failed(Exception):
    pass


class Contender:
    """A process that does the work on request."""

    def __init__(self, name, command, environment):
        self.name, self.blocks, self.last, self.errors = name, [], {}, tempfile.TemporaryFile("w+")
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self.errors}
        self.process = subprocess.Popen(command, cwd=ROOT, env=environment, text=True, **pipes)
        self.lines = queue.Queue()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put(None)

    def line(self, limit):
        try:
            line = self.lines.get(timeout=limit)
        except queue.Empty:
            raise Failed(f"no answer within {limit:.0f} s") from None
        if line is None:
            self.process.wait()
            self.errors.seek(0)
            said = self.errors.read().strip().splitlines()
            raise Failed(said[-1] if said else f"ended with {self.process.returncode}")
        return line.strip()

    def prepare(self, limit):
        """Waits until it has done the work once, and determines the number of runs per block."""
        while self.line(limit) != "ready":
            pass
        self.count = 1
        seconds = min(self.ask() for _ in range(2))
        self.count = max(1, min(MOST, math.ceil(BLOCK / seconds)))
        self.blocks.clear()

    def ask(self):
        self.process.stdin.write(f"{self.count}\n")
        self.process.stdin.flush()
        seconds = [float(word) for word in self.line(1800).split()]
        self.blocks.append(seconds)
        return statistics.median(seconds)

    def finish(self):
        """Closes its input and reads its report."""
        self.process.stdin.close()
        said = []
        while (line := self.lines.get(timeout=300)) is not None:
            said.append(line)
        self.process.wait()
        self.last = json.loads("".join(said))

    def kill(self):
        self.process.kill()
        self.process.wait()


def command(name, args, arch, mode, batch, onnx):
    if name == "ours":
        sizes = ["--batch", batch, "--size", args.size, "--threads", args.threads]
        words = [args.program, "bench", "--arch", arch, "--mode", mode, *sizes, "--json", "--paced"]
    else:
        words = [args.python, PEERS, name, arch, mode, batch, args.size, args.threads]
        words += [onnx] if name == "onnxruntime" else []
    return [str(word) for word in words]


def export(args, arch, batch, folder, environment):
    """Exports the network to an ONNX file in another process."""
    file = folder / f"{arch}-{batch}.onnx"
    words = command("export", args, arch, "forward", batch, None) + [str(file)]
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        raise Failed("export: " + (done.stderr.strip().splitlines() or ["failed"])[-1])
    return file


def race(args, arch, mode, folder, environment):
    """Measures all contenders on one network and mode; returns a row for each."""
    batch = 1 if mode == "forward1" else args.batch
    work = "train" if mode == "train" else "forward"
    running, rows = [], []

    def note(name, why):
        print(f"  {arch} {mode} {name}: {why}", file=sys.stderr, flush=True)
        rows.append({"arch": arch, "mode": mode, "batch": batch, "contender": name, "failed": why})

    # All are prepared before the first block, so that none compiles while another is measured.
    for name in args.contenders:
        if name == "onnxruntime" and work == "train":
            continue
        contender = None
        try:
            onnx = export(args, arch, batch, folder, environment) if name == "onnxruntime" else None
            contender = Contender(name, command(name, args, arch, work, batch, onnx), environment)
            contender.prepare(args.compile_limit if name == "compile" else 900)
            running.append(contender)
        except Failed as why:
            if contender:
                contender.kill()
            note(name, str(why))
    for _ in range(args.runs):
        for contender in list(running):
            time.sleep(PAUSE)
            try:
                contender.ask()
            except Failed as why:
                running.remove(contender)
                note(contender.name, str(why))
    for contender in running:
        contender.finish()
        medians = [statistics.median(block) for block in contender.blocks]
        median = statistics.median(medians)
        row = {"arch": arch, "mode": mode, "batch": batch, "contender": contender.name, "median": median}
        row |= {"best": min(min(block) for block in contender.blocks), "images_per_s": batch / median}
        row |= {"peak_kb": contender.last["peak_kb"], "libraries_kb": contender.last.get("libraries_kb", 0), "blocks": contender.blocks}
        row["memory_kb"] = row["peak_kb"] - row["libraries_kb"]
        if contender.name == "ours":
            row |= {key: contender.last[key] for key in ("multiply_adds", "sgemm")}
        rows.append(row)
    add_ratios(rows)
    return rows


def add_ratios(rows):
    """Adds our speed and memory relative to each contender, and our GFLOP/s."""
    ours = next((row for row in rows if row["contender"] == "ours" and "median" in row), None)
    if ours is None:
        return
    ours["gflops"] = 2e-9 * ours["multiply_adds"] / ours["median"]
    own = [statistics.median(block) for block in ours["blocks"]]
    for row in rows:
        if row is not ours and "median" in row:
            theirs = [statistics.median(block) for block in row["blocks"]]
            row["ours_is"] = statistics.median(t / o for t, o in zip(theirs, own))
            row["memory_ours_is"] = ours["memory_kb"] / row["memory_kb"]


def geometric_mean(values):
    return math.exp(sum(map(math.log, values)) / len(values)) if values else None


def table(rows, mode, args, sgemm):
    """Returns the rows of one mode as a Markdown table: rates or milliseconds, ratios, memory."""
    names = [n for n in args.contenders if n != "onnxruntime" or mode != "train"]
    found = {(row["arch"], row["contender"]): row for row in rows if row["mode"] == mode}
    latency = mode == "forward1"
    ratios = [n for n in ("torch", "compile", "onnxruntime") if n in names or n == "torch" and set(LAYOUTS) & set(names)]
    head = ["network", *names, *(f"/ {n}" for n in ratios), "GFLOP/s", "of sgemm", *(f"MB {n}" for n in names)]
    lines, columns = [head], {n: [] for n in ratios}

    def cell(arch, name, text):
        row = found.get((arch, name), {})
        return text(row) if "median" in row else "-"

    for arch in args.archs:
        line = [arch]
        for name in names:
            speed = lambda row: f"{1e3 * row['median']:.1f}" if latency else f"{row['images_per_s']:.1f}"
            line.append(cell(arch, name, speed))
        for name in ratios:
            against = [found.get((arch, n), {}).get("ours_is") for n in (LAYOUTS if name == "torch" else [name])]
            against = [ratio for ratio in against if ratio]
            columns[name].append((arch, min(against)) if against else None)
            line.append(f"{min(against):.2f}" if against else "-")
        line.append(cell(arch, "ours", lambda row: f"{row['gflops']:.0f}"))
        fastest = sgemm["gflops"] if sgemm else 0
        line.append(cell(arch, "ours", lambda row: f"{100 * row['gflops'] / max(fastest, row['sgemm']['gflops']):.0f} %"))
        line += [cell(arch, n, lambda row: f"{row['memory_kb'] / 1024:.0f}") for n in names]
        lines.append(line)
    for title, archs in (("geometric mean of the first six", SIX), ("geometric mean of all", ARCHS)):
        means = [geometric_mean([c[1] for c in columns[n] if c and c[0] in archs]) for n in ratios]
        if any(means) and len(args.archs) > 1:
            means = [f"{mean:.2f}" if mean else "-" for mean in means]
            lines.append([title, *[""] * len(names), *means, *[""] * (len(names) + 2)])
    widths = [max(len(line[c]) for line in lines) for c in range(len(head))]
    text = ["| " + " | ".join(f"{cell:{'<' if c == 0 else '>'}{widths[c]}}" for c, cell in enumerate(line)) + " |" for line in lines]
    text.insert(1, "|" + "|".join(("-" * (w + 2)) if c == 0 else "-" * (w + 1) + ":" for c, w in enumerate(widths)) + "|")
    batch = 1 if latency else args.batch
    unit = "milliseconds" if latency else "images per second"
    return f"\n{mode}: {unit}, batch {batch}, {args.size} px, {args.threads} threads\n\n" + "\n".join(text)


def cpu():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return "unknown"


def arguments():
    def names(legal):
        def read(text):
            chosen = text.split(",")
            wrong = [name for name in chosen if name not in legal]
            if wrong:
                raise argparse.ArgumentTypeError(f"{', '.join(wrong)}: choose of {', '.join(legal)}")
            return chosen

        return read

    def count(text):
        if not text.isdigit() or int(text) < 1:
            raise argparse.ArgumentTypeError(f"{text}: a number from 1 on")
        return int(text)

    usage = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    usage.add_argument("--archs", type=names(ARCHS), default=ARCHS)
    usage.add_argument("--modes", type=names(MODES), default=MODES)
    usage.add_argument("--contenders", type=names(CONTENDERS), default=CONTENDERS)
    usage.add_argument("--runs", type=count, default=5, help="blocks of each contender")
    usage.add_argument("--threads", type=count, default=2)
    usage.add_argument("--batch", type=count, default=16)
    usage.add_argument("--size", type=count, default=224)
    usage.add_argument("--compile-limit", type=count, default=300, metavar="SECONDS")
    usage.add_argument("--json", type=Path, metavar="FILE")
    usage.add_argument("--program", type=Path, default=PROGRAM)
    usage.add_argument("--python", default=sys.executable, help="interpreter with the packages of the other contenders")
    args = usage.parse_args()
    if "ours" in args.contenders and not args.program.is_file():
        usage.error(f"--program {args.program}: no such file; run `cargo build`")
    return args


def main():
    args = arguments()
    args.program = args.program.resolve()
    threads = {name: str(args.threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    environment = os.environ | threads
    sgemm, peers = None, set(args.contenders) - {"ours"}
    if peers:
        words = [args.python, str(PEERS), "sgemm", str(args.threads)]
        said = subprocess.run(words, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout
        sgemm = json.loads(said.splitlines()[-1])
        print(f"sgemm: {sgemm['gflops']:.0f} GFLOP/s ({sgemm['by']}); {sgemm['versions']}")
    print(f"{cpu()}, load {os.getloadavg()[0]:.2f} when begun", flush=True)
    rows = []

    def write():
        if args.json:
            setup = {"cpu": cpu(), "threads": args.threads, "size": args.size, "runs": args.runs, "sgemm": sgemm}
            args.json.write_text(json.dumps({**setup, "rows": rows}, indent=1) + "\n")

    with tempfile.TemporaryDirectory() as folder:
        for mode in args.modes:
            for arch in args.archs:
                rows += race(args, arch, mode, Path(folder), environment)
                write()
                for row in rows:
                    if (row["arch"], row["mode"]) == (arch, mode) and "median" in row:
                        ratio = f"  ours is {row['ours_is']:.2f}" if "ours_is" in row else ""
                        print(f"  {arch} {mode} {row['contender']}: {row['images_per_s']:.1f} images/s{ratio}", file=sys.stderr, flush=True)
            print(table(rows, mode, args, sgemm), flush=True)


if __name__ == "__main__":
    main()
