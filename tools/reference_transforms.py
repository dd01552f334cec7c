"""Golden outputs of the image transforms: fastai-runtime/tests/golden/transforms.{safetensors,json}.

OpenCV does resizing and rotation. The json file says which version was used: 4.x rounds
the coordinates of a rotation to 1/32 pixel, 5.x does not. `rotate_exact_*` holds the same
rotation computed in float64 from the definition, and the json file gives the largest differences.

Inputs, 8-bit RGB, height x width x 3: `noise_75x100`, `noise_40x31`, `tiny_12x9` (random) and
`smooth_75x100` (a sum of waves, like a photo out of focus). Each is divided by 255 in float32
first. `waves()` is no input: the test computes it too. All outputs are float32, HWC, except `valid`
and `train` (CHW, as a network takes them).

    scale_min_T_NAME      short side to T with INTER_AREA: new side = max(floor(side * T / min), T)
    center_S_NAME         S x S from ceil((side - S) / 2)
    rotate_NAME           +7.3 degrees counter-clockwise about (w // 2, h // 2), linear, BORDER_REFLECT
    lighting_NAME         b = 0.05, c = -0.05: clip((x - mean) * k + mean + b), k = 1 / (1 - c) for
                          negative c, else 1 + c; the mean runs over pixels and channels
    lighting_up_NAME      b = -0.1, c = 0.2
    dihedral_K_F_NAME     K quarter turns counter-clockwise, then (F = 1) mirrored left to right
    zoom_NAME             1.3 about (w / 2, h / 2), linear
    blur_S_NAME           cv2.blur over S x S
    stretch_linear_D_NAME D (across, down) enlarged by 1.25, linear, the middle cut out
    stretch_area_D_NAME   the same with INTER_AREA, as the original does it
    pad_M_NAME            scale_min 31, five pixels more on each side (M = reflect, constant), crop 31 at
                          the top and floor(0.7 * (w - 31))
    squash_NAME           scale_min 32, then 32 x 32 with INTER_AREA
    squash_pad_NAME       the same with five reflected pixels between
    googlenet_NAME        rows 14 to 75, columns 20 to 81 to 32 x 32 with INTER_AREA
    googlenet_small_NAME  rows 3 to 24, columns 50 to 78 to 32 x 32
    cutout_NAME           the squares of HOLES, by fastai 0.7's formula
    steps_WHAT            waves(48, 64), the steps of STEPS one after another, as fastai 0.7 does them
    valid                 smooth: scale_min 64, centre crop 64, ImageNet statistics
    train                 smooth: scale_min trunc(1.05 * 64) = 67, rotate 7.3, lighting (0.03, -0.02),
                          mirrored, crop 64 at floor(0.3 * (h - 64)), floor(0.7 * (w - 64)),
                          ImageNet statistics; step by step

How to run
    pip install numpy opencv-python-headless safetensors
    python tools/reference_transforms.py
"""

import json
import math

import cv2
import numpy as np
from places import GOLDEN
from safetensors.numpy import save_file

MEAN = np.array([0.485, 0.456, 0.406], np.float32)
STD = np.array([0.229, 0.224, 0.225], np.float32)


def scale_min(image, target):
    height, width = image.shape[:2]
    ratio = target / min(height, width)
    size = [max(math.floor(side * ratio), target) for side in (width, height)]
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def crop(image, top, left, side):
    return image[top : top + side, left : left + side]


def center_crop(image, side):
    top, left = (math.ceil((n - side) / 2) for n in image.shape[:2])
    return crop(image, top, left, side)


def random_crop(image, side, u_r, u_c):
    top, left = (math.floor(u * (n - side)) for u, n in zip((u_r, u_c), image.shape[:2]))
    return crop(image, top, left, side)


