"""Time and memory of the program's commands on data sets of growing size: a folder of hard links to 1,000 small
JPEGs, and a csv file with up to 10,000 classes.

For each size and command it prints wall and CPU seconds and the peak memory in MB, and how they grow from one
size to the next. The links lie in a temporary folder beside each other and are removed at the end.

How to run
    pip install numpy pillow
    python tools/many_images.py target/debug/fastai [--sizes 10000,100000,1000000] [--commands check,plan,..]
        [--folder DIR] [--distinct]

Commands: check, plan, prepare, show (with `preflight: sample(2000)`), show_all (every image), smoke (`run
--smoke`), epoch (a run of one epoch: every image is loaded, computed and measured; 100 classes), predict (every image, with
the model of epoch).
"""

import argparse
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import time

import numpy as np
from PIL import Image
from places import ROOT

RECIPE = """Many {{
    task: single_label,
    data: csv {{ root: "{root}", labels: "{labels}.csv", images: "img", suffix: ".jpg", valid: random(0.2),
                 duplicates: keep, preflight: {preflight} }},
    transforms: none {{ size: 32 }},
    model: squeezenet1_1,
    metrics: [accuracy],
    train: {{ fit(1e-3, 1); }},
}}
"""


def make(folder, size, distinct):
    """The images, the table and the recipes."""
    base, images = os.path.join(folder, "base"), os.path.join(folder, "img")
    os.makedirs(base)
    os.makedirs(images)
    rng = np.random.default_rng(1)
    for i in range(size if distinct else 1000):
        small = rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)
        Image.fromarray(small).resize((48, 48), Image.Resampling.BICUBIC).save(os.path.join(base, f"{i:07}.jpg"), quality=85)
    for i in range(size):
        os.link(os.path.join(base, f"{i if distinct else i % 1000:07}.jpg"), os.path.join(images, f"{i:07}.jpg"))
    for labels, classes in (("labels", min(10000, size // 10)), ("few", 100)):
        with open(os.path.join(folder, f"{labels}.csv"), "w") as table:
            table.write("id,label\n")
            for i in range(size):
                table.write(f"{i:07},class_{i * 7919 % classes}\n")
    for name, labels, preflight in (("sample", "labels", "sample(2000)"), ("all", "labels", "all"), ("few", "few", "sample(2000)")):
        with open(os.path.join(folder, f"{name}.recipe"), "w") as recipe:
            recipe.write(RECIPE.format(root=folder, labels=labels, preflight=preflight))


def measure(command, environment):
    began = time.monotonic()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - began
    if status:
        sys.stderr.write(output.decode(errors="replace")[-2000:] + f"\n{command}: exit {os.waitstatus_to_exitcode(status)}\n")
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, status


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--sizes", default="10000,100000,1000000")
    parser.add_argument("--commands", default="check,plan,prepare,show,smoke")
    parser.add_argument("--folder")
    parser.add_argument("--distinct", action="store_true", help="every image is another one, which show_all compares with all others")
    options = parser.parse_args()
    program = os.path.abspath(options.program)
    before = {}
    print("| images | command | wall s | CPU s | peak MB | CPU, times that of the size before | memory, times |")
    print("|---:|---|---:|---:|---:|---:|---:|")
    for size in map(int, options.sizes.split(",")):
        folder = tempfile.mkdtemp(dir=options.folder, prefix="many_images")
        try:
            # In a process of its own: what this one holds would count as the program's peak.
            maker = multiprocessing.Process(target=make, args=(folder, size, options.distinct))
            maker.start()
            maker.join()
            assert maker.exitcode == 0
            environment = dict(os.environ, FASTAI_CACHE=os.path.join(folder, "cache"),
                               FASTAI_WEIGHTS=str(ROOT / "examples" / "data"))
            recipe = {name: os.path.join(folder, f"{name}.recipe") for name in ("sample", "all", "few")}
            run, epoch = os.path.join(folder, "run"), os.path.join(folder, "epoch")
            commands = {
                "check": ["check", recipe["sample"]],
                "plan": ["plan", recipe["sample"]],
                "prepare": ["prepare", recipe["sample"]],
                "show": ["show", recipe["sample"], "-q", "--out", os.path.join(folder, "show.html")],
                "show_all": ["show", recipe["all"], "-q", "--out", os.path.join(folder, "all.html")],
                "smoke": ["run", recipe["sample"], "--smoke", "-q", "--out", run],
                "epoch": ["run", recipe["few"], "-q", "--out", epoch],
                "predict": ["predict", epoch, "--jsonl", "--top", "1", "-q", os.path.join(folder, "img")],
            }
            for name in options.commands.split(","):
                wall, cpu, memory, status = measure([program, *commands[name]], environment)
                old = before.get(name)
                growth = f"{cpu / max(old[0], 0.01):.1f} | {memory / old[1]:.1f}" if old else " | "
                failed = " (failed)" if status else ""
                print(f"| {size} | {name}{failed} | {wall:.1f} | {cpu:.1f} | {memory:.0f} | {growth} |", flush=True)
                before[name] = (cpu, memory)
        finally:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
