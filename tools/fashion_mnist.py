"""Fashion-MNIST from scratch, here and in PyTorch: ResNet-18, one cycle of AdamW.

60,000 grey images of 28 pixels in ten classes train a ResNet-18 with random weights and the library's head; 10,000 measure
it. Both sides scale to --size pixels (OpenCV's INTER_AREA), normalise with ImageNet's statistics, shuffle each epoch and
train in batches of 64 with fastai v2's one cycle (a quarter of the way up, from a 25th; momentum .95 .85 .95) and decay .01.
Initial weights, orders and dropout are each side's own, so single runs differ as two seeds do.

IDX is a folder with `train-images-idx3-ubyte.gz` and so on (Debian: `dataset-fashion-mnist`). The images are written once,
as PNG files in folders, into --images.

How to run
    pip install torch torchvision opencv-python-headless
    python tools/fashion_mnist.py /usr/share/datasets/fashion-mnist --images FOLDER [--seeds 1] [--program PATH] [--json FILE]
"""

import gzip
import json
import math
import pathlib
import tempfile
import time

import cv2
import numpy as np
import torch
import torch.nn.functional as F
import torchvision
from run_recipe import run_recipe, usage_of
from torch import nn
from torch_side import WithHead, batches

NAMES = ("t_shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle_boot")
RECIPE = """FashionMnist {{
    task: single_label,
    data: folders {{ root: {root}, batch: {batch}, preflight: sample(100) }},
    transforms: none {{ size: {size} }},
    model: resnet18 {{ weights: none }},
    metrics: [accuracy],
    optimizer: adamw {{ betas: [0.9, 0.99], eps: 1e-5 }},
    train: {{
        unfreeze();
        fit_one_cycle({rate}, {epochs}, wds = 0.01);
    }},
}}
"""


def read(folder, part):
    with gzip.open(folder / f"{part}-images-idx3-ubyte.gz") as f:
        images = np.frombuffer(f.read(), np.uint8, offset=16).reshape(-1, 28, 28)
    with gzip.open(folder / f"{part}-labels-idx1-ubyte.gz") as f:
        return images, np.frombuffer(f.read(), np.uint8, offset=8)


def write(sets, folder):
    for part, (images, labels) in sets.items():
        if (folder / part).is_dir():
            continue
        made = folder / f"{part}.part"
        for name in NAMES:
            (made / name).mkdir(parents=True, exist_ok=True)
        for number, (image, label) in enumerate(zip(images, labels)):
            cv2.imwrite(str(made / NAMES[label] / f"{number:05}.png"), image)
        made.rename(folder / part)


def network():
    body = nn.Sequential(*list(torchvision.models.resnet18(weights=None).children())[:-2])
    for module in body.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
    return WithHead(body, 512, len(NAMES))


def cosine(start, end, part):
    return start + (1 + math.cos(math.pi * (1 - part))) * (end - start) / 2


def theirs(sets, args, seed):
    torch.manual_seed(seed)
    mean, std = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])

    def inputs(images):
        side = (args.size, args.size)
        scaled = np.stack([cv2.resize(image, side, interpolation=cv2.INTER_AREA) for image in images])
        grey = scaled.astype(np.float32)[:, None] / 255
        return torch.from_numpy((grey - mean[:, None, None]) / std[:, None, None])

    (images, labels), (valid, truth) = sets["train"], sets["valid"]
    labels = torch.from_numpy(labels.astype(np.int64))
    net = network().to(memory_format=torch.channels_last)
    # fastai's AdamW: no bias correction apart from Adam's own, decay on every parameter.
    adam = torch.optim.AdamW(net.parameters(), lr=args.rate, betas=(0.95, 0.99), eps=1e-5, weight_decay=0.01)
    total, step = len(batches(len(labels), args.batch)) * args.epochs, 0
    found = []
    for _ in range(args.epochs):
        net.train()
        for rows in batches(len(labels), args.batch):
            place = step / total
            up, down = place / 0.25, (place - 0.25) / 0.75
            rising = place < 0.25
            rate = cosine(args.rate / 25, args.rate, up) if rising else cosine(args.rate, args.rate / 1e5, down)
            momentum = cosine(0.95, 0.85, up) if rising else cosine(0.85, 0.95, down)
            for group in adam.param_groups:
                group["lr"], group["betas"] = rate, (momentum, 0.99)
            x = inputs(images[rows.numpy()]).to(memory_format=torch.channels_last)
            loss = F.cross_entropy(net(x), labels[rows])
            adam.zero_grad()
            loss.backward()
            adam.step()
            step += 1
        net.eval()
        with torch.inference_mode():
            said = [net(inputs(valid[at : at + 256])).argmax(1) for at in range(0, len(valid), 256)]
        found.append(float((torch.cat(said).numpy() == truth).mean()))
    return found


def ours(args, seed):
    root = json.dumps(str(args.images.resolve()))
    text = RECIPE.format(root=root, batch=args.batch, size=args.size, rate=args.rate, epochs=args.epochs)
    with tempfile.TemporaryDirectory() as folder:
        run, _ = run_recipe(args.program, text, folder, seed, ["--threads", args.threads])
        rows = (run / "history.csv").read_text().splitlines()
    column = rows[0].split(",").index("accuracy")
    return [float(row.split(",")[column]) for row in rows[1:]]


def main():
    usage = usage_of(__doc__, 1)
    usage.add_argument("idx", type=pathlib.Path, metavar="IDX")
    usage.add_argument("--images", type=pathlib.Path, required=True, metavar="FOLDER")
    usage.add_argument("--train", type=int, default=60_000, metavar="N", help="only the first N training images")
    usage.add_argument("--size", type=int, default=32)
    usage.add_argument("--batch", type=int, default=64)
    usage.add_argument("--rate", type=float, default=3e-3)
    usage.add_argument("--epochs", type=int, default=5)
    usage.add_argument("--threads", type=int, default=2)
    args = usage.parse_args()
    torch.set_num_threads(args.threads)
    sets = {"train": tuple(values[: args.train] for values in read(args.idx, "train")), "valid": read(args.idx, "t10k")}
    args.images.mkdir(parents=True, exist_ok=True)
    write(sets, args.images)
    found = {"here": [], "PyTorch": []}
    for seed in range(1, args.seeds + 1):
        for side in found:
            started = time.perf_counter()
            reached = ours(args, seed) if side == "here" else theirs(sets, args, seed)
            seconds = time.perf_counter() - started
            found[side].append({"accuracy": reached, "seconds": seconds})
            each = " ".join(f"{value:.4f}" for value in reached)
            print(f"seed {seed}, {side}: accuracy after each epoch {each}; {seconds:.0f} s", flush=True)
    if args.json:
        args.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
