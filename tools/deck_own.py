"""What PyTorch's side of `deck_compare.py` draws by itself, and its own preparation of the images, with OpenCV."""

import math

import cv2
import numpy as np
import torch
from torch_side import batches, head

# Of `tta()`, which averages as many augmented views with the plain one.
VIEWS = 4


def scaled(image, side):
    h, w = image.shape[:2]
    ratio = side / min(h, w)
    size = max(int(w * ratio), side), max(int(h * ratio), side)
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def center(image, side):
    image = scaled(image, side)
    y, x = (math.ceil((length - side) / 2) for length in image.shape[:2])
    return image[y : y + side, x : x + side].astype(np.float32) / 255


def view(image, side, zoom, rng, top_down):
    """The augmented square of `side_on`, or of `top_down`, of an image of bytes: numbers from 0 to 1. Scale to the side times up
    to `zoom` (p .75), rotate by up to 10 degrees with reflected border (p .75), lighting (.05, .05), flip (p .5), a random crop."""
    image = scaled(image, int(side * rng.uniform(1, zoom)) if rng.random() < 0.75 else side)
    h, w = image.shape[:2]
    if rng.random() < 0.75:
        turn = cv2.getRotationMatrix2D((w // 2, h // 2), rng.uniform(-10, 10), 1)
        image = cv2.warpAffine(image, turn, (w, h), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    image = image.astype(np.float32) / 255
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


class OwnDraws:
    """The heads, orders and augmentations that PyTorch's side draws itself, and its own preparation of the images."""

    def __init__(self, deck, sets, targets, seed):
        torch.manual_seed(seed)
        self.deck, self.size, self.rng = deck, deck.size, np.random.default_rng(seed)
        # Scaled and turned as bytes, which OpenCV does several times as fast.
        self.images = [[cv2.imread(str(path), cv2.IMREAD_COLOR_RGB) for path, _ in items] for items in sets]
        self.targets = targets
        is_lite = deck.network == "efficientnet_lite0"
        mean, std = ([127 / 255] * 3, [128 / 255] * 3) if is_lite else ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
        self.mean, self.std = np.float32(mean), np.float32(std)

    def labels(self):
        return self.targets

    def head(self, inputs, outputs, dropout):
        return head(inputs, outputs, dropout)

    def stack(self, images):
        made = [((image - self.mean) / self.std).transpose(2, 0, 1) for image in images]
        return torch.from_numpy(np.stack(made).astype(np.float32))

    def view(self, image):
        return view(image, self.size, self.deck.zoom, self.rng, self.deck.top_down)

    def epoch(self, images, size, cached):
        for rows in batches(images, size):
            yield rows, self.stack([self.view(self.images[0][row]) for row in rows]) if cached is None else cached[rows]

    def plain(self, part):
        images = self.images[part]
        return (self.stack([center(image, self.size) for image in images[at : at + 32]]) for at in range(0, len(images), 32))

    def views(self):
        images = self.images[1]
        for at in range(0, len(images), 8):
            yield self.stack([self.view(image) for image in images[at : at + 8] for _ in range(VIEWS)])

    def end(self):
        pass
