"""Images a second from JPEG files to network inputs of 224 pixels, on one thread: this project,
OpenCV as fastai 0.7 used it, and torchvision v2 on PIL, one after the other in one run.

    train   decode, scale the shorter side (zoomed by up to 1.1 in three of four images), rotate by
            up to 10 degrees in three of four, lighting, flip, random crop, normalise
    valid   decode, scale the shorter side, centre crop, normalise

torchvision has no such zoom: it scales to 246 and its rotation fills corners with black, which is
less work. `ours train 64` is the same to squares of 64 pixels, decoding in full and reduced, here and
of a few of the photos enlarged to 2,400 pixels. Everything is measured in turns, the best of the turns
counts; files come from the page cache, and time is processor time, so that other work on the machine
counts little. The ratios at the end are this project's rate by each peer's, and then where the time of
its training images goes.

How to run
    pip install numpy opencv-python-headless torch torchvision pillow
    python tools/bench_transforms.py FOLDER_OF_JPEGS [images, 400] [turns, 5]
"""

import glob
import json
import math
import os
import random
import subprocess
import sys
import tempfile
import time

import cv2
import numpy as np
import torch
import torchvision.transforms.v2 as T
from PIL import Image
from places import ROOT

SIZE = 224
# Longer side of enlarged photos, pixels, and how many of them.
LARGE, PHOTOS = 2400, 16
MEAN = np.array([0.485, 0.456, 0.406], np.float32)
STD = np.array([0.229, 0.224, 0.225], np.float32)


def opencv_image(file):
    image = cv2.imread(file, cv2.IMREAD_ANYDEPTH | cv2.IMREAD_COLOR).astype(np.float32) / 255
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def opencv_scale(image, target):
    height, width = image.shape[:2]
    ratio = target / min(height, width)
    size = [max(math.floor(side * ratio), target) for side in (width, height)]
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def opencv_input(image, top, left):
    image = image[top : top + SIZE, left : left + SIZE]
    return np.ascontiguousarray(((image - MEAN) / STD).transpose(2, 0, 1))


def opencv_train(file):
    zoom = random.uniform(1, 1.1) if random.random() < 0.75 else 1
    image = opencv_scale(opencv_image(file), int(zoom * SIZE))
    height, width = image.shape[:2]
    if random.random() < 0.75:
        matrix = cv2.getRotationMatrix2D((width // 2, height // 2), random.uniform(-10, 10), 1)
        flags = cv2.WARP_FILL_OUTLIERS + cv2.INTER_AREA
        image = cv2.warpAffine(
            image, matrix, (width, height), borderMode=cv2.BORDER_REFLECT, flags=flags
        )
    b, c = random.uniform(-0.05, 0.05), random.uniform(-0.05, 0.05)
    k = 1 + c if c >= 0 else 1 / (1 - c)
    mean = np.average(image)
    image = np.clip((image - mean) * k + mean + b, 0.0, 1.0).astype(np.float32)
    if random.random() < 0.5:
        image = np.fliplr(image)
    top, left = (int(random.random() * (side - SIZE)) for side in image.shape[:2])
    return opencv_input(image, top, left)


def opencv_valid(file):
    image = opencv_scale(opencv_image(file), SIZE)
    top, left = (math.ceil((side - SIZE) / 2) for side in image.shape[:2])
    return opencv_input(image, top, left)


def torchvision_pipelines():
    end = [T.ToImage(), T.ToDtype(torch.float32, scale=True), T.Normalize(MEAN.tolist(), STD.tolist())]
    train = [T.Resize(246), T.RandomRotation(10), T.ColorJitter(0.05, 0.05), T.RandomHorizontalFlip()]
    train = T.Compose([*train, T.RandomCrop(SIZE), *end])
    valid = T.Compose([T.Resize(SIZE), T.CenterCrop(SIZE), *end])
    return train, valid


def enlarged(files, folder):
    """Some of the photos as a camera would have stored them."""
    for number, file in enumerate(files[:: max(1, len(files) // PHOTOS)][:PHOTOS]):
        image = Image.open(file).convert("RGB")
        ratio = LARGE / max(image.size)
        size = [round(side * ratio) for side in image.size]
        image.resize(size, Image.Resampling.LANCZOS).save(os.path.join(folder, f"{number}.jpg"), quality=88)


def ours(folder, images):
    """The benchmark's binary: built first, so that compiling takes no time from the others."""
    command = ["cargo", "bench", "--profile", "dev", "--workspace", "--bench", "transforms"]
    subprocess.run([*command, "--no-run"], cwd=ROOT, check=True)
    command += ["--", os.path.abspath(folder), str(images)]
    environment = dict(os.environ, RAYON_NUM_THREADS="1")

    def turn():
        done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, env=environment)
        lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        rates = {line["what"]: line["images_per_s"] for line in lines if "what" in line}
        return rates, {line["phase"]: line["us_per_image"] for line in lines if "phase" in line}

    return turn


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    folder = sys.argv[1]
    images = int(sys.argv[2]) if len(sys.argv) > 2 else 400
    turns = int(sys.argv[3]) if len(sys.argv) > 3 else 5
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    files = sorted(glob.glob(os.path.join(folder, "**", "*.jpg"), recursive=True))[:images]
    train, valid = torchvision_pipelines()
    peers = {
        "opencv decode": cv2.imread,
        "opencv train": opencv_train,
        "opencv valid": opencv_valid,
        "torchvision train": lambda file: train(Image.open(file).convert("RGB")),
        "torchvision valid": lambda file: valid(Image.open(file).convert("RGB")),
    }
    turn = ours(folder, images)
    best, phases = {}, {}
    for number in range(turns):
        for what, run in peers.items():
            if number == 0:
                for file in files[:20]:
                    run(file)
            started = time.process_time()
            for file in files:
                run(file)
            rate = len(files) / (time.process_time() - started)
            best[what] = max(best.get(what, 0.0), rate)
        rates, times = turn()
        for what, rate in rates.items():
            best[f"ours {what}"] = max(best.get(f"ours {what}", 0.0), rate)
        for phase, time_taken in times.items():
            phases[phase] = min(phases.get(phase, math.inf), time_taken)
    print(json.dumps({"images": len(files), "turns": turns, "opencv": cv2.__version__, "torch": torch.__version__}))
    for what, rate in best.items():
        print(f"{what:20} {rate:8.1f} images/s")
    print(f"decode: {best['ours decode'] / best['opencv decode']:.2f} times OpenCV's")
    for what in ("train", "valid"):
        ratios = [f"{best[f'ours {what}'] / best[f'{peer} {what}']:.2f} times {peer}" for peer in ("opencv", "torchvision")]
        print(f"{what}: {', '.join(ratios)}")
    with tempfile.TemporaryDirectory() as large:
        enlarged(files, large)
        rates, _ = ours(large, PHOTOS)()
    for what, rates in [("the photos", {k.removeprefix("ours "): v for k, v in best.items()}), (f"{LARGE} pixels", rates)]:
        ratio = rates["train 64 reduced"] / rates["train 64 full"]
        print(f"reduced decoding to squares of 64, {what}: {ratio:.2f} times full decoding")
    whole = sum(phases.values())
    print("where the time of ours train goes, each phase by what it adds:")
    for phase, time_taken in phases.items():
        print(f"{phase:20} {time_taken:8.1f} us/image {100 * time_taken / whole:5.1f} %")


if __name__ == "__main__":
    main()
