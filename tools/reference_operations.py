"""Golden outputs of the operations of TrivialAugment and RandAugment:
fastai-runtime/tests/golden/operations.json.

torchvision (transforms v2, nearest neighbour, no fill) applies them to 8-bit images of Pillow.
Pictures are squares, red, green and blue of the pixel (x, y) the upper 8 of 32 bits of

    noise   (x * 73856093 + y * 19349663 + c * 83492791 + 12345) * 2654435761
    smooth  (x * 5 + y * 3 + c * 40) << 24, but at most 230 << 24, and at least 20 << 24

For each operation (number in the order of torchvision's table), strength (bin 0 to 30) and
direction the file holds the 64-bit FNV-1a hash of the result's bytes: results are equal to the
bit or not at all. `random_erasing` holds the share of 20,000 draws of RandomErasing in which
something was erased, and the mean share of the square that was.

How to run
    pip install numpy pillow torch torchvision
    python tools/reference_operations.py
"""

import json

import numpy as np
import PIL
import torch
import torchvision
from PIL import Image
from places import GOLDEN
from torchvision.transforms import v2

SIDES = {"noise": 24, "smooth": 37}


def picture(name, side):
    y, x, c = np.meshgrid(np.arange(side), np.arange(side), np.arange(3), indexing="ij")
    y, x, c = (v.astype(np.uint64) for v in (y, x, c))
    if name == "noise":
        values = (x * 73856093 + y * 19349663 + c * 83492791 + 12345) * 2654435761
        values = (values & 0xFFFFFFFF) >> 24
    else:
        values = (x * 5 + y * 3 + c * 40).clip(20, 230)
    return Image.fromarray(values.astype(np.uint8))


def fnv(image):
    value = 0xCBF29CE484222325
    for byte in image.tobytes():
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return f"{value:016x}"


def operations(augment, names, make, image):
    hashes = []
    for name in names:
        magnitudes, signed = make(name)
        for bin in range(31):
            for sign in (1, -1):
                strength = 0.0 if magnitudes is None else float(magnitudes[bin])
                strength *= sign if signed else 1
                result = augment._apply_image_or_video_transform(
                    image, name, strength, interpolation=augment.interpolation, fill=augment._fill
                )
                hashes.append(fnv(result))
    return hashes


def main():
    trivial, rand = v2.TrivialAugmentWide(), v2.RandAugment()
    found = {}
    for name, side in SIDES.items():
        image = picture(name, side)

        def of(augment):
            def make(operation):
                magnitudes, signed = augment._AUGMENTATION_SPACE[operation]
                return magnitudes(31, side, side), signed

            return make

        for which, augment in (("trivial_augment", trivial), ("rand_augment", rand)):
            names = list(augment._AUGMENTATION_SPACE)
            found[f"{which} {name}"] = operations(augment, names, of(augment), image)
    torch.manual_seed(1)
    erasing, shares = v2.RandomErasing(p=0.5), []
    ones = torch.ones(1, 32, 32)
    for _ in range(20_000):
        shares.append(1 - erasing(ones).mean().item())
    shares = np.array(shares)
    found["random_erasing"] = [float((shares > 0).mean()), float(shares.mean())]
    found["names"] = list(trivial._AUGMENTATION_SPACE)
    assert found["names"] == list(rand._AUGMENTATION_SPACE)
    found["versions"] = {"torchvision": torchvision.__version__, "pillow": PIL.__version__}
    (GOLDEN / "operations.json").write_text(json.dumps(found, indent=0) + "\n")
    print({key: len(value) for key, value in found.items()}, found["random_erasing"])


if __name__ == "__main__":
    main()
