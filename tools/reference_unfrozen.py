"""The stages of the dogs-vs-cats example in PyTorch: what unfreezing EfficientNet-lite0 brings there, to put beside ours.

Stages: the head on features of plain images (constant rate); the head on augmented images with the body frozen (its batch
norms use and keep the running statistics); everything on augmented images with one rate a layer group and one cosine cycle
an epoch. Accuracy and loss of the validation images are printed after each. Transforms are the library's `side_on`: scale to
the size times up to --zoom (p .75), rotate by up to 10 degrees with reflected border (p .75), lighting (.05, .05), flip
(p .5), a random crop; validation images are scaled and cropped in the centre. Random numbers are PyTorch's and numpy's, so
single runs differ from ours as two seeds do.

DATA has `train/CLASS/*` and `valid/CLASS/*`. WEIGHTS is a safetensors file or a PyTorch one with the names of
reference_models.py.

How to run
    pip install torch torchvision safetensors opencv-python-headless
    python tools/reference_unfrozen.py DATA WEIGHTS --seed 1
"""

import argparse
import itertools
import math
import pathlib
import time

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from reference_cached_head import batches, factors, head
from reference_models import Lite
from safetensors.torch import load_file
from torch import nn


def decode(path):
    return cv2.imread(str(path), cv2.IMREAD_COLOR)[:, :, ::-1].astype(np.float32) / 255


def unit(image):
    """As numbers from 0 to 1, if it is bytes."""
    return image.astype(np.float32) / 255 if image.dtype == np.uint8 else image


def scaled(image, side):
    h, w = image.shape[:2]
    ratio = side / min(h, w)
    size = max(int(w * ratio), side), max(int(h * ratio), side)
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def normalised(image):
    return ((image * 255 - 127) / 128).transpose(2, 0, 1).astype(np.float32)


def center(image, side):
    image = scaled(image, side)
    y, x = (math.ceil((length - side) / 2) for length in image.shape[:2])
    return unit(image[y : y + side, x : x + side])


def plain(image, side):
    return normalised(center(image, side))


