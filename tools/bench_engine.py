"""The library's speed beside PyTorch's, row by row: kernels (depthwise convolutions, batch norm with ReLU6) and networks
(forward, training step), on two threads each, one program after the other. More than 1 in the last column is faster.

How to run (on a machine that does nothing else)
    pip install torch torchvision safetensors
    python tools/bench_engine.py [kernels] [networks] [--runs N]        # --runs 1 to see whether it works
"""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROW = re.compile(r"(.+): ([0-9.]+) (images/s|ms)$")


def rows(command, **environment):
    """What a program printed: name, value and unit of each row."""
    print("$", *command, file=sys.stderr)
    out = subprocess.run(command, cwd=ROOT, env=os.environ | environment, stdout=subprocess.PIPE, text=True, check=True).stdout
    return {m[1]: (float(m[2]), m[3]) for m in map(ROW.match, out.splitlines()) if m}


def main():
    arguments = sys.argv[1:]
    if not {"kernels", "networks"} & set(arguments):
        arguments = ["kernels", "networks", *arguments]
    bench = ["cargo", "bench", "--profile", "dev", "--workspace", "--bench", "engine", "--", *arguments]
    ours = rows(bench, RAYON_NUM_THREADS="2")
    theirs = rows([sys.executable, "tools/bench_torch_networks.py", *arguments])
    if ours.keys() != theirs.keys():
        sys.exit(f"the two programs print different rows: {sorted(ours.keys() ^ theirs.keys())}")
    print(f"{'':72} {'ours':>9} {'torch':>9} {'':8} {'ratio':>6}")
    for name, (value, unit) in ours.items():
        other = theirs[name][0]
        ratio = other / value if unit == "ms" else value / other
        print(f"{name:72} {value:9.2f} {other:9.2f} {unit:8} {ratio:6.2f}")


if __name__ == "__main__":
    main()
