"""Golden losses of every optimizer: fastai-runtime/tests/golden/optimizers.json.

The network is ResNet-18 with the head, the labels and, at 32 px, the images of reference_training.py, which states them. 30
steps of the head, the body frozen, with a weight decay; PyTorch's optimizers, and timm's LAMB without its own clipping of the
global norm. One case clips the gradients by value. (Where the random body trains, rounding alone parts a float32 and a
float64 run by more than the tolerance; reference_training.py has those cases for SGD.)

For every case the settings and the loss before each step, in float64; what a float32 run differs by is printed.

How to run
    pip install torch torchvision timm safetensors
    python tools/reference_optimizers.py
"""

import json
import os

import torch
from reference_models import GOLDEN, formula
from reference_training import BATCH, HIDDEN, IMAGES, Head, body
from timm.optim import Lamb
from torch import nn

STEPS, SIDE = 30, 32
OPTIMIZERS = {
    "nesterov": lambda groups: torch.optim.SGD(groups, momentum=0.9, nesterov=True),
    "adam": lambda groups: torch.optim.Adam(groups, betas=(0.9, 0.99), eps=1e-5),
    "adamw": lambda groups: torch.optim.AdamW(groups, betas=(0.9, 0.999), eps=1e-5),
    "rmsprop": lambda groups: torch.optim.RMSprop(groups, alpha=0.95, eps=1e-3, momentum=0.5),
    "lamb": lambda groups: Lamb(groups, betas=(0.9, 0.999), eps=1e-3, max_grad_norm=None),
}
RATES = {
    "nesterov": [1e-6, 3e-6, 1e-3],
    "adam": [1e-8, 3e-8, 1e-3],
    "adamw": [1e-8, 3e-8, 1e-3],
    "rmsprop": [1e-8, 3e-8, 1e-4],
    "lamb": [1e-8, 3e-8, 1e-3],
}


def train(case, dtype):
    net, groups, channels = body("resnet18")
    head = Head(2 * channels, HIDDEN, "head")
    net, head = net.to(dtype), head.to(dtype)
    x = formula(IMAGES, SIDE, SIDE).to(dtype)
    y = (7 * torch.arange(IMAGES) + 3) % 5
    net.train()
    head.train()
    for number, group in enumerate(groups):
        group.requires_grad_(number >= case["first"])
        for module in group.modules():
            if isinstance(module, nn.BatchNorm2d) and number < case["first"]:
                module.eval()
    trained = [
        {"params": [p for p in m.parameters() if p.requires_grad], "lr": lr, "weight_decay": wd}
        for m, lr, wd in zip([*groups, head], case["lrs"], case["wds"])
    ]
    optimizer = OPTIMIZERS[case["optimizer"]]([group for group in trained if group["params"]])
    losses = []
    for step in range(STEPS):
        at = slice(step * BATCH % IMAGES, step * BATCH % IMAGES + BATCH)
        maps = net(x[at])
        loss = nn.functional.cross_entropy(head(torch.cat([maps.amax((2, 3)), maps.mean((2, 3))], 1)), y[at])
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        if case["clip_value"]:
            nn.utils.clip_grad_value_([p for group in trained for p in group["params"]], case["clip_value"])
        optimizer.step()
    return losses


def main():
    torch.manual_seed(0)
    torch.set_num_threads(1)  # the order of sums is fixed
    found = {}
    for name in OPTIMIZERS:
        found[name] = {"optimizer": name, "lrs": RATES[name], "wds": [0.1, 0.03, 0.01], "first": 2, "clip_value": None}
    found["nesterov, clipped"] = {**found["nesterov"], "clip_value": 0.01}
    for name, case in found.items():
        case["losses"] = train(case, torch.float64)
        small = train(case, torch.float32)
        worst = max(abs(a - b) / max(1, abs(b)) for a, b in zip(small, case["losses"]))
        first, last = case["losses"][0], case["losses"][-1]
        print(f"{name}: {first:.4f} -> {last:.4f}; float32 differs by {worst:.1e}", flush=True)
    with open(os.path.join(GOLDEN, "optimizers.json"), "w", encoding="utf-8") as f:
        json.dump(found, f, indent=1)


if __name__ == "__main__":
    main()
