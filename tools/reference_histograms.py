"""Golden histograms: fastai-runtime/tests/golden/histograms.json.

`numpy.histogram` counts each list; edges are written as text that reads back as the same number. Cases:

    random      500 sides between 30 and 3,000, whole and those below 1,000
    equal       one side, many times, and once
    borders     every whole number of a range, so that many lie on the border of two bins
    deck        the smallest and largest side of the deck's dog breeds below 1,000
    values      numbers with a fraction, as a regression has them
    dogbreed,   widths and heights of the training images of the data sets in $FASTAI_TEST_DATA or
    dogscats    ../shared/data, read by Pillow, split as get_cv_idxs does; kept as they are where the data is not

How to run
    pip install numpy pillow
    python tools/reference_histograms.py
"""

import csv
import json
import os

import numpy as np
from PIL import Image, ImageOps
from places import GOLDEN, ROOT

OUT = GOLDEN / "histograms.json"
DATA = os.environ.get("FASTAI_TEST_DATA", ROOT.parent / "shared" / "data")
BINS = 10
LONG = 1000


def case(name, values, bins=BINS):
    counts, edges = np.histogram(np.array(values, np.float64), bins)
    return {
        "name": name,
        "values": values,
        "edges": [repr(float(e)) for e in edges],
        "counts": [int(c) for c in counts],
    }


def whole_and_short(name, sides):
    short = [side for side in sides if side < LONG]
    return [case(name, sides)] + ([case(name + " below 1,000", short)] if len(short) < len(sides) else [])


def sides(paths):
    sizes = [ImageOps.exif_transpose(Image.open(path)).size for path in paths]
    return [width for width, _ in sizes], [height for _, height in sizes]


def dogbreed():
    with open(os.path.join(DATA, "dogbreed", "labels.csv"), newline="") as file:
        names = [row[0] for row in list(csv.reader(file))[1:]]
    np.random.seed(42)
    held_out = set(np.random.permutation(len(names))[: int(0.2 * len(names))])
    return [os.path.join(DATA, "dogbreed", "train", f"{n}.jpg") for i, n in enumerate(names) if i not in held_out]


def dogscats():
    train = os.path.join(DATA, "dogscats", "train")
    return [os.path.join(train, c, f) for c in sorted(os.listdir(train)) for f in sorted(os.listdir(os.path.join(train, c)))]


def main():
    rng = np.random.RandomState(7)
    cases = whole_and_short("random", [int(s) for s in rng.randint(30, 3001, 500)])
    cases += [case("equal", [375] * 7), case("one", [640]), case("none", [])]
    for low, high in [(0, 10), (100, 200), (97, 982), (1, 8), (3, 100), (7, 1000), (33, 34), (11, 490), (5, 4096)]:
        step = max(1, (high - low) // 500)
        cases.append(case(f"borders {low} to {high}", [*range(low, high, step), high]))
        cases.append(case(f"borders {low} to {high}, 7 bins", [*range(low, high, step), high], 7))
    cases += [case("deck widths", [97, 982]), case("deck heights", [102, 982])]
    values = [float(np.float32(v)) for v in rng.normal(-3.0, 20.0, 300)]
    cases += [case("values", values), case("tenths", [v / 10 for v in range(-20, 31)])]
    # Here the division alone puts some values a bin too high, some too low.
    cases += [case("tenths -5 to -3", [v / 10 for v in range(-50, -29)])]
    cases += [case(f"borders 0 to {high}, 49 bins", [*range(high + 1)], 49) for high in (49, 63, 126)]
    cases += [case("equal values", [0.1, 0.1]), case("tiny values", [1e-9 * v for v in range(25)])]
    before = json.loads(OUT.read_text()) if OUT.exists() else []
    for name, paths in [("dogbreed", dogbreed), ("dogscats", dogscats)]:
        if os.path.isdir(os.path.join(DATA, name)):
            for what, of in zip(["widths", "heights"], sides(paths())):
                cases += whole_and_short(f"{name} {what}", of)
        else:
            cases += [c for c in before if c["name"].startswith(name)]
    OUT.write_text("[\n" + ",\n".join(json.dumps(c) for c in cases) + "\n]\n")


main()
