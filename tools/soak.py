#!/usr/bin/env python3
"""What a long run and many predictions leave behind: memory, open files and temporary files early and late.

    python3 tools/soak.py PROGRAM [--epochs 300] [--predictions 100000]

Exit code 1 if memory grows by more than MEGABYTES between a tenth of the way and the end, if a file stays open, or if a
temporary file is left. Needs Linux and the data of this repository.
"""
import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from places import GLOBE, SQUEEZENET

MEGABYTES = 32
RECIPE = """Soak {{
    task: multi_label,
    data: csv {{ root: "{root}", labels: "labels.csv", images: "images", suffix: ".jpg", valid: random(0.25), batch: 8 }},
    transforms: top_down {{ size: 32 }},
    model: squeezenet1_1 {{ weights: "{weights}" }},
    metrics: [f2],
    train: {{ fit(1e-4, {epochs}); }},
}}
"""


def state(process):
    """Resident megabytes and open files of a process."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    resident = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
    return resident / 1000, len(os.listdir(f"/proc/{process.pid}/fd"))


def watch(what, command, done, env):
    """Runs a command; `done()` says how much of it is through, from 0 to 1."""
    process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    early = late = None
    while process.poll() is None:
        try:
            now, share = state(process), done(process)
        except (FileNotFoundError, ProcessLookupError, StopIteration):
            break
        if early is None and share >= 0.1:
            early = now
        if early is not None:
            late = now
        time.sleep(0.5)
    code = process.wait()
    assert code == 0, f"{what}: exit {code}"
    assert early and late, f"{what}: too short to be measured"
    print(f"{what}: {early[0]:.0f} MB and {early[1]} open files at a tenth, {late[0]:.0f} MB and {late[1]} at the end", flush=True)
    # A file may just be written.
    return late[0] - early[0] > MEGABYTES or late[1] > early[1] + 3


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("program")
    arguments.add_argument("--epochs", type=int, default=300)
    arguments.add_argument("--predictions", type=int, default=100_000)
    given = arguments.parse_args()
    program = str(Path(given.program).resolve())
    with tempfile.TemporaryDirectory(prefix="fastai-soak-") as folder:
        folder = Path(folder)
        (folder / "images").mkdir()
        (folder / "tmp").mkdir()
        rows = (GLOBE / "train_v2.csv").read_text().splitlines()[:33]
        (folder / "labels.csv").write_text("\n".join(rows) + "\n")
        for row in rows[1:]:
            shutil.copy(GLOBE / "train-jpg" / f"{row.split(',')[0]}.jpg", folder / "images")
        (folder / "soak.recipe").write_text(RECIPE.format(root=folder, weights=SQUEEZENET, epochs=given.epochs))
        env = dict(os.environ, FASTAI_CACHE=str(folder / "cache"), TMPDIR=str(folder / "tmp"))
        run, history = folder / "run", folder / "run/history.csv"
        epochs = lambda _: (len(history.read_text().splitlines()) - 1) / given.epochs if history.is_file() else 0
        grew = watch(f"{given.epochs} epochs", [program, "run", str(folder / "soak.recipe"), "--out", str(run), "-q"], epochs, env)
        images = sorted((folder / "images").iterdir())
        listed = folder / "many"
        listed.mkdir()
        for number in range(given.predictions):
            (listed / f"{number}.jpg").symlink_to(images[number % len(images)])
        read = lambda process: sum(int(line.split()[1]) for line in Path(f"/proc/{process.pid}/io").read_text().splitlines()
                                   if line.startswith("rchar")) / (given.predictions * sum(p.stat().st_size for p in images) / len(images))
        grew |= watch(f"{given.predictions} predictions", [program, "predict", str(run), str(listed), "--csv", "-q"], read, env)
        left = [str(path.relative_to(folder)) for path in folder.rglob("*")
                if path.name.endswith(".tmp") or path.parent.name == "tmp" or "resume" in path.parts]
        print(f"left behind: {left or 'nothing'}")
        sys.exit(bool(grew or left))


if __name__ == "__main__":
    main()
