"""Golden losses of training whole networks: fastai-runtime/tests/golden/training.json.

A body (EfficientNet-lite0 or ResNet-18, see reference_models.py for both and for the formulas of weights and images), the
concat pool [max, avg], and the library's head: BatchNorm1d, Linear(2 * channels, 16), ReLU, BatchNorm1d, Linear(16, 5).
Dropout is off. 32 images of 64 px: image n is `formula(32, 64, 64)[n]`; batches of 8 in order, 4 an epoch, 20 steps.

    labels     single: class (7 * n + 3) % 5; multi: image n has tag t if (3 * n + 5 * t) % 4 == 0
    weights    the formula of reference_models.py; the tensors of the head are called layers.0.norm.weight,
               layers.0.linear.weight (as PyTorch has it, [output, input]) and so on, after `head.`; those of a second
               head after `head2.`
    optimizer  SGD, momentum .9, no dampening, one rate and one weight decay a layer group; gradients are clipped to a
               global norm before the decay is added
    frozen     groups before `first` have no gradients and their norms use and keep the running statistics; with
               `bn_freeze` all norms of the body do, and their weights still train where the group does
    losses     `weights`, where there are, go into cross entropy's weighted mean, or multiply the cells of the mean BCE
    second     after that many steps the head is replaced by a new one with 12 hidden units, and so is the optimizer

For every case the settings, the loss before each step, and the loss of all images in evaluation after the last. All of it in
float64; what a float32 run differs by is printed.

How to run
    pip install torch torchvision safetensors
    python tools/reference_training.py
"""

import json

import numpy as np
import torch
import torch.nn.functional as F
from places import GOLDEN
from reference_models import NETWORKS, fill, formula, unit_noise
from torch import nn
from torch_side import pooled

IMAGES, SIDE, BATCH, STEPS, CLASSES, HIDDEN = 32, 64, 8, 20, 5, 16


class Head(nn.Module):
    def __init__(self, inputs, hidden, name):
        super().__init__()
        layer = lambda i, o: nn.ModuleDict({"norm": nn.BatchNorm1d(i), "linear": nn.Linear(i, o)})  # noqa: E731
        self.layers = nn.ModuleList([layer(inputs, hidden), layer(hidden, CLASSES)])
        with torch.no_grad():
            for key, tensor in self.state_dict().items():
                if not key.endswith("num_batches_tracked"):
                    tensor.copy_(start(f"{name}.{key}", tensor.shape))

    def forward(self, x):
        first, last = self.layers
        return last["linear"](last["norm"](F.relu(first["linear"](first["norm"](x)))))


def start(name, shape):
    u = unit_noise(name, int(np.prod(shape)))
    if name.endswith(("running_mean", "running_var")):
        u = np.full_like(u, float(name.endswith("var")))
    elif name.endswith("bias"):
        u = u / 10
    elif len(shape) == 1:
        u = 1 + u / 4
    else:
        u = u * np.sqrt(6 / np.prod(shape[1:]))
    return torch.from_numpy(u.astype(np.float32)).reshape(tuple(shape))


def body(name):
    net = NETWORKS[name][0]()
    with torch.no_grad():
        fill(net)
    if name == "resnet18":
        first, rest = [net.conv1, net.bn1, net.layer1, net.layer2], [net.layer3, net.layer4]
        forward = nn.Sequential(net.conv1, net.bn1, net.relu, net.maxpool, net.layer1, net.layer2, *rest)
        return forward, [nn.ModuleList(first), nn.ModuleList(rest)], 512
    first = [net._conv_stem, net._bn0, *net._blocks[:5]]
    rest = [*net._blocks[5:], net._conv_head, net._bn1]
    blocks = nn.Sequential(net._conv_stem, net._bn0, nn.ReLU6(), *net._blocks, net._conv_head, net._bn1, nn.ReLU6())
    return blocks, [nn.ModuleList(first), nn.ModuleList(rest)], 1280


