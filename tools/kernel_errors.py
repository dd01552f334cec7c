"""Tabulates the largest error of each CPU kernel against plain loops in double precision, as the tests of `fastai-kernels` measure it
over random shapes, for each instruction set of this CPU.

Errors of convolutions are shares of the largest sum; all others are relative to the larger of 1 and the number itself.

How to run
    cargo test -p fastai-kernels -- --show-output | python3 tools/kernel_errors.py
"""

import re
import sys

LINE = re.compile(r"largest error: (.+), ([^,]+): (\S+)$")


def main():
    found, sets = {}, []
    for line in sys.stdin:
        match = LINE.search(line)
        if not match:
            continue
        kernel, isa, error = match[1].replace("::", " ").replace("_", " "), match[2], float(match[3])
        if isa not in sets:
            sets.append(isa)
        errors = found.setdefault(kernel, {})
        errors[isa] = max(errors.get(isa, 0.0), error)
    if not found:
        sys.exit("no line `largest error: KERNEL, INSTRUCTION SET: ERROR`; are the tests run with --show-output?")
    print("| kernel | " + " | ".join(sets) + " |")
    print("|---|" + "---:|" * len(sets))
    for kernel in sorted(found):
        print(f"| {kernel} | " + " | ".join(f"{found[kernel].get(isa, float('nan')):.1e}" for isa in sets) + " |")


if __name__ == "__main__":
    main()
