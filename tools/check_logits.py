"""Real weights: the logits of `fastai classify` against those of timm or torchvision, which read the same file.

Photos of the Python package foolbox 3.3.4 are cut to squares of each size and saved without loss, so that neither side
scales anything: what differs is the network. timm's EfficientNet-lite and torchvision's SqueezeNet compute in float64.
The largest difference is told as a share of the largest logit; more than 1e-4 is an error.

How to run (weights and photos are fetched by pip)
    cargo build
    pip install torch torchvision timm safetensors pillow numpy
    python tools/check_logits.py target/debug/fastai [NET ..]
"""

import os
import re
import sys
import tempfile

import numpy as np
import timm
import torch
import torchvision
from check_classify import photos
from PIL import Image
from run_recipe import call
from torch_side import weights_of

SIZES = [224, 299, 203, 257]
PHOTOS = 4
TOLERANCE = 1e-4
NETWORKS = ["efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2", "squeezenet1_1"]


def timm_name(name, places):
    """timm's name of a tensor of the published file; `places` are stage and place of each block."""
    outer = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
    layers = ["_expand_conv", "_bn0", "_depthwise_conv", "_bn1", "_project_conv", "_bn2"]
    wide = dict(zip(layers, ["conv_pw", "bn1", "conv_dw", "bn2", "conv_pwl", "bn3"]))
    first = dict(zip(layers[2:], ["conv_dw", "bn1", "conv_pw", "bn2"]))
    match = re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", name)
    if match is None:
        layer, leaf = name.split(".")
        return f"{outer[layer]}.{leaf}"
    stage, place = places[int(match[1])]
    return f"blocks.{stage}.{place}.{(first if stage == 0 else wide)[match[2]]}.{match[3]}"


def reference(name, path):
    """The network with the weights of `path` in float64, and the mean and deviation of its pixels."""
    state = weights_of(path)
    if name == "squeezenet1_1":
        net = torchvision.models.squeezenet1_1(weights=None)
        mean, deviation = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    else:
        net = timm.create_model(f"tf_{name}", pretrained=False)
        places = [(stage, place) for stage, blocks in enumerate(net.blocks) for place in range(len(blocks))]
        state = {timm_name(key, places): tensor for key, tensor in state.items()}
        mean, deviation = [127 / 255] * 3, [128 / 255] * 3
    net.load_state_dict(state)
    return net.double().eval(), torch.tensor(mean).double(), torch.tensor(deviation).double()


def square(path, size):
    image = Image.open(path).convert("RGB")
    left, top = (image.width - size) // 2, (image.height - size) // 2
    return image.crop((left, top, left + size, top + size))


def published(program, name):
    """The published file, which is fetched if need be."""
    return call(program, "weights", "get", name).strip().rsplit(": ", 1)[1]


def compare(program, name, sources, folder):
    path = published(program, name)
    net, mean, deviation = reference(name, path)
    for size in SIZES:
        images = [square(source, size) for source in sources]
        files = [os.path.join(folder, f"{size}_{number}.png") for number in range(len(images))]
        for image, file in zip(images, files):
            image.save(file)
        out = os.path.join(folder, "logits.npy")
        call(program, "classify", *files, "--arch", name, "--weights", path, "--size", size, "--device", "cpu", "--logits", out)
        pixels = torch.from_numpy(np.stack([np.asarray(image) for image in images])).double() / 255
        with torch.inference_mode():
            wanted = net(((pixels - mean) / deviation).permute(0, 3, 1, 2)).numpy()
        largest = np.abs(wanted).max()
        worst = np.abs(np.load(out) - wanted).max() / largest
        print(f"{name} at {size}: {worst:.1e} of the largest logit, {largest:.2f}", flush=True)
        if worst > TOLERANCE:
            raise SystemExit(f"{name} at {size}: more than {TOLERANCE}")


def main(program, names):
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        sources = sorted(path for path in photos(folder) if "imagenet_" in path)[:PHOTOS]
        for name in names:
            compare(program, name, sources, folder)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:] or NETWORKS)