def train(case, dtype):
    net, groups, channels = body(case["arch"])
    head = Head(2 * channels, HIDDEN, "head")
    net, head = net.to(dtype), head.to(dtype)
    x = formula(IMAGES, SIDE, SIDE).to(dtype)
    n, t = torch.arange(IMAGES), torch.arange(CLASSES)
    weight = torch.tensor(case["weights"], dtype=dtype) if case["weights"] else None
    if case["loss"] == "single":
        y = (7 * n + 3) % 5
        loss_of = nn.CrossEntropyLoss(weight=weight)
    else:
        y = ((3 * n[:, None] + 5 * t) % 4 == 0).to(dtype)
        loss_of = nn.BCEWithLogitsLoss(weight=weight)

    def logits(x):
        return head(pooled(net(x)))

    def mode():
        net.train()
        head.train()
        for number, group in enumerate(groups):
            group.requires_grad_(number >= case["first"])
            for module in group.modules():
                if isinstance(module, nn.BatchNorm2d) and (case["bn_freeze"] or number < case["first"]):
                    module.eval()

    def optimizer():
        trained = zip([*groups, head], case["lrs"], case["wds"])
        return torch.optim.SGD(
            [{"params": list(m.parameters()), "lr": lr, "weight_decay": wd} for m, lr, wd in trained], momentum=0.9
        )

    mode()
    sgd = optimizer()
    losses = []
    for step in range(STEPS):
        if step == case["second"]:
            head = Head(2 * channels, 12, "head2").to(dtype)
            sgd = optimizer()
        at = slice(step * BATCH % IMAGES, step * BATCH % IMAGES + BATCH)
        loss = loss_of(logits(x[at]), y[at])
        losses.append(loss.item())
        sgd.zero_grad()
        loss.backward()
        if case["clip"]:
            trained = [p for m in (*groups, head) for p in m.parameters() if p.requires_grad]
            nn.utils.clip_grad_norm_(trained, case["clip"])
        sgd.step()
    net.eval()
    head.eval()
    with torch.no_grad():
        return losses, loss_of(logits(x), y).item()


def cases():
    base = {
        "first": 0, "bn_freeze": False, "wds": [0.0] * 3, "clip": None, "loss": "single",
        "weights": None, "second": None,
    }  # fmt: skip
    # Networks of random weights are chaotic: at larger rates two runs that differ in rounding part within these steps.
    rates = {"efficientnet_lite0": [1e-8, 3e-8, 1e-4], "resnet18": [1e-6, 3e-6, 1e-3]}
    frozen = {"first": 2}
    weights = [0.25, 0.5, 1.0, 1.5, 1.75]
    both = {
        "frozen": frozen,
        "partly frozen": {"first": 1},
        "unfrozen": {},
        "unfrozen, bn_freeze": {"bn_freeze": True},
        "partly frozen, bn_freeze": {"first": 1, "bn_freeze": True},
    }
    for arch in ("efficientnet_lite0", "resnet18"):
        for name, settings in both.items():
            yield f"{arch}: {name}", {"arch": arch, "lrs": rates[arch], **base, **settings}
    for name, settings in {
        "decay a group and clip": {"wds": [300.0, 100.0, 1.0], "clip": 2.0},
        "class weights, single": {**frozen, "weights": weights},
        "class weights, multi": {**frozen, "loss": "multi", "weights": weights},
        "a second head": {**frozen, "second": 10},
    }.items():
        yield f"resnet18: {name}", {"arch": "resnet18", "lrs": rates["resnet18"], **base, **settings}


def main():
    torch.manual_seed(0)
    torch.set_num_threads(1)  # the order of sums is fixed
    found = {}
    for name, case in cases():
        losses, final = train(case, torch.float64)
        small, small_final = train(case, torch.float32)
        worst = max(abs(a - b) / max(1, abs(b)) for a, b in zip([*small, small_final], [*losses, final]))
        print(f"{name}: {losses[0]:.4f} -> {losses[-1]:.4f}, in evaluation {final:.4f}; float32 differs by {worst:.1e}", flush=True)
        found[name] = {**case, "losses": losses, "final": final}
    (GOLDEN / "training.json").write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