def rotate(image, degrees):
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D((width // 2, height // 2), degrees, 1)
    return cv2.warpAffine(
        image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
    )


def rotate_exact(image, degrees):
    """The same in float64 from the definition."""
    height, width = image.shape[:2]
    a, b = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    cx, cy = width // 2, height // 2
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    sx = a * (x - cx) - b * (y - cy) + cx
    sy = b * (x - cx) + a * (y - cy) + cy
    x0, y0 = np.floor(sx).astype(int), np.floor(sy).astype(int)
    fx, fy = (sx - x0)[..., None], (sy - y0)[..., None]

    def at(row, column):
        def reflect(i, n):
            i = i % (2 * n)
            return np.where(i < n, i, 2 * n - 1 - i)

        return image[reflect(row, height), reflect(column, width)].astype(np.float64)

    top = at(y0, x0) * (1 - fx) + at(y0, x0 + 1) * fx
    bottom = at(y0 + 1, x0) * (1 - fx) + at(y0 + 1, x0 + 1) * fx
    return (top * (1 - fy) + bottom * fy).astype(np.float32)


def lighting(image, b, c):
    k = 1 + c if c >= 0 else 1 / (1 - c)
    mean = np.average(image)
    return np.clip((image - mean) * k + mean + b, 0.0, 1.0).astype(np.float32)


def zoom(image, factor):
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), 0, factor)
    return cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_LINEAR)


def stretch(image, factor, across, interpolation=cv2.INTER_AREA):
    height, width = image.shape[:2]
    fx, fy = (factor, 1) if across else (1, factor)
    larger = cv2.resize(image, None, fx=fx, fy=fy, interpolation=interpolation)
    top, left = (larger.shape[0] - height) // 2, (larger.shape[1] - width) // 2
    return larger[top : top + height, left : left + width]


def cutout(image, holes):
    image = image.copy()
    height, width = image.shape[:2]
    for y, x, length in holes:
        rows = [int(np.clip(v, 0, height)) for v in (y - length / 2, y + length / 2)]
        columns = [int(np.clip(v, 0, width)) for v in (x - length / 2, x + length / 2)]
        image[slice(*rows), slice(*columns)] = 0
    return image


# Middles (row, column) and lengths, even and odd, inside and at the border.
HOLES = [(20, 10, 7), (11, 23, 6), (0, 0, 8), (39, 30, 5), (5, 15, 1)]

# Those of several steps are not the same backwards, so that the order shows.
STEPS = {
    "stretch": [(stretch, 1.25, True)],
    "rotate_zoom": [(rotate, 9), (zoom, 1.18)],
    "rotate_stretch": [(rotate, 9), (stretch, 1.1, True)],
    "several": [(stretch, 1.15, False), (rotate, 12), (zoom, 1.2), (rotate, -5), (stretch, 1.1, True)],
}


def normalise(image):
    return ((image - MEAN) / STD).transpose(2, 0, 1)


