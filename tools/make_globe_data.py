"""Make the small multi-label satellite set of the examples: examples/data/globe.

What it makes
    train-jpg/train_N.jpg   64 px RGB chips cut from a colour mosaic of the Earth
    train_v2.csv            image_name,tags        (layout of the Kaggle "planet" competition)
    valid.txt               one image name a line: the chips with x >= 3072 (90 E to 180 E)
    chips_xy.csv            image_name,x,y         (upper left pixel of each chip in the 4096 x 2048 mosaic)

The chips come from `earth-blue-marble.jpg`; the tags come from layers that a
network never sees (water mask, elevation, night lights), by fixed rules, so they are
rule-made and not drawn by a person. One pixel is about 10 km at the equator.

Tags of a chip, w = share of water pixels, t = elevation grey level (0..255):
    ocean         w > 0.5
    land          w < 0.9
    coast         0.1 < w < 0.9
    inland_water  0.004 < w <= 0.1
    mountain      w < 0.9 and the 90th percentile of t > 70
    lowland       w < 0.9 and max t < 25
    habitation    at least side*side // 200 warm pixels in the night picture (red above blue)
Pure ocean chips (w > 0.999) are thinned to a quarter, on a fixed diagonal pattern.
The first grid row and the last one are left out (polar stretching).

How to run
    pip install numpy pillow
    npm pack three-globe@2.45.2
    python tools/make_globe_data.py three-globe-2.45.2.tgz [out_dir]

The result depends only on the package and on the JPEG library of Pillow.
At the end the script prints counts and the score of the best constant answer.
"""

import collections
import csv
import hashlib
import io
import itertools
import os
import sys
import tarfile

import numpy as np
from PIL import Image
from places import GLOBE

PACKAGE_SHA256 = "f6deff6848980a4bda13b0993e5ebc929b27e791e063a5517c87115ff7e669cb"
TAGS = ("coast", "habitation", "inland_water", "land", "lowland", "mountain", "ocean")
SIDE = 64
QUALITY = 92
VALID_FROM_X = 3072


def read_layers(archive):
    """Open the four pictures of the package straight from the tarball."""
    with open(archive, "rb") as f:
        raw = f.read()
    found = hashlib.sha256(raw).hexdigest()
    if found != PACKAGE_SHA256:
        sys.exit(f"{archive}: sha256 is {found}, expected {PACKAGE_SHA256}")
    with tarfile.open(fileobj=io.BytesIO(raw)) as tar:

        def picture(name):
            data = tar.extractfile(f"package/example/img/{name}").read()
            return Image.open(io.BytesIO(data))

        rgb = picture("earth-blue-marble.jpg").convert("RGB")
        water = picture("earth-water.png").convert("L").resize(rgb.size, Image.BILINEAR)
        topology = picture("earth-topology.png").convert("L").resize(rgb.size, Image.BILINEAR)
        night = np.asarray(picture("earth-night.jpg").convert("RGB"), dtype=np.int32)
    warm = night[..., 0] > night[..., 2]
    return rgb, np.asarray(water) > 127, np.asarray(topology), warm


def tags_of(water, topology, warm):
    """The rules of the module text, for the three layers of one chip."""
    w = water.mean()
    rules = {
        "ocean": w > 0.5,
        "land": w < 0.9,
        "coast": 0.1 < w < 0.9,
        "inland_water": 0.004 < w <= 0.1,
        "mountain": w < 0.9 and np.percentile(topology, 90) > 70,
        "lowland": w < 0.9 and topology.max() < 25,
        "habitation": int(warm.sum()) >= warm.size // 200,
    }
    return [tag for tag, holds in rules.items() if holds]


def cut(rgb, water, topology, warm):
    """Yield (x, y, chip, tags) over the grid, row by row."""
    width, height = rgb.size
    for y in range(SIDE, height - 2 * SIDE, SIDE):
        for x in range(0, width, SIDE):
            at = np.s_[y : y + SIDE, x : x + SIDE]
            if water[at].mean() > 0.999 and (x // SIDE + y // SIDE) % 4 != 0:
                continue
            chip = rgb.crop((x, y, x + SIDE, y + SIDE))
            yield x, y, chip, tags_of(water[at], topology[at], warm[at])


def f2(truth, predicted):
    """Mean over rows of 5tp / (5tp + 4fn + fp); a row without any tag on either side counts 0."""
    tp = (truth & predicted).sum(1)
    fn = (truth & ~predicted).sum(1)
    fp = (~truth & predicted).sum(1)
    below = 5 * tp + 4 * fn + fp
    return float(np.mean(np.where(below > 0, 5 * tp / np.maximum(below, 1), 0.0)))


def best_constant(truth):
    """The set of tags with the highest F2 when it is given for every row."""
    choices = itertools.product((False, True), repeat=len(TAGS))
    return max(choices, key=lambda c: f2(truth, np.broadcast_to(np.array(c), truth.shape)))


def write_csv(path, header, rows):
    with open(path, "w", newline="", encoding="utf-8") as f:
        out = csv.writer(f, lineterminator="\n")
        out.writerow(header)
        out.writerows(rows)


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    out = sys.argv[2] if len(sys.argv) == 3 else GLOBE
    os.makedirs(os.path.join(out, "train-jpg"), exist_ok=True)
    rows, places, size = [], [], 0
    for k, (x, y, chip, tags) in enumerate(cut(*read_layers(sys.argv[1]))):
        name = f"train_{k}"
        path = os.path.join(out, "train-jpg", name + ".jpg")
        chip.save(path, quality=QUALITY)
        size += os.path.getsize(path)
        rows.append((name, " ".join(tags)))
        places.append((name, x, y))
    write_csv(os.path.join(out, "train_v2.csv"), ("image_name", "tags"), rows)
    write_csv(os.path.join(out, "chips_xy.csv"), ("image_name", "x", "y"), places)
    with open(os.path.join(out, "valid.txt"), "w", encoding="utf-8") as f:
        f.writelines(f"{name}\n" for name, x, _ in places if x >= VALID_FROM_X)

    truth = np.array([[tag in tags.split() for tag in TAGS] for _, tags in rows])
    valid = np.array([x >= VALID_FROM_X for _, x, _ in places])
    counts = collections.Counter(tag for _, tags in rows for tag in tags.split())
    print(f"{len(rows)} chips: {(~valid).sum()} train, {valid.sum()} valid; {size} bytes of JPEG")
    print(", ".join(f"{tag} {n}" for tag, n in counts.most_common()))
    print(f"no tag {int((truth.sum(1) == 0).sum())}, mean tags {truth.sum(1).mean():.3f}")
    constant = np.array(best_constant(truth[~valid]))
    names = " ".join(tag for tag, on in zip(TAGS, constant) if on)
    score = [f2(t, np.broadcast_to(constant, t.shape)) for t in (truth[~valid], truth[valid])]
    print(f"best constant on train: {{{names}}}, F2 {score[0]:.4f} on train, {score[1]:.4f} on valid")


if __name__ == "__main__":
    main()