def view(image, side, zoom, rng, top_down=False):
    """The augmented square of `side_on`, or of `top_down`."""
    image = scaled(image, int(side * rng.uniform(1, zoom)) if rng.random() < 0.75 else side)
    h, w = image.shape[:2]
    if rng.random() < 0.75:
        turn = cv2.getRotationMatrix2D((w // 2, h // 2), rng.uniform(-10, 10), 1)
        image = cv2.warpAffine(image, turn, (w, h), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    image = unit(image)
    light, contrast = rng.uniform(-0.05, 0.05, 2)
    factor = 1 + contrast if contrast >= 0 else 1 / (1 - contrast)
    mean = image.mean()
    image = np.clip((image - mean) * factor + mean + light, 0, 1)
    if top_down:
        image = np.rot90(image, rng.integers(4))
    if rng.random() < 0.5:
        image = image[:, ::-1]
    y, x = (int(rng.random() * (length - side)) for length in image.shape[:2])
    return image[y : y + side, x : x + side]


class Network(nn.Module):
    """EfficientNet-lite0 with the library's head; other bodies derive from it."""

    inputs = 2560

    def __init__(self, weights, classes, dropout=(0.25, 0.5)):
        super().__init__()
        self.body = self.untrained_body()
        state = load_file(weights) if weights.suffix == ".safetensors" else torch.load(weights, weights_only=True)
        found = self.body.load_state_dict({name: values.float() for name, values in state.items()}, strict=False)
        if [k for k in found.missing_keys if not k.startswith("_fc") and "num_batches" not in k]:
            raise SystemExit(f"{weights} lacks {found.missing_keys}")
        self.head = head(self.inputs, classes, dropout)

    @staticmethod
    def untrained_body():
        return Lite(1.0, 1.0)

    def last_map(self, x):
        body = self.body
        x = F.relu6(body._bn0(body._conv_stem(x)))
        for block in body._blocks:
            x = block(x)
        return F.relu6(body._bn1(body._conv_head(x)))

    def features(self, x):
        x = self.last_map(x)
        return torch.cat([x.amax((2, 3)), x.mean((2, 3))], 1)

    def forward(self, x):
        return self.head(self.features(x))

    def groups(self):
        body = self.body
        first = nn.ModuleList([body._conv_stem, body._bn0, *body._blocks[:5]])
        rest = nn.ModuleList([*body._blocks[5:], body._conv_head, body._bn1])
        return first, rest, self.head


def files_of(root, part):
    classes = sorted(p.name for p in (root / "train").iterdir() if p.is_dir())
    files = sorted(p for p in (root / part).glob("*/*") if p.is_file())
    return files, torch.tensor([classes.index(p.parent.name) for p in files]), len(classes)


def measure(net, images, labels, side):
    net.eval()
    logits = []
    with torch.inference_mode():
        for at in range(0, len(images), 32):
            some = np.stack([plain(image, side) for image in images[at : at + 32]])
            logits.append(net(torch.from_numpy(some)))
    logits = torch.cat(logits)
    accuracy = (logits.argmax(1) == labels).float().mean().item()
    return f"accuracy {accuracy:.4f}, val_loss {F.cross_entropy(logits, labels).item():.4f}"


def fit(net, sample, labels, trained, batch, epochs, cycles=None, loss_of=F.cross_entropy):
    """Trains `net` on what `sample(rows)` gives; `trained` are groups of layers with their rates, and `cycles` the lengths of
    cosine cycles in epochs: none for constant rates."""
    sgd = torch.optim.SGD([{"params": list(group.parameters()), "lr": lr} for group, lr in trained], momentum=0.9)
    schedule = factors(cycles, len(batches(len(labels), batch))) if cycles else itertools.repeat(1.0)
    for _ in range(epochs):
        for rows in batches(len(labels), batch):
            factor = next(schedule)
            for group, (_, rate) in zip(sgd.param_groups, trained):
                group["lr"] = rate * factor
            loss = loss_of(net(sample(rows)), labels[rows])
            sgd.zero_grad()
            loss.backward()
            sgd.step()


def main():
    parser = argparse.ArgumentParser(formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("weights", type=pathlib.Path)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--zoom", type=float, default=1.1)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=1e-2, help="of the head, in the first two stages")
    parser.add_argument("--rates", type=lambda s: [float(r) for r in s.split(",")], default=[1e-4, 1e-3, 1e-2])
    parser.add_argument("--epochs", type=lambda s: [int(e) for e in s.split(",")], default=[5, 1, 1], help="of each stage")
    parser.add_argument("--bn-freeze", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    rng = np.random.default_rng(options.seed)
    train_files, train_labels, classes = files_of(options.data, "train")
    valid_files, valid_labels, _ = files_of(options.data, "valid")
    train_images, valid_images = [list(map(decode, files)) for files in (train_files, valid_files)]
    net = Network(options.weights, classes)
    side = options.size

    def set_mode(trained):
        net.train()
        for group, trains in zip(net.groups(), trained):
            group.requires_grad_(trains)
            for module in group.modules():
                if isinstance(module, nn.BatchNorm2d) and (options.bn_freeze or not trains):
                    module.eval()

    def stage(name, started, images):
        seconds = time.perf_counter() - started
        seen = f", {images / seconds:.1f} images/s" if images else ""
        print(f"{name}: {measure(net, valid_images, valid_labels, side)} ({seconds:.0f} s{seen})", flush=True)

    started = time.perf_counter()
    net.eval()
    with torch.inference_mode():
        parts = [train_images[at : at + 32] for at in range(0, len(train_images), 32)]
        features = [net.features(torch.from_numpy(np.stack([plain(i, side) for i in part]))) for part in parts]
    features = torch.cat(features).clone()
    net.head.train()
    fit(net.head, lambda rows: features[rows], train_labels, [(net.head, options.rate)], options.batch, options.epochs[0])
    stage("head on cached features", started, 0)

    def images_of(rows):
        return torch.from_numpy(np.stack([normalised(view(train_images[row], side, options.zoom, rng)) for row in rows]))

    for name, trained, rates, epochs in (
        ("head on augmented images", (False, False, True), [options.rate] * 3, options.epochs[1]),
        ("everything", (True, True, True), options.rates, options.epochs[2]),
    ):
        started = time.perf_counter()
        set_mode(trained)
        groups = [(group, rate) for group, rate, trains in zip(net.groups(), rates, trained) if trains]
        fit(net, images_of, train_labels, groups, options.batch, epochs, [1] * epochs)
        stage(name, started, epochs * len(train_images))


if __name__ == "__main__":
    main()