def waves(height, width):
    """Smooth, and known between the pixels too."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    planes = [
        0.5 + 0.2 * np.sin(0.31 * x + 0.23 * y + c) + 0.2 * np.cos(0.13 * x * (c + 1) - 0.2 * y)
        for c in range(3)
    ]
    return np.stack(planes, -1).astype(np.float32)


def smooth_picture(height, width):
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    planes = [
        0.5 + 0.3 * np.sin(0.11 * x + 0.07 * y + c) + 0.2 * np.cos(0.05 * x * (c + 1) - 0.09 * y)
        for c in range(3)
    ]
    return np.round(np.stack(planes, -1).clip(0, 1) * 255).astype(np.uint8)


def main():
    rng = np.random.default_rng(7)
    pictures = {
        f"{name}_{h}x{w}": rng.integers(0, 256, (h, w, 3), dtype=np.uint8)
        for name, h, w in (("noise", 75, 100), ("noise", 40, 31), ("tiny", 12, 9))
    }
    pictures["smooth_75x100"] = smooth_picture(75, 100)
    unit = {name: p.astype(np.float32) / np.float32(255) for name, p in pictures.items()}
    out = dict(pictures)
    differences = {}
    for name in ("noise_75x100", "noise_40x31"):
        image = unit[name]
        for target in (32, 96):
            out[f"scale_min_{target}_{name}"] = scale_min(image, target)
        out[f"center_31_{name}"] = center_crop(image, 31)
    for name in ("noise_40x31", "smooth_75x100"):
        image = unit[name]
        out[f"rotate_{name}"] = rotate(image, 7.3)
        out[f"rotate_exact_{name}"] = rotate_exact(image, 7.3)
        off = np.abs(out[f"rotate_{name}"] - out[f"rotate_exact_{name}"]).max()
        differences[name] = float(off)
    image = unit["noise_40x31"]
    out["lighting_noise_40x31"] = lighting(image, 0.05, -0.05)
    out["lighting_up_noise_40x31"] = lighting(image, -0.1, 0.2)
    for k in range(4):
        turned = np.rot90(unit["tiny_12x9"], k)
        out[f"dihedral_{k}_0_tiny_12x9"] = turned
        out[f"dihedral_{k}_1_tiny_12x9"] = np.fliplr(turned)

    smooth = unit["smooth_75x100"]
    out["valid"] = normalise(center_crop(scale_min(smooth, 64), 64))
    step = scale_min(smooth, int(1.05 * 64))
    shape_after_scale = list(step.shape)
    step = np.fliplr(lighting(rotate(step, 7.3), 0.03, -0.02))
    out["train"] = normalise(random_crop(step, 64, 0.3, 0.7))
    known = np.array([[[0.1, 0.2, 0.3], [0.9, 0.8, 1.0]]], np.float32)
    assert np.allclose(
        lighting(known, 0.05, -0.05).ravel(),
        [0.171429, 0.266667, 0.361905, 0.933333, 0.838095, 1.0], atol=1e-6,
    )
    for name in ("noise_40x31", "smooth_75x100"):
        image = unit[name]
        out[f"zoom_{name}"] = zoom(image, 1.3)
        for side in (3, 9):
            out[f"blur_{side}_{name}"] = cv2.blur(image, (side, side))
    name = "noise_40x31"
    image = unit[name]
    for where, across in (("across", True), ("down", False)):
        out[f"stretch_linear_{where}_{name}"] = stretch(image, 1.25, across, cv2.INTER_LINEAR)
        out[f"stretch_area_{where}_{name}"] = stretch(image, 1.25, across)
    small = scale_min(unit["noise_75x100"], 31)
    for mode, border in (("reflect", cv2.BORDER_REFLECT), ("constant", cv2.BORDER_CONSTANT)):
        padded = cv2.copyMakeBorder(small, 5, 5, 5, 5, border)
        out[f"pad_{mode}_noise_75x100"] = random_crop(padded, 31, 0, 0.7)
    for name in ("noise_75x100", "noise_40x31"):
        small = scale_min(unit[name], 32)
        out[f"squash_{name}"] = cv2.resize(small, (32, 32), interpolation=cv2.INTER_AREA)
        small = cv2.copyMakeBorder(small, 5, 5, 5, 5, cv2.BORDER_REFLECT)
        out[f"squash_pad_{name}"] = cv2.resize(small, (32, 32), interpolation=cv2.INTER_AREA)
    image = unit["noise_75x100"]
    for what, part in (("googlenet", image[14:75, 20:81]), ("googlenet_small", image[3:24, 50:78])):
        out[f"{what}_noise_75x100"] = cv2.resize(part, (32, 32), interpolation=cv2.INTER_AREA)
    out["cutout_noise_40x31"] = cutout(unit["noise_40x31"], HOLES)
    for name, steps in STEPS.items():
        image = waves(48, 64)
        for step, *arguments in steps:
            image = step(image, *arguments)
        out[f"steps_{name}"] = image
    save_file({k: np.ascontiguousarray(v) for k, v in out.items()}, GOLDEN / "transforms.safetensors")
    about = {
        "opencv": cv2.__version__,
        "degrees": 7.3,
        "rotate_vs_exact_largest_difference": differences,
        "train": {"size": 64, "scale_to": 67, "shape_after_scale": shape_after_scale,
                  "degrees": 7.3, "b": 0.03, "c": -0.02, "flip": True, "u_r": 0.3, "u_c": 0.7},
    }
    (GOLDEN / "transforms.json").write_text(json.dumps(about, indent=1))
    print(json.dumps(about))
    print({k: list(v.shape) for k, v in out.items()})


if __name__ == "__main__":
    main()
