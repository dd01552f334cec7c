"""The library's kernels beside PyTorch's, row by row (depthwise convolutions, batch norm with ReLU6), on two threads each, one
program after the other. More than 1 in the last column is faster. Whole networks: `bench_networks.py`.

How to run (on a machine that does nothing else)
    pip install torch
    python tools/bench_engine.py [--runs N]        # --runs 1 to see whether it works
"""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROW = re.compile(r"(.+): ([0-9.]+) ms$")


def rows(command, **environment):
    """What a program printed: name and milliseconds of each row."""
    print("$", *command, file=sys.stderr)
    out = subprocess.run(command, cwd=ROOT, env=os.environ | environment, stdout=subprocess.PIPE, text=True, check=True).stdout
    return {m[1]: float(m[2]) for m in map(ROW.match, out.splitlines()) if m}


def main():
    bench = ["cargo", "bench", "--profile", "dev", "--workspace", "--bench", "engine", "--", "kernels", *sys.argv[1:]]
    ours = rows(bench, RAYON_NUM_THREADS="2")
    theirs = rows([sys.executable, "tools/bench_torch_kernels.py", *sys.argv[1:]])
    if ours.keys() != theirs.keys():
        sys.exit(f"the two programs print different rows: {sorted(ours.keys() ^ theirs.keys())}")
    print(f"{'':72} {'ours ms':>9} {'torch ms':>9} {'ratio':>6}")
    for name, value in ours.items():
        print(f"{name:72} {value:9.2f} {theirs[name]:9.2f} {theirs[name] / value:6.2f}")


if __name__ == "__main__":
    main()
